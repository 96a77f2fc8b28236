"""The few types that every front end shares: a turn, its parts, and the events that stream it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from agent.calls.approvals import ApprovalRequest
from knowledge.schema import Passage

TurnStatus = Literal["done", "cancelled", "limit", "error", "waiting"]
Grade = Literal["supported", "partly", "not"]


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered pointer from an answer to the exact text that supports it.

    Attributes:
        number: as it stands in the answer, "[1]" for 1.
        source: absolute path of the file.
        locator: where in the file, for people ("lines 10-24", "page 3, lines 4-9").
        text: the exact supporting text, verbatim from the document.
        passage_id: the passage of the turn's evidence that it lies in.
    """

    number: int
    source: str
    locator: str
    text: str
    passage_id: str
    heading: str = ""
    page: int | None = None
    start_line: int = 1
    end_line: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far the evidence supports one sentence of an answer; also the event that follows the sentence.

    Attributes:
        start, end: character offsets of the sentence in the answer, without its number.
        grade: "supported", "partly", or "not".
        citation: the number of the citation that supports it; None unless it is supported.
        reason: what keeps it from being supported, in a few words; empty when it is.
    """

    start: int
    end: int
    grade: Grade
    citation: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call and its outcome.

    Attributes:
        id: made by Ratchet, unique; what approvals and the audit log name.
        arguments: those it ran with, if it did; a person may have edited what the model asked for.
        status: "ok", "error" (it ran, or could not), "denied" by the settings, "rejected" by a person, "repeated" (not
            run again with the same arguments), or "unknown" (begun when the program ended, and not run again).
        seconds: wall time.
        artifact: what it made beside text, as plain JSON: `files` and a `table` (see `tools.spec.ToolSpec`), and
            the ids of the `passages` it found.
    """

    id: str
    name: str
    arguments: dict[str, Any]
    result: str = ""
    status: str = "ok"
    seconds: float = 0.0
    artifact: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a turn over all its model calls; `cached_tokens` of the prompt were not recomputed."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds since the question arrived, and None for what did not happen.

    `first_token` is the first piece of the answer that was shown, `model_token` the first that the model
    generated: an answer may open with the words of a document, or wait for a sentence to be checked.
    """

    retrieve: float = 0.0
    first_token: float | None = None
    model_token: float | None = None
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """A question, its answer, and everything that produced it: one row of lineage.

    `verdicts` say of each checked sentence how far the passages support it; turns recorded before there were any have
    none. `query` is what was searched for, if anything was. `notes` are the honest asides ("2 of 5 passages did not
    fit"), `created_at` is UTC ISO 8601.
    """

    turn_id: str
    thread_id: str
    question: str
    answer: str
    status: TurnStatus
    citations: tuple[Citation, ...] = ()
    passages: tuple[Passage, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    notes: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    model: str = ""
    adapter: str = ""
    prompt_version: str = ""
    created_at: str = ""
    verdicts: tuple[Verdict, ...] = ()
    query: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values only, as printed by `ask --json` and stored by `agent.records`."""
        return asdict(self) | {"passages": [passage.to_json() for passage in self.passages]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Turn:
        """The inverse of `to_json`."""
        return cls(
            **data
            | {
                "citations": tuple(Citation(**item) for item in data["citations"]),
                "passages": tuple(Passage.from_json(item) for item in data["passages"]),
                "tool_calls": tuple(ToolCall(**item) for item in data["tool_calls"]),
                "notes": tuple(data["notes"]),
                "verdicts": tuple(Verdict(**item) for item in data.get("verdicts", ())),
                "usage": Usage(**data["usage"]),
                "timings": Timings(**data["timings"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person thought of a turn. `rating` is 1, -1, or 0 for a comment without a verdict."""

    feedback_id: str
    turn_id: str
    rating: int
    correction: str = ""
    comment: str = ""
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class AnswerChoice:
    """Two answers to the question of a turn, and which of them a person preferred.

    Attributes:
        answers: as they were shown, in that order.
        adapters: which adapter gave each; empty for the model as it is.
        chosen: 0 or 1, an index of `answers`; None when neither was preferred.
        created_at: UTC ISO 8601.
    """

    choice_id: str
    turn_id: str
    answers: tuple[str, str]
    adapters: tuple[str, str] = ("", "")
    chosen: int | None = None
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A long-term memory the user asked for; `created_at` is UTC ISO 8601.

    `sources` name whose text the model had read when a tool kept it; empty for the user's own words.
    """

    fact_id: str
    text: str
    created_at: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Event: the passages found for the question, before the model speaks.

    `query` is what was searched for: the question, made to stand alone if it leaned on the conversation.
    """

    passages: tuple[Passage, ...]
    relevant: bool
    seconds: float
    query: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """Event: a piece of the answer, in order."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallProposed:
    """Event: the model wants to call a tool."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ToolCallFinished:
    """Event: the tool answered, or failed (`call.status`)."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ApprovalRequested:
    """Event: the turn waits for a person; `ChatSession.decide` answers, `ChatSession.resume` goes on."""

    request: ApprovalRequest


@dataclass(frozen=True, slots=True)
class Cited:
    """Event: a citation whose marker has just been streamed."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class Note:
    """Event: an honest aside, such as what was left out of the prompt."""

    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Event: the turn broke; the three sentences and the exit code of a `RatchetError`."""

    what: str
    kept: str
    fix: str
    exit_code: int = 1


@dataclass(frozen=True, slots=True)
class Done:
    """Event: the turn is recorded, or waits for an approval (status "waiting"); always the last event."""

    turn: Turn


Event = (
    Retrieved | Token | ToolCallProposed | ApprovalRequested | ToolCallFinished | Cited | Verdict | Note | Failed | Done
)
