"""The answers of a server: begun, queued, found again, gone on with after an interruption, and put away."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from agent.config import Settings
from agent.database import storable
from agent.errors import RatchetError, RecordError, SessionBusy
from agent.intent import checked
from agent.schema import Done, Event, ToolCall, ToolCallProposed, Turn
from agent.session import ChatSession, new_thread_id
from agent.stored_threads import StoredThreads, told, waiting_turn
from knowledge.schema import SearchFilter
from ui.answer_queue import AnswerQueue
from ui.answering import RUNNING, LiveAnswer, Status
from ui.asked import Asked, AskedQuestions
from ui.session_pool import SessionPool

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Work = Callable[[ChatSession], Iterator[Event]]
How = Callable[[ChatSession, str, SearchFilter | None], Iterator[Event]]

REMOTE_ANSWERS = 8  # given side by side by a model behind an address
MOST_QUEUED = 100
MOST_KEPT = 200  # answers that wait for a person, or failed
LONGEST_STOP = 10.0  # seconds to wait for an answer to stop
_IN_PROCESS = {"local", "hf", "own"}  # kinds of models that share the cores of this machine


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A thread at one moment: `turns` (finished, oldest first), and `live`, whose turn is not among them, or None."""

    turns: list[Turn]
    live: LiveAnswer | None


