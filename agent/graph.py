"""The agent graph: retrieve → model ⇄ tools → finalize, or retrieve → document → finalize. Nodes and wiring.

State is plain JSON and messages. It is overwritten each turn and bounded by the history budget, so that a
checkpoint does not grow with the thread. Events for the front ends leave through the stream writer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph

from agent import prompts
from agent.context import Material, build_prompt, leans_on_history
from agent.intent import fact_to_remember, is_about_oneself, is_question, is_small_talk
from agent.lookup import look_up
from agent.schema import Note, Retrieved, Token, ToolCall, ToolCallFinished, ToolCallProposed, Verdict
from agent.speech import Speech
from agent.state import Dependencies, TurnState, add_usage, asked
from agent.whole_documents import DocumentNodes
from knowledge.schema import Passage
from tools.registry import hints_for

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

# Unsupported sentences after which a model is stopped in strict mode: a small one does not find back.
SMALL_PATIENCE = 2
LARGE_PATIENCE = 20


def build_graph(deps: Dependencies, checkpointer: BaseCheckpointSaver[Any] | None) -> CompiledStateGraph[Any]:
    """Wire the nodes around the given dependencies."""
    nodes = TurnNodes(deps)
    graph = StateGraph(TurnState)
    graph.add_node("retrieve", nodes.retrieve)
    graph.add_node("document", nodes.documents.answer)
    graph.add_node("model", nodes.model)
    graph.add_node("tools", nodes.tools)
    graph.add_node("finalize", nodes.finalize)
    graph.add_edge(START, "retrieve")
    graph.add_conditional_edges("retrieve", after_retrieve, ["document", "model", "finalize"])
    graph.add_edge("document", "finalize")
    graph.add_conditional_edges("model", after_model, ["tools", "finalize"])
    graph.add_conditional_edges("tools", after_tools, ["model", "finalize"])
    graph.add_edge("finalize", END)
    return graph.compile(checkpointer=checkpointer)


def after_retrieve(state: TurnState) -> str:
    """Straight to the end when retrieval alone settles the turn; whole documents have a node of their own."""
    if state.get("status"):
        return "finalize"
    return "document" if state.get("request", {}).get("sources") else "model"


def after_model(state: TurnState) -> str:
    """To the tools while the model asks for some and the turn has not ended."""
    return "finalize" if state.get("status") else "tools"


def after_tools(state: TurnState) -> str:
    """Back to the model, unless the tools' results are the answer."""
    return "finalize" if state.get("status") else "model"


class TurnNodes:
    """The nodes of every turn. Each takes the state and returns what changes."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self.documents = DocumentNodes(deps)

    def retrieve(self, state: TurnState) -> TurnState:
        """Find passages and facts for the question; answer at once where no model is needed."""
        deps = self._deps
        fact, question = fact_to_remember(state["question"])
        begun: TurnState = {"asked": question}
        if fact is not None:
            remembered = prompts.REMEMBERED.format(fact=deps.remember(fact).text)
            if not question:
                return self._answered(state, remembered)
            begun["notes"] = self._note(state.get("notes", []), remembered)
        state = {**state, **begun}
        if (whole := self.documents.prepare(state)) is not None:
            reply = self._answered(state, whole["answer"]) if whole.get("status") else whole
            return begun | whole | reply
        facts = [fact.text for fact in deps.recall(question)]
        if facts and deps.budget.small and is_question(question) and is_about_oneself(question):
            return begun | {"facts": facts} | self._answered(state, prompts.RECALLED.format(fact=facts[0]))
        return begun | {"facts": facts} | self._found(state, facts)

    def _found(self, state: TurnState, facts: Sequence[str]) -> TurnState:
        """What the documents say, or that they say nothing."""
        deps, question = self._deps, asked(state)
        if deps.search is None or is_small_talk(question):
            return {"timings": {"retrieve": deps.clock.elapsed()}}
        found, usage = look_up(deps, state)
        update: TurnState = {
            "query": found.query,
            "passages": [passage.to_json() for passage in found.passages],
            "relevant": found.relevant,
            "searched": True,
            "usage": usage,
            "timings": {"retrieve": deps.clock.elapsed()},
        }
        get_stream_writer()(Retrieved(found.passages, found.relevant, found.seconds, found.query))
        if found.query != question:
            update["notes"] = self._note(state.get("notes", []), prompts.NOTE_SEARCHED.format(query=found.query))
        if found.relevant or facts or any(hints_for(name, question) is not None for name in deps.tools):
            return update
        leans = leans_on_history(question) and state.get("history")
        if deps.strict or (deps.refuse and is_question(question) and not leans):
            return update | self._answered(update, prompts.REFUSAL)
        return update | {"notes": self._note((state | update).get("notes", []), prompts.NOTE_NOT_FOUND)}

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
            verdicts=[Verdict(**item) for item in state.get("verdicts", [])],
        )
        offered = self._offered(state)
        if prompt.nearest and not offered and not state.get("steps"):
            speech.quote(prompt.nearest)
        message = speech.listen(self._caller(offered), prompt.messages, deps.model.get_num_tokens)
        steps = state.get("steps", 0) + 1
        update: TurnState = {
            "steps": steps,
            "usage": add_usage(state.get("usage", {}), message),
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
            question=asked(state),
            query=state.get("query", ""),
            files=state.get("request", {}).get("kind") == "comparison",
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
        return self._deps.offer(asked(state))

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
