"""Everything a session runs on, built once and in parallel: model, documents, memory, records, graph."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from agent import prompts
from agent.adapters import NONE, is_own, served_version
from agent.calls.delegation import delegate_with
from agent.calls.remembering import ToolFacts
from agent.calls.toolbox import limits_of, open_toolbox, policy_of
from agent.config import Settings
from agent.context import Budget, budget_for, digest, to_compact
from agent.errors import IndexMissing, ModelError, ModelFileInvalid
from agent.followups import focus_after
from agent.schema import Citation, Fact, Timings, ToolCall, Turn, Usage, Verdict
from agent.tool_choice import ToolIndex, choose_offer
from knowledge.reranking import build_reranker
from knowledge.schema import Passage, Retrieval, SearchFilter
from tools.registry import Toolbox

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AnyMessage

    from agent.calls.ledger import CallLedger
    from agent.memory import FactStore, PrunedSqliteSaver
    from agent.records import Records
    from agent.speech import Clock
    from agent.state import Search, TurnState
    from knowledge.embedders import Embedder
    from knowledge.index import KnowledgeIndex
    from knowledge.retriever import HybridRetriever

T = TypeVar("T")
MOST_CARRIED = 50  # sources of earlier turns that a request for approval can name


class Runtime:
    """Owns the open resources of one session; `close` releases them.

    Raises (from the constructor):
        ModelError: the model cannot be built.
        IndexCorrupt, EmbedderMismatch: the index cannot be used.
        DatabaseError: the database cannot be opened.
    """

    def __init__(self, settings: Settings, model: BaseChatModel | None = None) -> None:
        self.settings = settings
        self._stack = ExitStack()
        self.index: KnowledgeIndex | None = None
        self.retriever: HybridRetriever | None = None
        self._retired: KnowledgeIndex | None = None
        self._own = model is None
        self._adapters, self._said = served_version(settings.adapters_folder), ""
        self._reranker = build_reranker(settings.knowledge.reranker)
        self.finished: Turn | None = None
        self.toolbox = Toolbox({}, {})
        self._loading = _InBackground(lambda: model or self._load_model(settings))
        try:
            self._open_stores()
            self._open_documents()
            self.model: BaseChatModel = self._loading.result()
            self._wire()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _load_model(settings: Settings) -> BaseChatModel:
        from agent.models import build_chat_model

        model = build_chat_model(settings.model.name, settings)
        try:
            _warm(model)
        except ModelFileInvalid as error:
            if settings.model.adapter or not getattr(model, "adapters", ()):
                raise
            # Nobody asked for this adapter by name, so it must not keep anybody from an answer.
            model = build_chat_model(settings.model.name, settings, adapter=NONE)
            _warm(model)
            vars(model)["adapter_note"] = f"{error.what} The model without an adapter answers."
        return model

    def _open_stores(self) -> None:
        from agent.calls.ledger import CallLedger
        from agent.documents import open_embeddings
        from agent.memory import FactStore, open_checkpointer
        from agent.records import Records

        settings = self.settings
        self.embeddings: Embedder = open_embeddings(settings)
        self._stack.callback(self.embeddings.close)
        self._nearest = ToolIndex(self.embeddings)
        self.checkpointer: PrunedSqliteSaver = open_checkpointer(settings.database)
        self._stack.callback(self.checkpointer.close)
        self.records: Records = Records(settings.database)
        self._stack.callback(self.records.close)
        self.facts: FactStore = FactStore(settings.database, self.embeddings.embed, self.embeddings.fingerprint)
        self._stack.callback(self.facts.close)
        self.ledger: CallLedger = CallLedger(settings.database)
        self._stack.callback(self.ledger.close)

    def _open_documents(self) -> None:
        """Open the index that is current; what was open before stays in use should that fail.

        Raises:
            IndexCorrupt, EmbedderMismatch, AdapterDamaged: it cannot be used.
        """
        from knowledge.index import KnowledgeIndex
        from knowledge.retriever import HybridRetriever

        state = self._current()
        index: KnowledgeIndex | None = None
        retriever: HybridRetriever | None = None
        if state[0]:
            index = KnowledgeIndex.open(self.settings.index_folder, self.embeddings.fingerprint)
            try:
                retriever = HybridRetriever.over(
                    index, self.embeddings, top_k=self.settings.knowledge.top_k, reranker=self._reranker
                )
            except BaseException:
                index.close()
                raise
        self.index, self.retriever, self._state = index, retriever, state

    def _current(self) -> tuple[str, int]:
        """What tells one state of the documents from another: the index that is current, and its query adapter."""
        from knowledge.index.generations import read_pointer
        from knowledge.query_adapter import version

        folder = self.settings.index_folder
        try:
            return read_pointer(folder), version(folder)
        except IndexMissing:
            return "", 0

    def refresh_documents(self) -> None:
        """Open the newest generation of the index if another one has become current; never during a turn.

        The one before stays open until the next change: a search on another thread may still be reading it.

        Raises:
            IndexCorrupt, EmbedderMismatch, AdapterDamaged: the new one cannot be used; the next call tries again.
        """
        if self._current() == self._state:
            return
        before = self.index
        self._open_documents()
        if self._retired is not None:
            self._retired.close()
        self._retired = before
        self._wire()

    def refresh_adapter(self) -> str:
        """Answer with the adapter that has been promoted meanwhile, unless another was asked for; never during a turn.

        The model's weights are not loaded a second time; an adapter that cannot be served is replaced by the next best.

        Returns:
            What the user has to know about the adapter, once; else "".
        """
        now = served_version(self.settings.adapters_folder)
        if now != self._adapters and not self.settings.model.adapter and self._adapted:
            self.use_model(self.settings)
        self._adapters = now
        note = getattr(self.model, "adapter_note", "")
        said, self._said = self._said, note
        return note if note != said else ""

    @property
    def _adapted(self) -> bool:
        """Whether the model is one that adapters are chosen for, and not one that was given ready-made."""
        return self._own and hasattr(self.model, "adapter_name")

    def use_model(self, settings: Settings) -> None:
        """Change the model; the old one stays if the new one cannot be built."""
        model = self._load_model(settings)
        self.settings, self.model, self._own = settings, model, True
        self._wire()

    def _wire(self) -> None:
        from agent.graph import build_graph
        from agent.state import Dependencies

        settings = self.settings
        self.budget: Budget = budget_for(settings, self.model)
        search = self.retriever.search if self.retriever and self.index and self.index.size else None
        policy = policy_of(settings)
        before, self.toolbox = self.toolbox, self._open_toolbox(search)
        before.close()
        small = self.budget.small
        # A small model is offered a denied tool that the question asks for, so that the denial becomes its answer.
        offered = {
            name: spec
            for name, spec in self.toolbox.tools.items()
            if policy.of(spec) != "deny" or (small and spec.hints is not None)
        }
        self.deps = Dependencies(
            model=self.model,
            budget=self.budget,
            tools=self.toolbox.tools,
            offer=lambda question: choose_offer(
                offered, question, small=small, nearest=self._nearest, trained=bool(getattr(self.model, "adapters", ()))
            ),
            search=search,
            recall=self._recall,
            remember=self.facts.add if settings.agent.memory else None,
            finish=self._finish,
            strict=settings.knowledge.strict,
            refuse=settings.knowledge.strict or self.budget.small,
            max_steps=settings.agent.max_steps,
            documents=self.index if search else None,
            neighbours=self._neighbours if search and not self.budget.small else None,
            reword=settings.knowledge.reword and not self.budget.small,
            policy=policy,
            ledger=self.ledger,
            person=settings.agent.person,
            limits=limits_of(settings),
            taught=is_own(getattr(self.model, "adapter_name", "")),
        )
        self.graph = build_graph(self.deps, self.checkpointer)

    def _open_toolbox(self, search: Search | None) -> Toolbox:
        documents = self.index if search else None
        delegate = None if self.budget.small else delegate_with(lambda: self.deps)
        return open_toolbox(
            self.settings,
            search=search,
            documents=documents,
            facts=ToolFacts(self.facts) if self.settings.agent.memory else None,
            model=self.model,
            delegate=delegate,
        )

    def search(self, query: str, k: int | None = None, where: SearchFilter | None = None) -> Retrieval:
        """Search the documents, or those that a filter lets through.

        Raises:
            IndexMissing: nothing has been ingested into the collection.
        """
        if self.retriever is None:
            raise IndexMissing("No documents are indexed yet.", fix="Add some with `ratchet ingest FOLDER`.")
        return self.retriever.search(query, k, where)

    def _neighbours(self, passage: Passage, before: int, after: int) -> Sequence[Passage]:
        """The passages around one, itself included; only itself where it is no longer in the index."""
        index = self.index
        if index is None:
            return [passage]
        rows = index.rows_of(passage.source)
        place = {name: row for name, row in zip(index.ids(rows), rows.tolist(), strict=True)}
        return index.neighbours(place[passage.id], before, after) if passage.id in place else [passage]

    def _recall(self, question: str) -> Sequence[Fact]:
        if not self.settings.agent.memory or not self.facts.all():
            return []
        return self.facts.relevant(self.embeddings.query_vector(question), question)

    def _finish(self, state: TurnState, clock: Clock) -> TurnState:
        history, summary, notes = self._fold(state)
        turn = self._turn(state, clock, [*state.get("notes", []), *notes])
        self.records.append(turn)
        self.finished = turn
        focus = focus_after(state).to_json()
        kept: TurnState = {"history": history, "summary": summary, "focus": focus, "waiting": state.get("waiting", 0)}
        # What the model read stays in the conversation as its answers, so it stays in play.
        kept["carried"] = list(dict.fromkeys([*state.get("carried", []), *state.get("taint", [])]))[-MOST_CARRIED:]
        return kept

    def _turn(self, state: TurnState, clock: Clock, notes: Sequence[str]) -> Turn:
        timings = state.get("timings", {})
        return Turn(
            turn_id=state["turn_id"],
            thread_id=state["thread_id"],
            question=state["question"],
            answer=state.get("answer", ""),
            status=state.get("status", "done"),  # type: ignore[arg-type]  # the graph writes only these
            citations=tuple(Citation(**item) for item in state.get("citations", [])),
            verdicts=tuple(Verdict(**item) for item in state.get("verdicts", [])),
            passages=tuple(Passage.from_json(item) for item in state.get("passages", [])),
            tool_calls=tuple(ToolCall(**item) for item in state.get("tool_calls", [])),
            notes=tuple(notes),
            usage=Usage(**state.get("usage", {})),
            timings=Timings(**timings, total=clock.elapsed()),
            model=self.settings.model.name,
            adapter=getattr(self.model, "adapter_name", self.settings.model.adapter),
            prompt_version=prompts.version(),
            created_at=state["started_at"],
            query=state.get("query", ""),
        )

    def _fold(self, state: TurnState) -> tuple[list[AnyMessage], str, list[str]]:
        """Add the turn to the conversation; summarize the oldest turns when it outgrows its budget."""
        from langchain_core.messages import AIMessage, HumanMessage

        history, summary = list(state.get("history", [])), state.get("summary", "")
        answer = state.get("raw_answer", "")
        if not answer or state.get("status") == "cancelled":
            return history, summary, []
        history += [HumanMessage(state["question"], id=state["turn_id"]), AIMessage(answer)]
        count = self.model.get_num_tokens
        old = to_compact(history, self.budget, count)
        if not old:
            return history, summary, []
        summary = self._summarize(summary, history[:old])
        return history[old:], summary, [prompts.NOTE_SUMMARIZED]

    def _summarize(self, summary: str, old: Sequence[AnyMessage]) -> str:
        pairs = list(zip(old[::2], old[1::2], strict=True))
        lines = [digest(str(asked.content), str(said.content)) for asked, said in pairs]
        text = "\n".join(filter(None, [summary, *lines]))
        if not self.budget.small:
            asked = prompts.SUMMARIZE.format(conversation=text)
            # The answer has been shown: a model that fails only now must not cost the user the turn.
            with suppress(ModelError):
                text = str(self.model.invoke(asked).text)
        # The oldest lines go first; the turns themselves stay in the records.
        kept = text.splitlines()
        while len(kept) > 1 and self.model.get_num_tokens("\n".join(kept)) > self.budget.history // 2:
            kept.pop(0)
        return "\n".join(kept)

    def close(self) -> None:
        """Release everything; safe to call twice."""
        self.toolbox.close()
        for index in (self._retired, self.index):
            if index is not None:
                index.close()
        self._stack.close()


def _warm(model: BaseChatModel) -> None:
    """Load a local model, and compute what every prompt begins with."""
    warm = getattr(model, "warm", None)
    if warm is not None:
        from langchain_core.messages import SystemMessage

        warm([SystemMessage(prompts.SYSTEM)])


class _InBackground(Generic[T]):
    """A value that is being made on another thread; `result` waits for it and raises what it raised."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._outcome: list[T] = []
        self._error: BaseException | None = None
        self._make = make
        # No daemon: an interpreter that goes away under a thread inside llama.cpp aborts, so it waits instead.
        self._thread = threading.Thread(target=self._run, name="ratchet-load-model")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome.append(self._make())
        except BaseException as error:  # handed to whoever asks for the result
            self._error = error

    def result(self) -> T:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._outcome[0]
