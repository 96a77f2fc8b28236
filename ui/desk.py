"""What a server of pages holds, behind one door: conversations, answers in progress, models and documents on offer."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.config import Settings, load_settings
from agent.errors import ApprovalError
from agent.records import ThreadSummary, title_of
from agent.schema import Feedback, Turn
from agent.session import ChatSession, new_thread_id
from agent.stored_threads import StoredThreads
from knowledge.schema import SearchFilter
from ui.answering import LiveAnswer, Status
from ui.answers import Answers, How, ThreadView
from ui.offers import Offers

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agent.calls.approvals import ApprovalRequest, Decision
    from knowledge.schema import IngestProgress, IngestReport

__all__ = ["Desk", "ThreadView"]


class Desk:
    """One for each process. Thread-safe.

    Nothing here waits for a model but `add_files` (for the embedder), `decide` with edited arguments, and what is
    done with the result of `session`.

    Args:
        settings: default: `load_settings()`.
        model: answers instead of the one that the settings name, such as a scripted one.

    Raises:
        ConfigError: the settings cannot be read.
        DatabaseError: the database cannot be used (from most methods, too).
    """

    def __init__(self, settings: Settings | None = None, *, model: BaseChatModel | None = None) -> None:
        import agent.models.engine  # noqa: F401 - see below

        self.settings = settings or load_settings()
        self._stored = StoredThreads(self.settings.database)
        self._answers = Answers(self.settings, self._stored, model)
        self._offers = Offers(self.settings)
        # Registered after the engine's own farewell, hence called before it: an answer whose model was taken away
        # would look like one that had come to its end.
        atexit.register(_close, weakref.ref(self))

    def session(self, thread_id: str) -> ChatSession:
        """The session of a thread, opened if need be; it loads on first use.

        For what only a session can do (search, facts, toolbox); questions go through `ask`.
        """
        return self._answers.pool.get(thread_id)

    def threads(self, search: str = "") -> list[ThreadSummary]:
        """The conversations, those in progress included, the most recently used first.

        Args:
            search: words that title, questions and answers must hold, in any case.
        """
        records, words = self._stored.records, search.split()
        found = {thread.thread_id: thread for thread in records.threads()}
        holding = records.threads_with(words) if words else set(found)
        for asked in self._answers.asked.all():
            new = ThreadSummary(asked.thread_id, title_of(asked.question), 0, asked.at, asked.at)
            known = found.get(asked.thread_id, new)
            found[asked.thread_id] = replace(known, updated_at=max(known.updated_at, asked.at))
            if all(word.casefold() in asked.question.casefold() for word in words):
                holding.add(asked.thread_id)
        listed = [thread for thread in found.values() if thread.thread_id in holding]
        return sorted(listed, key=lambda thread: thread.updated_at, reverse=True)

    def new_thread(self) -> str:
        """The id of a new conversation; it is listed from its first question on."""
        return new_thread_id()

    def rename(self, thread_id: str, title: str) -> None:
        """Give a conversation another title.

        Raises:
            RecordError: no question of the thread has been answered yet, or the title is blank.
        """
        self._stored.records.rename_thread(thread_id, title)

    def delete(self, thread_id: str) -> None:
        """Delete a conversation for good; an answer in progress in it is stopped first.

        Raises:
            SessionBusy: the answer does not stop.
        """
        self._answers.forget(thread_id)

    def turns(self, thread_id: str) -> list[Turn]:
        """The finished turns, oldest first; without the one that `live` still shows."""
        return self.view(thread_id).turns

    def live(self, thread_id: str) -> LiveAnswer | None:
        """The answer that is not among the turns: in progress, waiting for an approval, or failed; or None."""
        return self._answers.live(thread_id)

    def view(self, thread_id: str) -> ThreadView:
        """Turns and live answer of the same moment, so that no turn is shown twice or missed."""
        return self._answers.view(thread_id)

    def statuses(self) -> dict[str, Status]:
        """How far each thread is in which something goes on, or waits for a person; costs nothing."""
        return self._answers.statuses()

    def ask(
        self, thread_id: str, question: str, where: SearchFilter | None = None, *, how: How = ChatSession.stream
    ) -> LiveAnswer:
        """Ask a question; returns at once.

        Args:
            thread_id: the conversation.
            question: what to answer.
            where: look only into the files that this lets through.
            how: gives the events, and may do more with the model before it ends; what is tried again after a failure,
                or after the end of the server, is asked as usual.

        Raises:
            SessionBusy: the thread is still answering, or too many questions wait.
            QuestionError: the question is empty or too long.
        """
        return self._answers.ask(thread_id, question, where, how)

    def resume(self, thread_id: str) -> LiveAnswer | None:
        """Go on with what was interrupted, also by the end of the server, or try again what failed.

        Cheap: call it whenever a thread is opened and `live` has nothing.

        Returns:
            The live answer, the one there already is if it is in progress or waits; None if nothing is left to do.
        """
        return self._answers.resume(thread_id)

    def regenerate(self, thread_id: str, where: SearchFilter | None = None) -> LiveAnswer:
        """Take the last turn back and ask its question again; the old answer stays until the new one begins.

        Where the question shown last has no answer yet, because it failed or waits, that one is asked again.

        Args:
            thread_id: the conversation.
            where: look only into the files that this lets through; not remembered from the last time.

        Raises:
            SessionBusy: as `ask`.
            RecordError: there is nothing to ask again.
        """
        return self._answers.regenerate(thread_id, where)

    def fork(self, thread_id: str, turn_id: str, question: str) -> tuple[str, LiveAnswer]:
        """Ask another question in place of an earlier one, in a new thread with the turns before it.

        Raises:
            SessionBusy, QuestionError: as `ask`.
            RecordError: the turn is not in the thread.
        """
        return self._answers.fork(thread_id, turn_id, question)

    def waiting(self, thread_id: str) -> list[ApprovalRequest]:
        """The tool calls of a thread that wait for a decision, oldest first; they outlast the server."""
        return self._stored.ledger.waiting(thread_id)

    def decide(
        self,
        thread_id: str,
        request: ApprovalRequest,
        decision: Decision,
        *,
        arguments: Mapping[str, Any] | None = None,
        reason: str = "",
        always: bool = False,
    ) -> LiveAnswer:
        """Decide about a tool call, as `ChatSession.decide`, and go on with the turn once none waits any more.

        Raises:
            ApprovalError: decided already, withdrawn, or not what was shown; or the edited arguments do not fit.
        """
        from agent.calls.approvals import Choice
        from agent.calls.deciding import decide

        if request.thread_id != thread_id:
            raise ApprovalError("This request belongs to another conversation.", kept="Nothing was run.")
        # Only edited arguments are held against the tool, which a session knows.
        tools = self.session(thread_id).toolbox.tools if decision == "edit" else {}
        choice = Choice(decision, arguments, "", reason, always)
        decide(self._stored.ledger, tools, request, self.settings.agent.person, choice)
        live = self.resume(thread_id)
        if live is None:
            raise ApprovalError(
                "The question that this call belongs to is over, or another program answers it.",
                kept="Your decision is recorded.",
                fix="Load the conversation again.",
            )
        return live

    def feedback(self, turn_id: str, rating: int, correction: str = "", comment: str = "") -> Feedback:
        """Record what a person thought of a turn: rating 1, -1 or 0, a better answer, a comment.

        Raises:
            RecordError: there is no such turn, or no such rating.
        """
        return self._stored.records.add_feedback(turn_id, rating, correction, comment)

    def judgement(self, turn_id: str) -> Feedback | None:
        """The latest feedback of a turn, the only one that counts."""
        given = self._stored.records.feedback(turn_id)
        return given[-1] if given else None

    def flag_citation(self, turn_id: str, number: int) -> Feedback:
        """Record that a citation does not support what it is cited for, beside what was said of the turn before."""
        before = self.judgement(turn_id)
        correction, comment = (before.correction, before.comment) if before else ("", "")
        notes = dict.fromkeys([*comment.splitlines(), f"wrong citation [{number}]"])
        return self.feedback(turn_id, -1, correction, "\n".join(notes))

    def use_model(self, thread_id: str, spec: str, adapter: str = "") -> None:
        """Answer with another model from the thread's next question on.

        A model that cannot be used makes the next question fail, with the reason; the question is kept.

        Args:
            thread_id: the conversation.
            spec: one of `models`, or any other.
            adapter: one of `adapters`.
        """
        self._answers.use_model(thread_id, spec, adapter)

    def model_of(self, thread_id: str) -> tuple[str, str]:
        """The model and the adapter that the thread's next question goes to."""
        return self._answers.model_of(thread_id)

    def models(self, patience: float | None = None) -> list[str]:
        """Models worth offering, the configured one first.

        Args:
            patience: seconds to wait for servers that are asked for theirs; None for as long as it takes.
        """
        return self._offers.models(patience)

    def adapters(self) -> list[str]:
        """Adapters worth offering: "" for the promoted one, "none" for the bare model, then those trained here."""
        return self._offers.adapters()

    def suggestions(self, limit: int = 4) -> list[str]:
        """First questions made from the user's own documents; empty without any, and while they are being looked at."""
        return self._offers.questions(limit)

    def add_files(
        self,
        uploads: Sequence[tuple[str, bytes]],
        on_progress: Callable[[IngestProgress], None] | None = None,
    ) -> IngestReport:
        """Keep uploaded files in `home/uploads` and ingest them; returns when that is done.

        Args:
            uploads: name and content of each.
            on_progress: told how far it is.

        Raises:
            DocumentError: not one of them can be taken; where only some cannot, the report tells.
            IndexBusy, EmbedderMismatch, StorageError: the index cannot be written.
        """
        return self._offers.add_files(uploads, on_progress)

    def close(self) -> None:
        """Stop what is answered and release everything; `resume` answers again what was cut off. Safe to call twice."""
        self._answers.close()
        self._offers.close()
        self._stored.close()


def _close(desk: weakref.ref[Desk]) -> None:
    left = desk()
    if left is not None:
        left.close()
