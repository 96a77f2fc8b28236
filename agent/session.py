"""`ChatSession`: the one door that the command line, the web pages, the server and host programs use.

    with ChatSession() as session:
        for event in session.stream("How do I add documents?"):
            ...

A session answers one question at a time, on one thread of conversation, with a model and a collection of
documents named by its settings. It is thread-safe; its async methods run the same code on a worker thread,
so that one path is tested and served.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agent.config import Settings, load_settings, with_model
from agent.errors import ApprovalError, RatchetError, SessionBusy
from agent.intent import checked
from agent.offload import on_a_thread
from agent.schema import Done, Event, Failed, Feedback, Turn
from knowledge.schema import IngestProgress, IngestReport, Retrieval, SearchFilter

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AnyMessage

    from agent.calls.approvals import ApprovalRequest, Decision
    from agent.calls.ledger import CallLedger
    from agent.memory import FactStore
    from agent.records import Records
    from agent.runtime import Runtime
    from agent.turns import ThreadTurns
    from tools.registry import Toolbox

LONGEST_GOODBYE = 10.0  # seconds that `close` waits for a cancelled turn to end


class ChatSession:
    """A conversation with an agent that knows the user's documents.

    Args:
        settings: configuration; default: `load_settings()`.
        thread_id: continue this thread; default: a new one.
        model: a model spec ("ollama:llama3.2") or a ready `BaseChatModel`; default: as configured.
        adapter: a LoRA adapter for a local model: its name, its path, or "none"; default: as configured.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        thread_id: str | None = None,
        model: BaseChatModel | str | None = None,
        adapter: str | None = None,
    ) -> None:
        settings = settings or load_settings()
        name = model if isinstance(model, str) else None
        if model is not None and not isinstance(model, str) and "name" not in settings.model.model_fields_set:
            name = f"own:{model._llm_type}"  # the bundled model's name and its habits are not this one's
        self.settings = with_model(settings, name, adapter)
        self.thread_id = thread_id or new_thread_id()
        self._given = None if isinstance(model, str) else model
        self._built: Runtime | None = None
        self._broke: RatchetError | None = None
        self._building = threading.Lock()
        self._answering = threading.Lock()
        self._turn: Generator[Event, None, None] | None = None
        self._cancelled = threading.Event()  # of the turn in progress, or of the last one

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(self.close)

    @property
    def _runtime(self) -> Runtime:
        with self._building:
            if self._built is None:
                from agent.runtime import Runtime

                self._built = Runtime(self.settings, self._given)
            return self._built

    def warm(self) -> None:
        """Start loading everything in the background and return at once; errors surface at the first use."""

        def load() -> None:
            with contextlib.suppress(RatchetError):
                self._runtime  # noqa: B018 - building it is the point

        threading.Thread(target=load, name="ratchet-warm").start()

    def stream(self, question: str, where: SearchFilter | None = None) -> Iterator[Event]:
        """Answer a question as a stream of events; the last one is `Done`.

        Closing the iterator early cancels the turn.

        Args:
            question: what to answer.
            where: look only into the files that this lets through.

        Raises:
            QuestionError: the question is empty or too long.
            SessionBusy: another question is being answered.
            RatchetError: the model, index or database cannot be used (before the first event only).
        """
        return self._guarded(self._start(question, where), threading.Event())

    def resume(self) -> Iterator[Event]:
        """Finish the turn that was interrupted: by a crash, an unreachable model, or an approval that was waited for.

        No events if there is none; while an approval is still waited for, only the request again.
        """
        if self.pending is not None:
            return self._guarded(None, threading.Event())
        self._turns.tidy()
        return iter(())

    def approvals(self) -> list[ApprovalRequest]:
        """The tool calls of this thread that wait for a decision, oldest first; they outlast the program."""
        return self._runtime.ledger.waiting(self.thread_id)

    def decide(
        self,
        request: ApprovalRequest,
        decision: Decision,
        *,
        arguments: Mapping[str, Any] | None = None,
        reason: str = "",
        always: bool = False,
    ) -> None:
        """Decide about a tool call that waits, once; `resume` then goes on with the turn.

        Args:
            request: as it was shown; a decision about anything else is refused.
            decision: "approve", "edit" (run it with `arguments` instead) or "reject".
            arguments: the edited ones, all of them.
            reason: told to the model with a rejection.
            always: allow the tool for the rest of this thread, as long as only the user's own text is in play.

        Raises:
            ApprovalError: no such request in this thread, decided already, or not what was shown; or the edited
                arguments do not fit the tool.
        """
        from agent.calls.approvals import Choice
        from agent.calls.deciding import decide

        if request.thread_id != self.thread_id:
            raise ApprovalError("This request belongs to another conversation.", kept="Nothing was run.")
        person, how = self.settings.agent.person, Choice(decision, arguments, "", reason, always)
        decide(self.ledger, self.toolbox.tools, request, person, how)

    def _start(self, question: str, where: SearchFilter | None) -> dict[str, Any]:
        from agent.turns import beginning

        return beginning(self.thread_id, checked(question, self.settings.agent.max_question_chars), where)

    def _guarded(self, start: dict[str, Any] | None, cancelled: threading.Event) -> Iterator[Event]:
        with self._alone():
            self._cancelled = cancelled
            self._turn = self._run(start, cancelled)
            yield from self._turn

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While no question is being answered, and none can be asked."""
        if not self._answering.acquire(blocking=False):
            raise SessionBusy(
                "This session is still answering another question.",
                fix="Wait for it, cancel it, or open a second ChatSession.",
            )
        try:
            yield
        finally:
            self._answering.release()

    @property
    def _turns(self) -> ThreadTurns:
        from agent.turns import ThreadTurns

        return ThreadTurns(self._runtime, self.thread_id)

    def _run(self, start: dict[str, Any] | None, cancelled: threading.Event) -> Generator[Event, None, None]:
        turns = self._turns
        self._broke = None
        yield from turns.run(start, cancelled)
        self._broke = turns.broke

    def ask(self, question: str, where: SearchFilter | None = None) -> Turn:
        """Answer a question and return the finished turn; arguments as for `stream`.

        Raises:
            RatchetError: as `stream`, and also when the turn breaks midway.
        """
        return self._outcome(list(self.stream(question, where)))

    def _outcome(self, events: Sequence[Event]) -> Turn:
        """The finished turn, or the error that broke it."""
        if self._broke is not None and any(isinstance(event, Failed) for event in events):
            raise self._broke
        return next(event.turn for event in events if isinstance(event, Done))

    async def astream(self, question: str, where: SearchFilter | None = None) -> AsyncIterator[Event]:
        """As `stream`, without blocking the event loop; cancelling the task cancels the turn."""
        turn = on_a_thread(lambda cancelled: self._guarded(self._start(question, where), cancelled))
        async with contextlib.aclosing(turn) as events:
            async for event in events:
                yield event

    async def aask(self, question: str, where: SearchFilter | None = None) -> Turn:
        """As `ask`, without blocking the event loop."""
        return self._outcome([event async for event in self.astream(question, where)])

    def cancel(self) -> None:
        """Stop the answer at the next token; the turn ends as "cancelled" and keeps what was said."""
        self._cancelled.set()

    @property
    def pending(self) -> str | None:
        """The question of a turn that was interrupted before it finished, or waits for an approval; or None."""
        values = self._turns.unfinished()
        return str(values["question"]) if values is not None else None

    def turns(self) -> list[Turn]:
        """The finished turns of this thread, oldest first."""
        return self.records.turns(self.thread_id)

    def undo(self) -> Turn | None:
        """Take the last turn back: out of the conversation, marked retracted in the records.

        Raises:
            SessionBusy: a question is being answered.
        """
        with self._alone():
            turns = self.turns()
            if not turns:
                return None
            self._turns.take_back(turns[-1])
            return turns[-1]

    def new_thread(self) -> str:
        """Start a new conversation; the old one stays in the list of threads.

        Raises:
            SessionBusy: a question is being answered.
        """
        with self._alone():
            self.thread_id = new_thread_id()
        return self.thread_id

    def fork(self, turn_id: str) -> str:
        """Begin another thread with the turns before this one (RecordError if there is none such); its id."""
        from agent.forking import fork

        return fork(self.records, self._runtime.checkpointer, self.thread_id, turn_id, new_thread_id())

    def delete_thread(self, thread_id: str) -> None:
        """Delete a conversation for good: its turns, its feedback and its checkpoints."""
        # Checkpoints first: if the program dies in between, the thread is still listed and can be deleted again.
        self._runtime.checkpointer.delete_thread(thread_id)
        self._runtime.ledger.delete_thread(thread_id)
        self.records.delete_thread(thread_id)

    def use_model(self, spec: str, adapter: str | None = None) -> None:
        """Answer with another model from the next question on; the old one stays if this one cannot be built.

        Raises:
            ModelError: unknown, unreachable or not a model.
            SessionBusy: a question is being answered.
        """
        with self._alone():
            settings = with_model(self.settings, spec, adapter if adapter is not None else "")
            self._runtime.use_model(settings)
            self.settings = settings

    def ingest(
        self,
        paths: Sequence[str | Path],
        *,
        rebuild: bool = False,
        retry: bool = False,
        on_progress: Callable[[IngestProgress], None] | None = None,
    ) -> IngestReport:
        """Read files, folders and web pages into the session's collection; only what changed is read again.

        Args:
            paths: also addresses that begin with http; none at all stands for everything ingested before.
            rebuild: make the index anew.
            retry: try files again that failed before and are unchanged.
            on_progress: told how far it is.

        Raises:
            SourceMissing: a path does not exist.
            EmbedderMismatch: the index was made with another embedder and `rebuild` is False.
            IndexBusy, StorageError: the index cannot be written; it stays as it was.
            SessionBusy: a question is being answered.
            IngestInterrupted: Ctrl-C, a KeyboardInterrupt; what was finished is in the index.
        """
        from agent.documents import add

        with self._alone():
            runtime = self._runtime
            try:
                return add(
                    self.settings, runtime.embeddings, paths, rebuild=rebuild, retry=retry, on_progress=on_progress
                )
            finally:
                runtime.refresh_documents()

    def feedback(self, turn_id: str, rating: int, correction: str = "", comment: str = "") -> Feedback:
        """Record what a person thought of a turn: rating 1, -1 or 0, a better answer, a comment."""
        return self.records.add_feedback(turn_id, rating, correction, comment)

    def search(self, query: str, k: int | None = None, where: SearchFilter | None = None) -> Retrieval:
        """Search the documents without asking the model; `where` restricts the files looked into.

        Raises:
            IndexMissing: nothing has been ingested into the collection.
        """
        with contextlib.suppress(SessionBusy), self._alone():  # not under a turn that reads the index
            self._runtime.refresh_documents()
        return self._runtime.search(query, k, where)

    @property
    def facts(self) -> FactStore:
        """What the user asked to be remembered."""
        return self._runtime.facts

    @property
    def records(self) -> Records:
        """Turns and feedback."""
        return self._runtime.records

    @property
    def model(self) -> BaseChatModel:
        """The chat model in use."""
        return self._runtime.model

    @property
    def model_name(self) -> str:
        """The spec of the model in use, such as "local:default"."""
        return self.settings.model.name

    @property
    def last_prompt(self) -> list[AnyMessage]:
        """The messages of the latest model call, exactly as they were sent."""
        return self._runtime.deps.last_prompt

    @property
    def passages_indexed(self) -> int:
        """How many passages the collection holds."""
        index = self._runtime.index
        return index.size if index is not None else 0

    @property
    def toolbox(self) -> Toolbox:
        """The tools there are, and why others are not."""
        return self._runtime.toolbox

    @property
    def ledger(self) -> CallLedger:
        """Tool calls with effects, and the audit log."""
        return self._runtime.ledger

    def close(self) -> None:
        """Cancel what is running, let it end in order, and release model, index and database."""
        self.cancel()
        try:
            if self._turn is not None:
                self._turn.close()
        except ValueError:  # it is being read on another thread, which records the turn on its way out
            if self._answering.acquire(timeout=LONGEST_GOODBYE):
                self._answering.release()
        with self._building:
            if self._built is not None:
                self._built.close()
                self._built = None


def new_thread_id() -> str:
    """A short random name for a conversation."""
    return uuid.uuid4().hex[:12]
