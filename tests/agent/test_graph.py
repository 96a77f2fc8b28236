"""The wiring of a turn, driven by a scripted model; storage and real models are tested elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from agent import prompts
from agent.context import Budget
from agent.errors import ServerUnreachable
from agent.followups import Focus, focus_after
from agent.graph import build_graph
from agent.schema import Cited, Fact, Note, Retrieved, Token, ToolCallFinished, ToolCallProposed
from agent.speech import Clock
from agent.state import Dependencies, TurnState, fresh_turn
from agent.tool_choice import ToolOffer, choose_offer
from knowledge.schema import Passage, Retrieval, SearchFilter
from tests.agent.scripted import ScriptedModel
from tools.registry import build_tools
from tools.resources import Resources

DOOR = Passage("p1", "/docs/door.md", "The door of the house is painted blue.\nIt was built in 1901.", 1, 2)
LARGE = Budget(context=4096, answer=100, passages=500, history=500, facts=100, small=False)
SMALL = Budget(context=2048, answer=100, passages=60, history=100, facts=50, small=True)


class Turn:
    """Runs questions through a graph and keeps what came out."""

    def __init__(self, script: list[Any], *, budget: Budget = LARGE, relevant: bool = True, **changes: Any) -> None:
        self.model = ScriptedModel(script=script)
        self.finished: list[TurnState] = []
        self.remembered: list[str] = []
        given = Resources(search=lambda q: Retrieval(q, (DOOR,), relevant, 0.9, 0.0))
        tools = build_tools(given, ["calculator", "current_time", "search_knowledge"]).tools
        settings: dict[str, Any] = {
            "model": self.model,
            "budget": budget,
            "tools": tools,
            "offer": lambda question: choose_offer(tools, question, small=budget.small),
            "search": lambda q: Retrieval(q, (DOOR,), relevant, 0.9, 0.0),
            "recall": lambda question: (),
            "remember": self.remember,
            "finish": self.finish,
            "strict": False,
            "refuse": False,
            "max_steps": 3,
        }
        self.deps = Dependencies(**settings | changes)
        self.graph = build_graph(self.deps, InMemorySaver())
        self.config: Any = {"configurable": {"thread_id": "t"}}
        self.focus: dict[str, Any] = {}

    def remember(self, text: str) -> Fact:
        self.remembered.append(text)
        return Fact("f1", text, "now")

    def finish(self, state: TurnState, clock: Clock) -> TurnState:
        self.finished.append(state)
        return {}

    @staticmethod
    def focus_of(state: TurnState) -> dict[str, Any]:
        return focus_after(state).to_json()

    def ask(self, question: str, where: dict[str, Any] | None = None, **more: Any) -> tuple[TurnState, list[Any]]:
        self.deps.clock = Clock()
        start = {"turn_id": "1", "thread_id": "t", "question": question, "started_at": "now", "focus": self.focus}
        given = fresh_turn(start | {"where": where or {}} | more, [])
        events = list(self.graph.stream(given, self.config, stream_mode="custom"))
        return self.finished[-1], events


def texts(events: Sequence[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def test_an_answer_streams_with_its_citation() -> None:
    state, events = Turn(["The door is painted blue."]).ask("What colour is the door?")
    assert texts(events) == state["answer"] == "The door is painted blue. [1]"
    assert isinstance(events[0], Retrieved)
    assert [event.citation.text for event in events if isinstance(event, Cited)] == [DOOR.text.split("\n")[0]]
    assert state["raw_answer"] == "The door is painted blue."
    assert state["usage"]["prompt_tokens"] == 10


def test_tool_calls_run_and_their_results_reach_the_model() -> None:
    turn = Turn([[("calculator", {"expression": "17*23"})], "It is 391."])
    state, events = turn.ask("What is 17*23?")
    assert [type(event) for event in events if isinstance(event, ToolCallProposed | ToolCallFinished)] == [
        ToolCallProposed,
        ToolCallFinished,
    ]
    assert state["tool_calls"][0]["result"] == "17*23 = 391"
    assert turn.model.prompts[1][-1].content == "17*23 = 391"
    assert state["answer"] == "It is 391."


@pytest.mark.parametrize("ending", ["It was built in 1901.", [("calculator", {"expression": "1+1"})]])
def test_what_is_said_before_a_tool_call_stays_in_the_answer(ending: Any) -> None:
    turn = Turn([[("calculator", {"expression": "17*23"})], ending], max_steps=2)
    turn.model.preamble = "The door is painted blue."
    state, events = turn.ask("What is 17*23?")
    assert state["answer"] == texts(events)
    assert state["answer"].startswith("The door is painted blue. [1]\n\n")
    (citation,) = state["citations"]
    assert citation["number"] == 1
    assert state["tool_calls"][0]["status"] == "ok"


def test_a_passage_found_again_by_a_tool_counts_as_evidence() -> None:
    turn = Turn(
        [[("search_knowledge", {"query": "house"})], "The door is painted blue."],
        search=lambda q: Retrieval(q, (DOOR,), False, 0.1, 0.0),
    )
    state, _ = turn.ask("What colour is the entrance?")
    assert [citation["passage_id"] for citation in state["citations"]] == ["p1"]


def test_a_failing_or_unknown_tool_is_told_to_the_model() -> None:
    turn = Turn([[("calculator", {"expression": "1/0"}), ("rocket", {})], "I cannot."])
    state, _ = turn.ask("Divide one by zero")
    assert [call["status"] for call in state["tool_calls"]] == ["error", "error"]
    assert "division by zero" in turn.model.prompts[1][-2].content
    assert "no tool named rocket" in turn.model.prompts[1][-1].content


def test_passages_found_by_a_tool_become_evidence() -> None:
    turn = Turn([[("search_knowledge", {"query": "house"})], "The door is painted blue."], search=None)
    state, _ = turn.ask("What colour is it?")
    assert state["citations"][0]["passage_id"] == "p1"


def test_the_step_limit_ends_the_turn_and_says_so() -> None:
    calls = [("calculator", {"expression": "1+1"})]
    state, events = Turn([calls, calls, calls]).ask("Loop")
    assert state["status"] == "limit"
    assert state["answer"] == prompts.STEP_LIMIT.format(steps=3) == texts(events)


def test_cancelling_stops_at_the_next_token_and_keeps_what_was_said() -> None:
    turn = Turn(["one two three four five six seven eight"])
    turn.model._after_first = lambda: turn.deps.clock.cancelled.set()
    state, events = turn.ask("Count")
    assert state["status"] == "cancelled"
    assert turn.model.said <= 2
    assert texts(events).strip() in {"one", "one two"}


def test_an_answer_that_the_documents_do_not_support_says_so() -> None:
    state, events = Turn(["Elephants wander through savannah grass."]).ask("What colour is the door?")
    assert prompts.NOTE_UNSUPPORTED in state["notes"]
    assert Note(prompts.NOTE_UNSUPPORTED) in events


def test_strict_mode_shows_only_what_is_supported() -> None:
    state, events = Turn(["Elephants wander through grass."], strict=True).ask("What colour is the door?")
    assert state["answer"] == prompts.REFUSAL == texts(events)
    assert prompts.NOTE_WITHHELD.format(count=1) in state["notes"]


def test_nothing_relevant_is_refused_without_asking_the_model() -> None:
    turn = Turn([], relevant=False, refuse=True)
    state, _ = turn.ask("What is the capital of Peru?")
    assert state["answer"] == prompts.REFUSAL
    assert turn.model.prompts == []


def test_a_request_that_is_no_question_still_reaches_the_model() -> None:
    state, _ = Turn(["Spring is here."], relevant=False, refuse=True).ask("Write a line about spring")
    assert state["answer"] == "Spring is here."
    assert prompts.NOTE_NOT_FOUND in state["notes"]


def test_a_large_model_is_told_that_nothing_was_found() -> None:
    turn = Turn(["Not in your documents. Lima."], relevant=False)
    turn.ask("What is the capital of Peru?")
    assert turn.model.prompts[0][-1].content == prompts.NOTHING_FOUND.format(question="What is the capital of Peru?")


def test_a_small_model_picks_among_values_found_in_the_question() -> None:
    turn = Turn([[("calculator", {"expression": "17*23"})]], budget=SMALL)
    state, events = turn.ask("What is 17 * 23?")
    assert state["answer"] == texts(events) == "17*23 = 391"
    (offered, choice) = turn.model._bound[0]
    assert offered[0]["function"]["parameters"]["properties"]["expression"]["enum"] == ["17*23"]
    assert choice == {"tool_choice": "any"}


ASKED = [HumanMessage("Tell the time"), AIMessage("Which zone?")]


def test_what_is_said_to_a_tool_that_asked_for_more_is_no_new_question() -> None:
    heard: list[str] = []

    def offer(question: str) -> ToolOffer:
        heard.append(question)
        return ToolOffer(({"function": {"name": "current_time"}},))

    turn = Turn([[("current_time", {})], "Noon."], budget=SMALL, offer=offer)
    state, _ = turn.ask("Over in Oslo.", history=ASKED, waiting=2)
    assert not state["searched"] and state["tool_calls"][0]["name"] == "current_time" and state["waiting"] == 0
    assert heard[-1] == "Tell the time Over in Oslo."
    assert [message.content for message in turn.model.prompts[0][1:]] == [
        *(message.content for message in ASKED),
        "Over in Oslo.",
    ]


@pytest.mark.parametrize("changes", [{}, {"waiting": 2, "strict": True}])
def test_the_documents_are_searched_where_nothing_waits_or_all_has_to_rest_on_them(changes: dict[str, Any]) -> None:
    waiting = {"waiting": changes.pop("waiting", 0)}
    state, _ = Turn(["It is blue."], budget=SMALL, **changes).ask("Over in Oslo.", history=ASKED, **waiting)
    assert state["searched"]


def test_what_has_a_tool_of_its_own_is_something_new() -> None:
    turn = Turn([[("calculator", {"expression": "17*23"})]], budget=SMALL, relevant=False)
    state, _ = turn.ask("Calculate 17 * 23.", history=ASKED, waiting=2)
    assert state["answer"] == "17*23 = 391"
    assert [message.content for message in turn.model.prompts[0][1:]] == ["Calculate 17 * 23."]


@pytest.mark.parametrize(("waiting", "then"), [(0, 2), (2, 4)])
def test_a_turn_that_asks_for_more_waits_for_it(waiting: int, then: int) -> None:
    turn = Turn(
        [AIMessageChunk("Which zone?", response_metadata={"asked_for": ["zone"]})], budget=SMALL, relevant=False
    )
    state, _ = turn.ask("Over in Oslo.", history=ASKED, waiting=waiting)
    assert state["answer"] == "Which zone?" and state["waiting"] == then


def test_what_a_tool_waits_for_may_be_declined() -> None:
    state, events = Turn([], budget=SMALL).ask("No, never mind.", history=ASKED, waiting=2)
    assert state["answer"] == texts(events) == prompts.NOTHING_DONE and state["waiting"] == 0


def test_remembering_needs_no_model() -> None:
    turn = Turn([])
    state, _ = turn.ask("Remember that the code is 4711.")
    assert turn.remembered == ["the code is 4711."]
    assert state["answer"] == prompts.REMEMBERED.format(fact="the code is 4711.")


def test_where_nothing_is_remembered_it_is_said() -> None:
    turn = Turn([], remember=None)
    state, _ = turn.ask("Remember that the code is 4711.")
    assert state["answer"] == prompts.NOT_REMEMBERED


def test_a_broken_model_leaves_a_turn_that_can_be_resumed() -> None:
    turn = Turn([ServerUnreachable("No answer.", fix="Start it."), "The door is painted blue."])
    with pytest.raises(ServerUnreachable):
        turn.ask("What colour is the door?")
    assert turn.graph.get_state(turn.config).next == ("model",)
    list(turn.graph.stream(None, turn.config, stream_mode="custom"))
    assert turn.finished[-1]["answer"] == "The door is painted blue. [1]"


BEFORE = Focus("What colour is the door?", "Blue.").to_json()


def test_a_follow_up_is_searched_together_with_the_question_before_it() -> None:
    searched: list[str] = []

    def search(query: str) -> Retrieval:
        searched.append(query)
        return Retrieval(query, (DOOR,), "door" in query, 0.5, 0.0)

    turn = Turn(["In 1901."], search=search)
    turn.focus = BEFORE
    state, events = turn.ask("When was it built?")
    assert searched == [state["query"]] == ["When was it built? (colour door)"]
    assert next(event.query for event in events if isinstance(event, Retrieved)) == state["query"]
    assert state["relevant"]
    assert Note(prompts.NOTE_SEARCHED.format(query=state["query"])) in events


def test_a_thread_without_focus_goes_by_its_history() -> None:
    from langchain_core.messages import AIMessage

    turn = Turn(["In 1901."])
    history = [HumanMessage("What colour is the door?"), AIMessage("Blue.")]
    turn.graph.update_state(turn.config, {"history": history}, as_node="finalize")
    assert turn.ask("When was it built?")[0]["query"] == "When was it built? (colour door)"


def test_what_finds_nothing_together_is_tried_alone() -> None:
    turn = Turn(["Blue."], search=lambda q: Retrieval(q, (DOOR,), "(" not in q, 0.5, 0.0))
    turn.focus = BEFORE
    assert turn.ask("And the gate?")[0]["query"] == "And the gate?"


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("When was the door built?", "When was the door built?"),
        ("It was built in 1901, I suppose, when Ada came to the village.", "When was it built? (colour door)"),
        (ServerUnreachable("No answer.", fix="Start it."), "When was it built? (colour door)"),
    ],
)
def test_a_large_model_may_reword_a_follow_up(said: Any, query: str) -> None:
    turn = Turn([said, "In 1901."], reword=True)
    turn.focus = BEFORE
    state, events = turn.ask("When was it built?")
    assert state["query"] == query
    assert texts(events).startswith("In 1901.")
    assert state["usage"]["prompt_tokens"] == (10 if isinstance(said, Exception) else 20)


def test_a_question_that_stands_alone_is_never_reworded() -> None:
    turn = Turn(["Blue."], reword=True)
    turn.focus = BEFORE
    state, _ = turn.ask("Which colour does the roof of the barn have?")
    assert state["query"] == "Which colour does the roof of the barn have?"
    assert len(turn.model.prompts) == 1


def test_a_filter_reaches_the_search() -> None:
    seen: list[SearchFilter | None] = []

    def search(query: str, k: int | None = None, where: SearchFilter | None = None) -> Retrieval:
        seen.append(where)
        return Retrieval(query, (DOOR,), True, 0.5, 0.0)

    wanted = SearchFilter(paths=("/docs",), suffixes=(".md",))
    Turn(["Blue."], search=search).ask("What colour is the door?", asdict(wanted))
    assert seen == [wanted]


def test_a_fact_and_a_question_in_one() -> None:
    turn = Turn(["The door is painted blue."])
    state, events = turn.ask("Note that I live in Oslo. What colour is the door?")
    assert turn.remembered == ["I live in Oslo."]
    assert Note(prompts.REMEMBERED.format(fact="I live in Oslo.")) in events
    assert state["answer"] == "The door is painted blue. [1]"
    assert state["query"] == "What colour is the door?"
    assert "Oslo" not in turn.model.prompts[0][-1].content


def test_events_arrive_while_the_model_still_speaks() -> None:
    turn = Turn(["alpha beta gamma"])
    seen = threading.Event()
    waited: list[bool] = []
    turn.model._after_first = lambda: waited.append(seen.wait(5)) if not waited else None
    turn.deps.clock = Clock()
    start = {"turn_id": "1", "thread_id": "t", "question": "Say it", "started_at": "now"}
    for event in turn.graph.stream(fresh_turn(start, []), turn.config, stream_mode="custom"):
        if isinstance(event, Token):
            seen.set()
    assert waited == [True]


def test_a_small_model_opens_with_the_words_of_the_documents() -> None:
    turn = Turn(
        ["The house door is painted blue. Elephants love cake. Elephants fly kites." + " More words." * 30],
        budget=SMALL,
    )
    state, events = turn.ask("What colour is the door of the house?")
    quote = "“The door of the house is painted blue.” [1]"
    assert state["answer"] == texts(events) == quote
    assert state["raw_answer"].startswith("The house door")
    assert prompts.NOTE_WITHHELD.format(count=2) in state["notes"]
    assert turn.model.said < 20


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Door of the house: painted blue.", "Door of the house: painted blue. [1]"),
        ("Elephants love cake and fly kites.", "“The door of the house is painted blue.” [1]"),
        (prompts.REFUSAL, prompts.REFUSAL),
        (f"{prompts.REFUSAL} Elephants love cake.", prompts.REFUSAL),
    ],
)
def test_a_small_model_that_the_user_taught_speaks_for_itself(said: str, shown: str) -> None:
    state, events = Turn([said], budget=SMALL, taught=True).ask("What colour is the door of the house?")
    assert state["answer"] == texts(events) == shown
    assert state["raw_answer"] == said
    assert (prompts.NOTE_WITHHELD.format(count=1) in state["notes"]) == ("Elephants" in said)


def test_a_small_model_is_not_asked_for_what_the_user_told() -> None:
    turn = Turn([], budget=SMALL, recall=lambda question: [Fact("f1", "my name is Ada", "now")])
    state, _ = turn.ask("What is my name?")
    assert state["answer"] == prompts.RECALLED.format(fact="my name is Ada")


def test_an_answer_that_repeats_itself_is_stopped() -> None:
    turn = Turn(["and again the same old story " * 60])
    state, _ = turn.ask("Tell me")
    assert prompts.NOTE_REPEATING in state["notes"]
    assert turn.model.said < 100


def test_a_model_that_says_nothing_is_not_silent() -> None:
    state, events = Turn([""]).ask("What colour is the door?")
    assert state["answer"] == texts(events) == prompts.EMPTY


def test_what_leans_on_history_without_passages_says_that_it_does() -> None:
    from langchain_core.messages import AIMessage

    turn = Turn(["Because it is old."], relevant=False, refuse=True)
    turn.graph.update_state(turn.config, {"history": [HumanMessage("Door?"), AIMessage("Blue.")]}, as_node="finalize")
    state, _ = turn.ask("Why is that?")
    assert prompts.NOTE_NOT_FOUND in state["notes"]


def test_strict_mode_refuses_what_leans_on_history_alone() -> None:
    from langchain_core.messages import AIMessage

    turn = Turn([], relevant=False, refuse=True, strict=True)
    turn.graph.update_state(turn.config, {"history": [HumanMessage("Door?"), AIMessage("Blue.")]}, as_node="finalize")
    state, _ = turn.ask("Why is that?")
    assert state["answer"] == prompts.REFUSAL
