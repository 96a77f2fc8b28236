"""The state of a turn and what its nodes depend on: plain data, and callables that are passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, cast

from langchain_core.messages import AIMessage, AnyMessage

from agent.speech import Clock
from knowledge.schema import Passage, Retrieval, SearchFilter
from tools.policy import Policy

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.language_models import BaseChatModel

    from agent.calls.ledger import CallLedger
    from agent.context import Budget
    from agent.schema import Fact
    from agent.tool_choice import ToolOffer
    from tools.spec import ToolSpec


class TurnState(TypedDict, total=False):
    """One turn in progress, and what the next one will remember of the conversation.

    `asked` is the question without what was only to be remembered; `query` is what was searched for; `where`
    restricts the search (`SearchFilter` as plain data); `request` is what a whole-document question asks for;
    `focus` is what the turn before was about (`agent.followups.Focus`), and `waiting` how many messages at the end of
    the history belong to what a tool lacks something for (`agent.open_requests`). `taint` names whose text the model
    has read in this turn beside the user's own, `carried` in earlier ones; `decision` is what the gate settled for a
    call.
    """

    turn_id: str
    thread_id: str
    question: str
    started_at: str
    where: dict[str, Any]
    history: list[AnyMessage]
    summary: str
    focus: dict[str, Any]
    waiting: int
    asked: str
    query: str
    request: dict[str, Any]
    passages: list[dict[str, Any]]
    relevant: bool
    searched: bool
    facts: list[str]
    draft: list[AnyMessage]
    tool_calls: list[dict[str, Any]]
    taint: list[str]
    carried: list[str]
    decision: dict[str, Any]
    steps: int
    status: str
    answer: str
    raw_answer: str
    citations: list[dict[str, Any]]
    marked: list[list[int]]
    verdicts: list[dict[str, Any]]
    notes: list[str]
    usage: dict[str, int]
    timings: dict[str, float]


def fresh_turn(start: dict[str, Any], notes: Sequence[str]) -> TurnState:
    """The input of a new turn: all of the last one is overwritten but history, summary, focus, waiting and carried."""
    blank: TurnState = {
        "where": {},
        "asked": "",
        "query": "",
        "request": {},
        "passages": [],
        "relevant": False,
        "searched": False,
        "facts": [],
        "draft": [],
        "tool_calls": [],
        "taint": [],
        "decision": {},
        "steps": 0,
        "status": "",
        "answer": "",
        "raw_answer": "",
        "citations": [],
        "marked": [],
        "verdicts": [],
        "notes": list(notes),
        "usage": {},
        "timings": {},
    }
    return blank | cast(TurnState, start)


def asked(state: TurnState) -> str:
    """What is to be answered: the question without what was only to be remembered."""
    return state.get("asked") or state["question"]


def filter_of(state: TurnState) -> SearchFilter | None:
    """The turn's restriction of the search, or None."""
    given = state.get("where")
    if not given:
        return None
    return SearchFilter(
        paths=tuple(given.get("paths", ())),
        suffixes=tuple(given.get("suffixes", ())),
        modified_after=given.get("modified_after"),
        modified_before=given.get("modified_before"),
    )


def add_usage(total: Mapping[str, int], message: AIMessage) -> dict[str, int]:
    """The turn's tokens with those of one more model call."""
    usage = message.usage_metadata
    if not usage:
        return dict(total)
    details = usage.get("input_token_details") or {}
    return {
        "prompt_tokens": total.get("prompt_tokens", 0) + usage["input_tokens"],
        "completion_tokens": total.get("completion_tokens", 0) + usage["output_tokens"],
        "cached_tokens": total.get("cached_tokens", 0) + details.get("cache_read", 0),
    }


def add_tokens(total: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """The turn's tokens with those that a tool took."""
    return {name: total.get(name, 0) + more.get(name, 0) for name in (*total, *(more.keys() - total.keys()))}


class Search(Protocol):
    """Finds passages for a query, in all files or in those that a filter lets through."""

    def __call__(self, query: str, k: int | None = None, where: SearchFilter | None = None) -> Retrieval:
        """As `knowledge.retriever.HybridRetriever.search`."""
        ...


class Documents(Protocol):
    """The indexed documents, whole: what `KnowledgeIndex` offers of itself. Rows are ints in reading order."""

    def sources(self) -> Mapping[str, Any]:
        """What is known of each file (`FileEntry`), by absolute path."""
        ...

    def rows_of(self, source: str, /) -> np.ndarray:
        """The rows of a file's passages, int64 [n]."""
        ...

    def passages(self, rows: np.ndarray, /) -> list[Passage]:
        """The passages of some rows, in their order."""
        ...

    def vectors(self, rows: np.ndarray, /) -> np.ndarray:
        """Their unit vectors, float32 [n, d]."""
        ...


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """What the tools may take in one turn: calls, seconds, characters of one result and of all, and tokens (0: any)."""

    calls: int = 8
    seconds: float = 120.0
    result_chars: int = 20_000
    turn_chars: int = 100_000
    tokens: int = 0


@dataclass(slots=True)
class Dependencies:
    """What the nodes use.

    Attributes:
        search: finds passages for a question; None where nothing is indexed.
        recall, remember: the facts worth showing for a question, and how to keep another; None where none is kept.
        tools: all tools, by name.
        offer: the tools worth offering for a question.
        finish: records the finished turn and folds it into the conversation; returns the state to keep.
        strict: show only sentences that the documents support; always so for a small model.
        refuse: say "not in your documents" without asking the model when nothing relevant was found.
        documents: the documents as wholes; None where nothing is indexed.
        neighbours: passages around one, as (passage, before, after), in reading order and with itself; None to
            show passages as they were found.
        reword: let the model make a follow-up question stand alone before the search.
        policy: what tools may do unasked.
        ledger: where calls with effects are entered; without one, none is run.
        person: whose session it is; approvals are bound to it.
        limits: what the tools may take in one turn.
        taught: whether an adapter of the user's own answers, which was measured on the user's own questions: a small
            model then speaks for itself, where another quotes the documents first.
    """

    model: BaseChatModel
    budget: Budget
    tools: Mapping[str, ToolSpec]
    offer: Callable[[str], ToolOffer]
    search: Search | None
    recall: Callable[[str], Sequence[Fact]]
    remember: Callable[[str], Fact] | None
    finish: Callable[[TurnState, Clock], TurnState]
    strict: bool
    refuse: bool
    max_steps: int
    documents: Documents | None = None
    neighbours: Callable[[Passage, int, int], Sequence[Passage]] | None = None
    reword: bool = False
    policy: Policy = field(default_factory=Policy)
    ledger: CallLedger | None = None
    person: str = "me"
    limits: ToolLimits = field(default_factory=ToolLimits)
    taught: bool = False
    clock: Clock = field(default_factory=Clock)
    last_prompt: list[AnyMessage] = field(default_factory=list)
