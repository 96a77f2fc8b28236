"""The agent graph: retrieve → model ⇄ tools → finalize. Nodes and wiring; everything they need is passed in.

State is plain JSON and messages. It is overwritten each turn and bounded by the history budget, so that a
checkpoint does not grow with the thread. Events for the front ends leave through the stream writer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph

from agent import prompts
from agent.context import Budget, Material, build_prompt, leans_on_history
from agent.intent import fact_to_remember, is_about_oneself, is_question, is_small_talk
from agent.schema import Note, Retrieved, Token, ToolCall, ToolCallFinished, ToolCallProposed
from agent.speech import Clock, Speech
from knowledge.schema import Passage, Retrieval
from tools.registry import hints_for

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

    from agent.schema import Fact

# Unsupported sentences after which a model is stopped in strict mode: a small one does not find back.
SMALL_PATIENCE = 2
LARGE_PATIENCE = 20


class TurnState(TypedDict, total=False):
    """One turn in progress, and what the next one will remember of the conversation."""

    turn_id: str
    thread_id: str
    question: str
    started_at: str
    history: list[AnyMessage]
    summary: str
    passages: list[dict[str, Any]]
    relevant: bool
    searched: bool
    facts: list[str]
    draft: list[AnyMessage]
    tool_calls: list[dict[str, Any]]
    steps: int
    status: str
    answer: str
    raw_answer: str
    citations: list[dict[str, Any]]
    marked: list[list[int]]
    notes: list[str]
    usage: dict[str, int]
    timings: dict[str, float]


def fresh_turn(start: dict[str, Any], notes: Sequence[str]) -> TurnState:
    """The input of a new turn: everything of the last one is overwritten but history and summary."""
    blank: TurnState = {
        "passages": [],
        "relevant": False,
        "searched": False,
        "facts": [],
        "draft": [],
        "tool_calls": [],
        "steps": 0,
        "status": "",
        "answer": "",
        "raw_answer": "",
        "citations": [],
        "marked": [],
        "notes": list(notes),
        "usage": {},
        "timings": {},
    }
    return blank | cast(TurnState, start)


@dataclass(slots=True)
class Dependencies:
    """What the nodes use.

    Attributes:
        search: finds passages for a question; None where nothing is indexed.
        recall, remember: the facts worth showing for a question, and how to keep another.
        offer: the tools worth offering for a question, ready for `bind_tools`.
        finish: records the finished turn and folds it into the conversation; returns the state to keep.
        strict: show only sentences that the documents support; always so for a small model.
        refuse: say "not in your documents" without asking the model when nothing relevant was found.
    """

    model: BaseChatModel
    budget: Budget
    tools: dict[str, BaseTool]
    offer: Callable[[str], Sequence[Any]]
    search: Callable[[str], Retrieval] | None
    recall: Callable[[str], Sequence[Fact]]
    remember: Callable[[str], Fact]
    finish: Callable[[TurnState, Clock], TurnState]
    strict: bool
    refuse: bool
    max_steps: int
    clock: Clock = field(default_factory=Clock)
    last_prompt: list[AnyMessage] = field(default_factory=list)


def build_graph(deps: Dependencies, checkpointer: BaseCheckpointSaver[Any] | None) -> CompiledStateGraph[Any]:
    """Wire the nodes around the given dependencies."""
    nodes = TurnNodes(deps)
    graph = StateGraph(TurnState)
    graph.add_node("retrieve", nodes.retrieve)
    graph.add_node("model", nodes.model)
    graph.add_node("tools", nodes.tools)
    graph.add_node("finalize", nodes.finalize)
    graph.add_edge(START, "retrieve")
    graph.add_conditional_edges("retrieve", after_retrieve, ["model", "finalize"])
    graph.add_conditional_edges("model", after_model, ["tools", "finalize"])
    graph.add_conditional_edges("tools", after_tools, ["model", "finalize"])
    graph.add_edge("finalize", END)
    return graph.compile(checkpointer=checkpointer)


def after_retrieve(state: TurnState) -> str:
    """Straight to the end when retrieval alone settles the turn."""
    return "finalize" if state.get("status") else "model"


def after_model(state: TurnState) -> str:
    """To the tools while the model asks for some and the turn has not ended."""
    return "finalize" if state.get("status") else "tools"


def after_tools(state: TurnState) -> str:
    """Back to the model, unless the tools' results are the answer."""
    return "finalize" if state.get("status") else "model"