class Answers:
    """At most one answer for each thread; see `ui.desk.Desk` for what the methods do.

    Lock order: this object's lock, then those of the pool, the queue and the database; a `LiveAnswer` calls in without
    holding its own.

    Args:
        settings: of the server.
        stored: the threads on the disk.
        model: answers instead of the one that the settings name.
    """

    def __init__(self, settings: Settings, stored: StoredThreads, model: BaseChatModel | None = None) -> None:
        self.asked = AskedQuestions(settings.home)
        self.pool = SessionPool(self._open_session, self._in_progress)
        self._settings, self._stored, self._model = settings, stored, model
        self._queue = AnswerQueue()
        self._lock = threading.RLock()
        self._live: dict[str, LiveAnswer] = {}
        self._again: dict[str, Asked] = {}  # questions that a person stopped before their answers began
        self._switched: set[str] = set()  # threads whose open sessions have another model than that of the settings
        self._loaded: BaseChatModel | None = None  # so that the weights outlive the session that is closed last
        self._cut: set[LiveAnswer] = set()  # answers that `close` stopped
        self._closed = False

    def live(self, thread_id: str) -> LiveAnswer | None:
        """The answer whose turn is not among the recorded ones, or None."""
        live = self._live.get(thread_id)
        if live is None or not live.finished or live.turn is None:
            return live
        if self._stored.records.turn(live.turn.turn_id) is None:
            return live
        with self._lock:  # it was finished elsewhere, as on the command line
            if self._live.get(thread_id) is live:
                del self._live[thread_id]
            return self._live.get(thread_id)

    def statuses(self) -> dict[str, Status]:
        """How the answers that are not recorded yet stand, by thread; without a look at the disk."""
        return {thread_id: live.status for thread_id, live in self._live.copy().items()}

    def view(self, thread_id: str) -> ThreadView:
        """Turns and live answer of the same moment."""
        while True:
            live = self.live(thread_id)
            turns = self._stored.records.turns(thread_id)
            if self._live.get(thread_id) is live:
                running = live is not None and not live.finished
                return ThreadView(turns[: live.turns_before] if live and running else turns, live)

    def ask(
        self, thread_id: str, question: str, where: SearchFilter | None = None, how: How = ChatSession.stream
    ) -> LiveAnswer:
        """Ask a question."""
        return self._ask(Asked(thread_id, self._checked(question), {} if where is None else asdict(where)), how)

    def resume(self, thread_id: str) -> LiveAnswer | None:
        """Go on with what was interrupted, or try again what failed."""
        with self._lock:
            live, asked = self._live.get(thread_id), self.asked.get(thread_id)
            if live is not None and not live.finished:
                return live
            if asked is not None and asked.elsewhere:
                return None
            state = self._stored.unfinished(thread_id)
            if state is not None and (asked is None or asked.question == state.get("question")):
                return self._go_on(asked or Asked(thread_id, str(state.get("question", ""))), state, live)
            asked = asked or self._again.get(thread_id)
            if asked is None and live is not None and live.failed is not None:
                asked = Asked(thread_id, live.question)
            if asked is None or self._answered(asked):
                self.asked.drop(thread_id)
                self._live.pop(thread_id, None)
                return None
            return self._ask(asked)

    def regenerate(self, thread_id: str, where: SearchFilter | None = None) -> LiveAnswer:
        """Take the last turn back and ask its question again."""
        with self._lock:
            view = self.view(thread_id)
            if view.live is not None:
                again = self.resume(thread_id) if view.live.failed is not None else None
                return again or self.ask(thread_id, view.live.question, where)
            if not view.turns:
                raise RecordError("Nothing has been asked in this conversation yet.", fix="Ask a question first.")
            last = view.turns[-1]
            restriction = {} if where is None else asdict(where)
            return self._ask(Asked(thread_id, last.question, restriction, instead=last.turn_id))

    def fork(self, thread_id: str, turn_id: str, question: str) -> tuple[str, LiveAnswer]:
        """Ask another question in place of an earlier one, in a new thread."""
        question, into = self._checked(question), new_thread_id()
        self._refuse_when_full()
        self._stored.fork(thread_id, turn_id, into)
        if chosen := self._stored.records.chosen_model(thread_id):
            self.use_model(into, *chosen)
        return into, self.ask(into, question)

    def forget(self, thread_id: str) -> None:
        """Stop what is answered in a thread, and delete it."""
        live = self._live.get(thread_id)
        if live is not None:
            live.stop()
            live.join(LONGEST_STOP)
        with self._lock:
            if self._in_progress(thread_id):  # it does not stop, or another tab has asked again meanwhile
                raise SessionBusy(
                    "The answer in this conversation has not stopped yet.",
                    kept="The conversation is still there.",
                    fix="Wait a moment and delete it again.",
                )
            self.pool.drop(thread_id)
            self._live.pop(thread_id, None)
            self._again.pop(thread_id, None)
            self._switched.discard(thread_id)
            self.asked.drop(thread_id)
            self._stored.delete(thread_id)

    def use_model(self, thread_id: str, spec: str, adapter: str) -> None:
        """From the thread's next question on."""
        usual = (spec, adapter) == (self._settings.model.name, self._settings.model.adapter)
        self._stored.records.choose_model(thread_id, "" if usual else spec, adapter)

    def model_of(self, thread_id: str) -> tuple[str, str]:
        """The model and the adapter of the thread's next question."""
        return self._stored.records.chosen_model(thread_id) or (self._settings.model.name, self._settings.model.adapter)

    def close(self) -> None:
        """Stop all answers and close all sessions; safe to call twice."""
        with self._lock:
            self._closed = True
            running = [live for live in self._live.values() if not live.finished]
            self._cut |= {live for live in running if not live.stopped}
        for live in running:
            live.stop()
        deadline = time.monotonic() + LONGEST_STOP
        for live in running:
            live.join(max(0.0, deadline - time.monotonic()))
        self.pool.close()
        self._loaded = None

    def _checked(self, question: str) -> str:
        return checked(storable(question), self._settings.agent.max_question_chars)

    def _answered(self, asked: Asked) -> bool:
        """Whether the conversation has gone on: the answer is recorded, or something else was asked since."""
        turns = self._stored.records.turns(asked.thread_id)
        return any(turn.created_at >= asked.at and turn.turn_id != asked.instead for turn in turns[-2:])

    def _ask(self, asked: Asked, how: How = ChatSession.stream) -> LiveAnswer:
        def work(session: ChatSession) -> Iterator[Event]:
            turns = session.turns() if asked.instead else []
            if turns and turns[-1].turn_id == asked.instead:
                session.undo()
            yield from how(session, asked.question, asked.search_filter)

        with self._lock:
            self._refuse_when_answering(asked.thread_id)
            turns = [turn.turn_id for turn in self._stored.records.turns(asked.thread_id)]
            self._again.pop(asked.thread_id, None)
            self.asked.keep(asked.here())
            before = len(turns) - (turns[-1:] == [asked.instead])
            return self._begin(asked.thread_id, asked.question, work, turns_before=before)

    def _go_on(self, asked: Asked, state: dict[str, Any], live: LiveAnswer | None) -> LiveAnswer:
        """With a turn that is in the conversation and has no end."""
        thread_id, question, earlier = asked.thread_id, asked.question, told(state)
        waiting = self._stored.ledger.waiting(thread_id)
        for request in waiting:
            earlier.append(ToolCallProposed(ToolCall(request.call_id, request.tool, request.arguments)))
        before = len(self._stored.records.turns(thread_id))
        if not waiting:
            decided = [step for step in live.steps if step.status == RUNNING] if live is not None else []
            earlier += map(ToolCallProposed, decided)
            self.asked.keep(asked.here())
            return self._begin(thread_id, question, ChatSession.resume, earlier=earlier, turns_before=before)
        if live is not None and live.status == "waiting":
            return live
        # Nothing can be done before the person has decided, so neither the model nor a place at it is needed.
        waits = Done(waiting_turn(thread_id, state))
        found = LiveAnswer(thread_id, question, lambda live: iter([waits]), earlier=earlier, turns_before=before)
        self._live[thread_id] = found
        return found.start()

    def _begin(
        self, thread_id: str, question: str, work: Work, *, turns_before: int, earlier: Sequence[Event] = ()
    ) -> LiveAnswer:
        self._refuse_when_answering(thread_id)
        live = LiveAnswer(
            thread_id,
            question,
            lambda live: self._events(work, live),
            earlier=earlier,
            turns_before=turns_before,
            on_end=self._ended,
        )
        self._live.pop(thread_id, None)
        self._live[thread_id] = live
        over = [name for name, each in self._live.items() if each.finished]
        for name in over[: max(0, len(over) - MOST_KEPT)]:  # `resume` finds what is left of them
            del self._live[name]
            self._again.pop(name, None)
        return live.start()

    def _refuse_when_answering(self, thread_id: str) -> None:
        live = self._live.get(thread_id)
        if live is not None and not live.finished:
            raise SessionBusy("This conversation is still being answered.", fix="Wait for the answer, or stop it.")
        self._refuse_when_full()

    def _refuse_when_full(self) -> None:
        if self._closed:
            raise SessionBusy("The server is ending.", kept="Nothing was asked.", fix="Ask again once it runs.")
        if self._queue.length >= MOST_QUEUED:
            raise SessionBusy(
                "Too many questions wait already.", kept="Nothing was asked.", fix="Ask again in a minute."
            )

    def _events(self, work: Work, live: LiveAnswer) -> Iterator[Event]:
        """What happens on the thread of an answer: wait for the model, make the session ready, answer."""
        live.on_stop(self._queue.look)
        kind, most = self._lane(live.thread_id)
        with self._queue.place(kind, most, lambda: live.stopped) as granted:
            if not granted:
                raise _stopped_early()
            session = self._session(live.thread_id)
            self._make_ready(session)
            live.on_stop(session.cancel)
            if live.stopped:
                raise _stopped_early()
            live.begins()
            yield from work(session)

    def _lane(self, thread_id: str) -> tuple[str, int]:
        """Which queue the thread's answers stand in, and how many of it are given side by side."""
        from agent.models.engine import SLOTS

        own = self._model is not None and self._stored.records.chosen_model(thread_id) is None
        kind = "own" if own else self.model_of(thread_id)[0].partition(":")[0]
        return ("local", SLOTS) if kind in _IN_PROCESS else (kind, REMOTE_ANSWERS)

    def _session(self, thread_id: str) -> ChatSession:
        """The session of a thread; another one where a person went back to what the settings say."""
        if thread_id in self._switched and self._stored.records.chosen_model(thread_id) is None:
            self.pool.drop(thread_id)
            self._switched.discard(thread_id)
        return self.pool.get(thread_id)

    def _make_ready(self, session: ChatSession) -> None:
        """Load what the session needs; change its model if another has been chosen."""
        self._loaded = session.model
        chosen = self._stored.records.chosen_model(session.thread_id)
        if chosen is not None and chosen != (session.settings.model.name, session.settings.model.adapter):
            session.use_model(*chosen)
            self._switched.add(session.thread_id)
            self._loaded = session.model
            gc.collect()  # the weights of the other model, to which references go in circles

    def _open_session(self, thread_id: str) -> ChatSession:
        chosen = self._stored.records.chosen_model(thread_id)
        if chosen is not None:
            self._switched.add(thread_id)
        spec, adapter = chosen or (self._settings.model.name, None)
        own = self._model if spec == self._settings.model.name else None
        return ChatSession(self._settings, thread_id=thread_id, model=own or spec, adapter=adapter)

    def _in_progress(self, thread_id: str) -> bool:
        live = self._live.get(thread_id)
        return live is not None and not live.finished

    def _ended(self, live: LiveAnswer) -> None:
        """Put an answer away; on its own thread, before those who watch it are told that it has ended."""
        thread_id = live.thread_id
        with self._lock:
            asked = self.asked.get(thread_id) or Asked(thread_id, live.question)
            over = live.status == "done"
            if over and live in self._cut and live.turn is not None and live.turn.status == "cancelled":
                # The server ends: `resume` asks again, in place of what was said until then.
                self.asked.keep(replace(asked, instead=live.turn.turn_id).released())
            elif over:
                self.asked.drop(thread_id)
            elif live.status == "failed" and live.stopped and live not in self._cut:
                self.asked.drop(thread_id)  # a person did not want it, so no restart asks it again
                self._again[thread_id] = asked
            else:
                self.asked.keep(asked.released())
            if over and self._live.get(thread_id) is live:
                del self._live[thread_id]


def _stopped_early() -> RatchetError:
    return RatchetError(
        "Stopped before the answer began.", kept="The question is kept.", fix="Try again, or ask another."
    )
