"""Puts the questions of a match to both contestants, on a thread of its own, and keeps every reply as it comes."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent.errors import ModelError, RatchetError
from ui.matches import Contestant, Duel, Match, MatchFolder, Reply, Vote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.config import Settings
    from agent.schema import Turn
    from knowledge.schema import Passage
    from ui.answering import LiveAnswer
    from ui.desk import Desk

_MOST_DECISIONS = 20  # about tool calls of one answer; all of them are rejected, since nobody is asked


@dataclass
class _Work:
    """A match in progress."""

    thread: threading.Thread
    stop: threading.Event = field(default_factory=threading.Event)
    live: LiveAnswer | None = None
    failed: RatchetError | None = None


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
                if work.stop.is_set():
                    return
                played = self._recorded(match, duel) if match.recorded else self._asked(match, duel, work)
                if played is None:
                    return
                with self._lock:  # a vote may have come in between
                    self.kept.keep(self.kept.match(match_id).with_duel(number, played))
        except RatchetError as error:
            work.failed = error

    def _recorded(self, match: Match, duel: Duel) -> Duel:
        """Both adapters over the very same prompt; the conversation stays, as the choice belongs to it."""
        from agent.blind import compare
        from agent.session import ChatSession

        one, other = match.contestants
        settings = without_asking(self._desk.settings)
        try:
            with ChatSession(settings, model=one.model, adapter="") as session:
                pair = compare(session, duel.question, (one.adapter, other.adapter), seed=duel.first)
                with suppress(RatchetError):
                    session.records.rename_thread(session.thread_id, f"Arena: {duel.question}")
                usage = pair.turn.usage.prompt_tokens
                shown = [
                    _judged(text, pair.turn.passages, seconds, usage, tokens)
                    for text, seconds, tokens in zip(pair.answers, pair.seconds, pair.tokens, strict=True)
                ]
        except ModelError as error:
            failed = Reply("", failed=f"{error.what} {error.fix}".strip())
            return replace(duel, replies=(failed, failed))
        replies, names = (shown, pair.adapters) if pair.first == 0 else (shown[::-1], pair.adapters[::-1])
        return replace(duel, replies=tuple(replies), first=pair.first, turn_id=pair.turn.turn_id, adapters=tuple(names))

    def _asked(self, match: Match, duel: Duel, work: _Work) -> Duel | None:
        """Each contestant in a conversation of its own, which is deleted; None where it was stopped."""
        replies = []
        for contestant in match.contestants:
            if work.stop.is_set():
                return None
            replies.append(self._reply(contestant, duel.question, work))
        return None if work.stop.is_set() else replace(duel, replies=tuple(replies))

    def _reply(self, contestant: Contestant, question: str, work: _Work) -> Reply:
        thread_id = self._desk.new_thread()
        self._desk.use_model(thread_id, contestant.model, contestant.adapter)
        try:
            work.live = live = self._desk.ask(thread_id, question)
            live = self._ended(live, work)
            if live.failed is not None:
                return Reply("", failed=f"{live.failed.what} {live.failed.fix}".strip())
            return _reply_of(live.turn) if live.turn is not None else Reply("", failed="It was stopped.")
        except RatchetError as error:
            return Reply("", failed=f"{error.what} {error.fix}".strip())
        finally:
            work.live = None
            with suppress(RatchetError):
                self._desk.delete(thread_id)

    def _ended(self, live: LiveAnswer, work: _Work) -> LiveAnswer:
        """The answer once it is over; calls that need a person are rejected, as both sides shall run unattended."""
        for _ in range(_MOST_DECISIONS):
            live.join()
            if live.status != "waiting" or work.stop.is_set():
                break
            for request in self._desk.waiting(live.thread_id):
                live = self._desk.decide(live.thread_id, request, "reject", reason="Nobody can be asked in the arena.")
            work.live = live
        return live


def without_asking(settings: Settings) -> Settings:
    """The same settings, in which tools that would ask a person are denied."""
    tools = settings.tools
    changes = {risk: "deny" for risk in ("read", "write", "execute", "network") if getattr(tools, risk) == "ask"}
    policy = {name: "deny" if permission == "ask" else permission for name, permission in tools.policy.items()}
    return settings.model_copy(update={"tools": tools.model_copy(update={**changes, "policy": policy})})


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