class TurnNodes:
    """The four nodes. Each takes the state and returns what changes."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    def retrieve(self, state: TurnState) -> TurnState:
        """Find passages and facts for the question; answer at once where no model is needed."""
        deps, question = self._deps, state["question"]
        if fact := fact_to_remember(question):
            return self._answered(state, prompts.REMEMBERED.format(fact=deps.remember(fact).text))
        facts = [fact.text for fact in deps.recall(question)]
        if facts and deps.budget.small and is_question(question) and is_about_oneself(question):
            return {"facts": facts, **self._answered(state, prompts.RECALLED.format(fact=facts[0]))}
        found = self._search(state)
        update: TurnState = {
            "facts": facts,
            "passages": [passage.to_json() for passage in found.passages] if found else [],
            "relevant": bool(found and found.relevant),
            "searched": found is not None,
            "timings": {"retrieve": deps.clock.elapsed()},
        }
        if found is None:
            return update
        get_stream_writer()(Retrieved(found.passages, found.relevant, found.seconds))
        if found.relevant or facts or any(hints_for(name, question) is not None for name in deps.tools):
            return update
        leans = leans_on_history(question) and state.get("history")
        if deps.strict or (deps.refuse and is_question(question) and not leans):
            return update | self._answered(update, prompts.REFUSAL)
        return update | {"notes": self._note(state.get("notes", []), prompts.NOTE_NOT_FOUND)}

    def _search(self, state: TurnState) -> Retrieval | None:
        """Retrieve for the question, together with the one before it when it leans on that."""
        question, history = state["question"], state.get("history", [])
        if self._deps.search is None or is_small_talk(question):
            return None
        found = self._deps.search(question)
        if not found.relevant and leans_on_history(question) and history:
            earlier = [message for message in history if isinstance(message, HumanMessage)]
            wider = self._deps.search(f"{earlier[-1].content} {question}") if earlier else found
            return wider if wider.relevant else found
        return found

    def _answered(self, state: TurnState, text: str, status: str = "done") -> TurnState:
        """End the turn with a text that no model wrote, below what was said before."""
        said = state.get("answer", "")
        get_stream_writer()(Token(f"\n\n{text}" if said else text))
        timings = {**state.get("timings", {})}
        timings.setdefault("first_token", self._deps.clock.elapsed())
        answer = f"{said}\n\n{text}" if said else text
        return {"status": status, "answer": answer, "raw_answer": text, "timings": timings}

    @staticmethod
    def _note(notes: Sequence[str], *more: str) -> list[str]:
        """Stream and keep the notes that have not been said yet."""
        fresh = [note for note in more if note not in notes]
        for note in fresh:
            get_stream_writer()(Note(note))
        return [*notes, *fresh]

    def model(self, state: TurnState) -> TurnState:
        """One model call: it answers, or asks for tools."""
        deps = self._deps
        passages = [Passage.from_json(item) for item in state.get("passages", [])]
        prompt = build_prompt(self._material(state, passages), deps.budget, deps.model.get_num_tokens)
        deps.last_prompt = prompt.messages
        notes = self._note(state.get("notes", []), *prompt.notes)
        speech = Speech(
            passages if state.get("relevant") else [],
            deps.clock,
            strict=deps.strict or deps.budget.small,
            patience=SMALL_PATIENCE if deps.budget.small else LARGE_PATIENCE,
            text=state.get("answer", ""),
            marked=state.get("marked", []),
        )
        offered = self._offered(state)
        if prompt.nearest and not offered and not state.get("steps"):
            speech.quote(prompt.nearest)
        message = speech.listen(self._caller(offered), prompt.messages, deps.model.get_num_tokens)
        steps = state.get("steps", 0) + 1
        update: TurnState = {
            "steps": steps,
            "usage": _sum_usage(state.get("usage", {}), message),
            "timings": speech.timings() | state.get("timings", {}),
            "draft": [*state.get("draft", []), message],
            "notes": notes,
        }
        update |= cast(TurnState, speech.shown())
        if message.tool_calls and steps < deps.max_steps:
            return update
        if message.tool_calls:
            return update | self._answered(update, prompts.STEP_LIMIT.format(steps=steps), "limit")
        status = speech.status(message)
        remarks = self._note(notes, *speech.remarks(status, deps.budget.answer))
        said = cast(TurnState, speech.result(status))
        return update | said | {"notes": remarks}

    def _material(self, state: TurnState, passages: list[Passage]) -> Material:
        return Material(
            question=state["question"],
            passages=passages,
            relevant=state.get("relevant", False),
            searched=state.get("searched", False),
            facts=state.get("facts", []),
            summary=state.get("summary", ""),
            history=state.get("history", []),
            draft=state.get("draft", []),
        )

    def _offered(self, state: TurnState) -> Sequence[Any]:
        """The tools worth offering now; a small model gets each question's tools once."""
        if self._deps.budget.small and state.get("tool_calls"):
            return ()
        return self._deps.offer(state["question"])

    def _caller(self, offered: Sequence[Any]) -> Any:
        model = self._deps.model
        if offered:
            # A small model is offered a tool only with its arguments at hand, so all it decides is which.
            return model.bind_tools(offered, tool_choice="any" if self._deps.budget.small else None)
        return model.bind(stop=list(prompts.ECHOES)) if self._deps.budget.small else model

    def tools(self, state: TurnState) -> TurnState:
        """Run the tool calls the model asked for, in order; a failing tool is an answer, not a crash."""
        message = state["draft"][-1]
        assert isinstance(message, AIMessage)  # noqa: S101 - after_model routes here only from the model
        results: list[ToolMessage] = []
        calls = list(state.get("tool_calls", []))
        passages = list(state.get("passages", []))
        for request in message.tool_calls:
            call, result = self._run(dict(request))
            results.append(result)
            calls.append(_plain(call))
            known = {item["id"] for item in passages}
            if isinstance(result.artifact, list):
                passages += [item for item in result.artifact if item["id"] not in known]
        relevant = state.get("relevant", False) or any(result.artifact for result in results)
        update: TurnState = {
            "draft": [*state["draft"], *results],
            "tool_calls": calls,
            "passages": passages,
            "relevant": relevant,
        }
        if self._deps.budget.small and all(result.status == "success" and not result.artifact for result in results):
            # The result is the answer; a small model could only copy it wrong.
            text = "\n".join(str(result.content) for result in results)
            return update | self._answered(state, text)
        return update

    def _run(self, request: dict[str, Any]) -> tuple[ToolCall, ToolMessage]:
        write = get_stream_writer()
        call = ToolCall(str(request["id"]), request["name"], request["args"])
        write(ToolCallProposed(call))
        began = time.perf_counter()
        tool = self._deps.tools.get(call.name)
        try:
            if tool is None:
                raise ValueError(f"there is no tool named {call.name}")
            result = tool.invoke({**request, "type": "tool_call"})
        # Whatever a tool raises must reach the model as text, or the thread is left with an open call.
        except Exception as error:
            result = ToolMessage(f"{call.name} failed: {error}", tool_call_id=call.id, status="error")
        seconds = time.perf_counter() - began
        status = "ok" if result.status == "success" else "error"
        finished = ToolCall(call.id, call.name, call.arguments, str(result.content), status, seconds)
        write(ToolCallFinished(finished))
        return finished, result

    def finalize(self, state: TurnState) -> TurnState:
        """Record the turn and fold it into the conversation."""
        return self._deps.finish(state, self._deps.clock)


def _plain(value: Any) -> dict[str, Any]:
    return asdict(value)


def _sum_usage(total: dict[str, int], message: AIMessage) -> dict[str, int]:
    usage = message.usage_metadata
    if not usage:
        return total
    details = usage.get("input_token_details") or {}
    return {
        "prompt_tokens": total.get("prompt_tokens", 0) + usage["input_tokens"],
        "completion_tokens": total.get("completion_tokens", 0) + usage["output_tokens"],
        "cached_tokens": total.get("cached_tokens", 0) + details.get("cache_read", 0),
    }
