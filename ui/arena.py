"""Puts the questions of a match to both contestants, on a thread of its own, and keeps every reply as it comes."""

from __future__ import annotations

import logging
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent.errors import QuestionError, RatchetError
from agent.schema import Done
from ui.matches import Contestant, Duel, Match, MatchFolder, Reply, Vote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.schema import Event, Failed, Turn
    from agent.session import ChatSession
    from knowledge.schema import Passage, SearchFilter
    from ui.answering import LiveAnswer
    from ui.answers import How
    from ui.desk import Desk

_log = logging.getLogger(__name__)


@dataclass
class _Work:
    """A match in progress."""

    thread: threading.Thread
    stop: threading.Event = field(default_factory=threading.Event)
    live: LiveAnswer | None = None
    failed: RatchetError | None = None

    @property
    def stopped(self) -> bool:
        """Whether a person has stopped it, or the end of the server."""
        return self.stop.is_set() or (self.live is not None and self.live.stopped)


class Arena:
    """The matches of a home. Thread-safe; one for each server.

    Args:
        desk: answers the questions, in turn with those of the chats.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.kept = MatchFolder(desk.settings.home / "arena")
        self._lock = threading.RLock()
        self._work: dict[str, _Work] = {}

    def start(self, match: Match) -> None:
        """Keep a match and begin with it, or go on with one that was interrupted; returns at once.

        Raises:
            StorageError: the disk refused.
        """
        with self._lock:
            if self.running(match.match_id):
                return
            self.kept.keep(match)
            name = f"arena-{match.match_id}"
            work = _Work(threading.Thread(target=self._play, args=(match.match_id,), name=name, daemon=True))
            self._work[match.match_id] = work
            work.thread.start()

    def running(self, match_id: str) -> bool:
        """Whether questions of a match are being answered."""
        work = self._work.get(match_id)
        return work is not None and work.thread.is_alive()

    def trouble(self, match_id: str) -> RatchetError | None:
        """What ended a match before its time; None for nothing."""
        work = self._work.get(match_id)
        return work.failed if work is not None else None

    def stop(self, match_id: str) -> None:
        """End a match after the token that is being generated; what was answered is kept."""
        work = self._work.get(match_id)
        if work is not None:
            work.stop.set()
            if work.live is not None:
                work.live.stop()

    def join(self, match_id: str, timeout: float) -> None:
        """Wait until a match has ended."""
        if (work := self._work.get(match_id)) is not None:
            work.thread.join(timeout)

    def vote(self, match_id: str, number: int, vote: Vote) -> Match:
        """Keep which answer was better; between two adapters it is recorded as a choice, to be learned from.

        Args:
            match_id: the match.
            number: of the duel.
            vote: the contestant, or "neither".

        Raises:
            RecordError: there is no such match.
            DatabaseError, StorageError: it cannot be kept.
        """
        with self._lock:
            match = self.kept.match(match_id)
            duel = match.duels[number]
            if duel.turn_id:
                self._record(duel, vote)
            match = match.with_duel(number, replace(duel, vote=vote))
            self.kept.keep(match)
        return match

    def _record(self, duel: Duel, vote: Vote) -> None:
        from agent.records import Records

        one, other = duel.shown
        chosen = None if vote == "neither" else duel.shown.index(int(vote))
        with closing(Records(self._desk.settings.database)) as records:
            texts = (duel.replies[one].text, duel.replies[other].text)
            records.add_choice(duel.turn_id, texts, chosen, (duel.adapters[one], duel.adapters[other]))

    def _play(self, match_id: str) -> None:
        work = self._work[match_id]
        try:
            match = self.kept.match(match_id)
            for number, duel in enumerate(match.duels):
                if len(duel.replies) == 2:
                    continue
                try:
                    played = self._recorded(match, duel, work) if match.recorded else self._asked(match, duel, work)
                except QuestionError as error:
                    played = _without_answers(duel, error)
                if played is None:
                    return
                with self._lock:  # a vote may have come in between
                    self.kept.keep(self.kept.match(match_id).with_duel(number, played))
        except RatchetError as error:
            work.failed = error
        except Exception as error:  # nobody waits for this thread: what is not kept here is never heard of
            _log.exception("a match broke")
            work.failed = RatchetError(f"The match broke off: {error!r}.", kept="What was answered.", fix="Go on.")

    def _recorded(self, match: Match, duel: Duel, work: _Work) -> Duel | None:
        """Both adapters over the very same prompt; the conversation stays, as the choice belongs to it."""
        from agent.blind import BlindComparison

        one, other = match.contestants
        adapters = one.adapter, other.adapter
        blind = BlindComparison(adapters, seed=duel.first, stopped=lambda: work.stopped, ask=unattended)
        live = self._answered(Contestant(one.model), duel.question, work, blind.stream)
        if live is None:
            return None
        if blind.pair is None:
            self._forget(live.thread_id)
            return _without_answers(duel, blind.error or live.failed)
        with suppress(RatchetError):
            self._desk.rename(live.thread_id, f"Arena: {duel.question}")
        pair = blind.pair
        usage = pair.turn.usage.prompt_tokens
        shown = [
            _judged(text, pair.turn.passages, seconds, usage, tokens)
            for text, seconds, tokens in zip(pair.answers, pair.seconds, pair.tokens, strict=True)
        ]
        replies, names = (shown, pair.adapters) if pair.first == 0 else (shown[::-1], pair.adapters[::-1])
        return replace(duel, replies=tuple(replies), first=pair.first, turn_id=pair.turn.turn_id, adapters=tuple(names))

    def _asked(self, match: Match, duel: Duel, work: _Work) -> Duel | None:
        """Each contestant in a conversation of its own, which is deleted; None where it was stopped."""
        replies: list[Reply] = []
        for contestant in match.contestants:
            live = self._answered(contestant, duel.question, work, unattended)
            if live is None:
                return None
            self._forget(live.thread_id)
            if live.failed is None and live.turn is not None:
                replies.append(_reply_of(live.turn))
            else:
                replies.append(Reply("", failed=_why(live.failed)))
        return replace(duel, replies=tuple(replies))

    def _answered(self, contestant: Contestant, question: str, work: _Work, how: How) -> LiveAnswer | None:
        """The answer of a contestant, once it is over; None where a person stopped it, or the end of the server."""
        thread_id = self._desk.new_thread()
        self._desk.use_model(thread_id, contestant.model, contestant.adapter)
        work.live = live = self._desk.ask(thread_id, question, how=how)
        if work.stop.is_set():  # before it was known what to stop
            live.stop()
        live.join()
        if live.stopped:
            self._forget(thread_id)
            return None
        return live

    def _forget(self, thread_id: str) -> None:
        with suppress(RatchetError):
            self._desk.delete(thread_id)


def unattended(session: ChatSession, question: str, where: SearchFilter | None = None) -> Iterator[Event]:
    """As `ChatSession.stream`, but calls that need a person are rejected, as nobody is there to be asked."""
    event: Event | None = None
    for event in session.stream(question, where):
        yield event
    while isinstance(event, Done) and event.turn.status == "waiting":
        for request in session.approvals():
            session.decide(request, "reject", reason="Nobody can be asked in the arena.")
        event = None
        for event in session.resume():
            yield event


def _without_answers(duel: Duel, error: RatchetError | Failed | None) -> Duel:
    failed = Reply("", failed=_why(error))
    return replace(duel, replies=(failed, failed))


def _why(error: RatchetError | Failed | None) -> str:
    """Why there is no answer, in a line."""
    return f"{error.what} {error.fix}".strip() if error is not None else "It has no end that could be compared."


def _reply_of(turn: Turn) -> Reply:
    supported = sum(verdict.grade == "supported" for verdict in turn.verdicts)
    usage = turn.usage
    return Reply(
        turn.answer,
        turn.timings.total,
        usage.prompt_tokens,
        usage.completion_tokens,
        len(turn.verdicts),
        supported,
        failed="" if turn.status in ("done", "limit") else f"It ended as {turn.status}.",
    )


def _judged(text: str, passages: Sequence[Passage], seconds: float, prompt_tokens: int, tokens: int) -> Reply:
    """A reply whose sentences are compared with the passages, as in a chat."""
    from agent.grounding import CitationStream

    stream = CitationStream(passages)
    for piece in (stream.feed(text), stream.finish()):
        for _ in piece:
            pass
    supported = sum(verdict.grade == "supported" for verdict in stream.verdicts)
    return Reply(text, seconds, prompt_tokens, tokens, len(stream.verdicts), supported)
