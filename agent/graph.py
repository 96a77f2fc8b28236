"""The agent graph: retrieve → model ⇄ tools (gate → act) → finalize, or retrieve → document → finalize.

State is plain JSON and messages. It is overwritten each turn and bounded by the history budget, so that a
checkpoint does not grow with the thread. Events for the front ends leave through the stream writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph

from agent import prompts
from agent.announce import answered, noted
from agent.arithmetic import miscalculations
from agent.calls.incoming import fit_to_keep
from agent.calls.nodes import ToolNodes, open_call
from agent.context import Material, build_prompt, leans_on_history
from agent.errors import ModelError
from agent.intent import declines, fact_to_remember, is_about_oneself, is_question, is_small_talk
from agent.lookup import look_up
from agent.open_requests import asks_for_more, open_request, whole_request
from agent.schema import Retrieved, Verdict
from agent.speech import Speech
from agent.state import Dependencies, TurnState, add_usage, asked
from agent.tool_choice import ToolOffer
from agent.whole_documents import DocumentNodes
from knowledge.schema import Passage

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, AnyMessage
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

    from tools.spec import ToolSpec

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
    graph.add_node("gate", nodes.tools.gate)
    graph.add_node("act", nodes.tools.act)
    graph.add_node("finalize", nodes.finalize)
    graph.add_edge(START, "retrieve")
    graph.add_conditional_edges("retrieve", after_retrieve, ["document", "model", "finalize"])
    graph.add_edge("document", "finalize")
    graph.add_conditional_edges("model", after_model, ["gate", "finalize"])
    graph.add_conditional_edges("gate", after_gate, ["act", "finalize"])
    graph.add_conditional_edges("act", after_act, ["gate", "model", "finalize"])
    graph.add_edge("finalize", END)
    return graph.compile(checkpointer=checkpointer)


def after_retrieve(state: TurnState) -> str:
    """Straight to the end when retrieval alone settles the turn; whole documents have a node of their own."""
    if state.get("status"):
        return "finalize"
    return "document" if state.get("request", {}).get("sources") else "model"


def after_model(state: TurnState) -> str:
    """To the tools while the model asks for some and the turn has not ended."""
    return "finalize" if state.get("status") else "gate"


def after_gate(state: TurnState) -> str:
    """To the call that was settled, unless the gate ended the turn."""
    return "finalize" if state.get("status") else "act"


def after_act(state: TurnState) -> str:
    """To the next call of the same message, else back to the model, unless the results are the answer."""
    if state.get("status"):
        return "finalize"
    return "gate" if open_call(state) is not None else "model"


class TurnNodes:
    """The nodes of every turn. Each takes the state and returns what changes."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self.documents = DocumentNodes(deps)
        self.tools = ToolNodes(deps)

    def retrieve(self, state: TurnState) -> TurnState:
        """Find passages and facts for the question; answer at once where no model is needed."""
        deps = self._deps
        fact, question = fact_to_remember(state["question"])
        begun: TurnState = {"asked": question}
        if fact is not None:
            remembered = self._keep(fact)
            if not question:
                return answered(deps.clock, state, remembered)
            begun["notes"] = noted(state.get("notes", []), remembered)
        state = {**state, **begun}
        if state.get("waiting") and declines(question):
            return begun | answered(deps.clock, state, prompts.NOTHING_DONE)
        state["waiting"] = begun["waiting"] = self._continued(state)
        if (whole := self.documents.prepare(state)) is not None:
            reply = answered(deps.clock, state, whole["answer"]) if whole.get("status") else whole
            begun["taint"] = _named_in(whole)
            return begun | whole | reply
        recalled = deps.recall(question)
        facts = [fact.text for fact in recalled]
        begun["taint"] = [source for fact in recalled for source in fact.sources]
        if facts and deps.budget.small and is_question(question) and is_about_oneself(question):
            return begun | {"facts": facts} | answered(deps.clock, state, prompts.RECALLED.format(fact=facts[0]))
        return begun | {"facts": facts} | self._found(state | begun, facts)

    def _keep(self, fact: str) -> str:
        """Remember a fact where that is done; the sentence that says so."""
        if self._deps.remember is None:
            return prompts.NOT_REMEMBERED
        return prompts.REMEMBERED.format(fact=self._deps.remember(fact).text)

    def _found(self, state: TurnState, facts: Sequence[str]) -> TurnState:
        """What the documents say, or that they say nothing."""
        deps, question = self._deps, asked(state)
        if deps.search is None or is_small_talk(question) or (self._open(state) and not deps.strict):
            return {"timings": {"retrieve": deps.clock.elapsed()}}
        found, usage = look_up(deps, state)
        passages = [passage.to_json() for passage in found.passages]
        update: TurnState = {
            "query": found.query,
            "passages": passages,
            "relevant": found.relevant,
            "searched": True,
            "usage": usage,
            "taint": [*state.get("taint", []), *(_files(passages) if found.relevant else [])],
            "timings": {"retrieve": deps.clock.elapsed()},
        }
        get_stream_writer()(Retrieved(found.passages, found.relevant, found.seconds, found.query))
        if found.query != question:
            update["notes"] = noted(state.get("notes", []), prompts.NOTE_SEARCHED.format(query=found.query))
        if found.relevant or facts or self._tools_may_help(question):
            return update
        leans = leans_on_history(question) and state.get("history")
        if deps.strict or (deps.refuse and is_question(question) and not leans):
            return update | answered(deps.clock, update, prompts.REFUSAL)
        return update | {"notes": noted((state | update).get("notes", []), prompts.NOTE_NOT_FOUND)}

    def _tools_may_help(self, question: str) -> bool:
        """Whether a tool could answer what the documents do not; for a small model, one that it would be offered."""
        deps = self._deps
        if deps.budget.small:
            return bool(deps.offer(question))
        return any(_may_help(spec, question) for spec in deps.tools.values())

    def model(self, state: TurnState) -> TurnState:
        """One model call: it answers, or asks for tools."""
        deps = self._deps
        used = state.get("usage", {})
        if deps.limits.tokens and used.get("prompt_tokens", 0) + used.get("completion_tokens", 0) >= deps.limits.tokens:
            return answered(deps.clock, state, prompts.TOKENS_SPENT.format(tokens=deps.limits.tokens), "limit")
        passages = [Passage.from_json(item) for item in state.get("passages", [])]
        prompt = build_prompt(self._material(state, passages), deps.budget, deps.model.get_num_tokens)
        deps.last_prompt = prompt.messages
        notes = noted(state.get("notes", []), *prompt.notes)
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
        quotes = prompt.nearest if not offered and not state.get("steps") else None
        if quotes and not deps.taught:
            speech.quote(quotes)
        message = self._heard(speech, offered, prompt.messages)
        if quotes and deps.taught and speech.is_unsupported:
            speech.quote(quotes)
        steps = state.get("steps", 0) + 1
        update: TurnState = {
            "steps": steps,
            "usage": add_usage(state.get("usage", {}), message),
            "timings": speech.timings() | state.get("timings", {}),
            "draft": [*state.get("draft", []), message],
            "taint": list(dict.fromkeys([*state.get("taint", []), *self._describing(offered)])),
            "notes": notes,
        }
        update |= cast(TurnState, speech.shown())
        if message.tool_calls and steps < deps.max_steps:
            return update
        if message.tool_calls:
            return update | answered(deps.clock, update, prompts.STEP_LIMIT.format(steps=steps), "limit")
        status = speech.status(message)
        remarks = noted(notes, *speech.remarks(status, deps.budget.answer))
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
            open=self._open(state),
            draft=state.get("draft", []),
        )

    def _open(self, state: TurnState) -> list[AnyMessage]:
        """What the user goes on with."""
        history, waiting = state.get("history", []), state.get("waiting", 0)
        return open_request(asked(state), history[-waiting:] if waiting else [])

    def _continued(self, state: TurnState) -> int:
        """The messages that the user goes on with; none where a tool's own rules see something new in what is said."""
        if not self._open(state) or self._deps.offer(asked(state)).asked_for:
            return 0
        return state["waiting"]

    def _waiting(self, state: TurnState) -> int:
        """How many messages belong to what is wanted, should this turn have ended with a question for more."""
        return state.get("waiting", 0) + 2 if asks_for_more(state.get("draft", [])) else 0

    def _offered(self, state: TurnState) -> ToolOffer:
        """The tools worth offering now.

        A small model gets each question's tools once, and unless the question plainly asks for one, only where the
        documents have no answer: it would rather call than read.
        """
        small = self._deps.budget.small
        if small and state.get("tool_calls"):
            return ToolOffer()
        offer = self._deps.offer(whole_request(asked(state), self._open(state)))
        return ToolOffer() if small and state.get("relevant") and not offer.asked_for else offer

    def _heard(self, speech: Speech, offered: ToolOffer, messages: list[AnyMessage]) -> AIMessage:
        try:
            message = speech.listen(self._caller(offered), messages, self._deps.model.get_num_tokens)
        except RecursionError as error:  # of the parser: arguments are JSON, of any depth
            raise ModelError(
                "The model asked for a tool with arguments that are nested too deep to be read.",
                fix="Ask again in other words, or use another model.",
            ) from error
        return fit_to_keep(message)

    def _describing(self, offer: ToolOffer) -> list[str]:
        """The servers whose own descriptions of their tools the model is shown."""
        specs = (self._deps.tools.get(schema["function"]["name"]) for schema in offer.schemas)
        return [f"{spec.origin}: how it describes its tools" for spec in specs if spec and spec.origin[:4] == "mcp "]

    def _caller(self, offer: ToolOffer) -> Any:
        model = self._deps.model
        if offer:
            return model.bind_tools(offer.schemas, tool_choice="any" if offer.must else None)
        return model.bind(stop=list(prompts.ECHOES)) if self._deps.budget.small else model

    def finalize(self, state: TurnState) -> TurnState:
        """Check the arithmetic of the answer, record the turn and fold it into the conversation."""
        answer = state.get("answer", "")
        wrong = (
            prompts.NOTE_MISCALCULATED.format(claim=answer[one.start : one.end], exact=one.exact)
            for one in miscalculations(answer)
        )
        checked: TurnState = {**state, "notes": noted(state.get("notes", []), *wrong), "waiting": self._waiting(state)}
        return self._deps.finish(checked, self._deps.clock)


def _files(passages: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(str(passage["source"]) for passage in passages))


def _named_in(whole: TurnState) -> list[str]:
    """Whose text or name a turn about whole documents holds: of the passages, or of what is to be read or chosen."""
    request = whole.get("request", {})
    named = [*_files(whole.get("passages", [])), *request.get("sources", []), *request.get("choices", [])]
    return list(dict.fromkeys(named)) or [prompts.SOURCE_NAMES]


def _may_help(spec: ToolSpec, question: str) -> bool:
    """Whether a tool could answer what the documents do not: by its own rule, or unknown for an outside tool."""
    if spec.hints is None:
        return spec.origin != "ratchet"
    try:
        return spec.hints(question) is not None
    except Exception:  # a plug-in's rule that fails says nothing against the tool, and must not end the turn
        return spec.origin != "ratchet"
