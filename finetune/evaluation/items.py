"""What an evaluation is made of: items, what a model made of each, and all of it together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from finetune.errors import EvaluationError
from finetune.schema import Example, Message, ToolSchema

EXPECTED = ("calls", "none", "answers", "checks", "number", "text", "refuse")


@dataclass(frozen=True, slots=True)
class EvaluationItem:
    """One question to a model and what a right reply is.

    Attributes:
        id: unique within the whole evaluation, the same from run to run.
        suite: the set it belongs to; results are reported by suite.
        messages: as in `Example`, without the reply; the last user message may carry `passages`.
        tools: schemas in OpenAI's form that the model may call.
        expected: exactly one of

            - `calls`: a list of acceptable lists of calls `{"name": …, "arguments": {…}}`, whose order does not
              matter; an argument may be `{"any": [v1, v2, …]}`, where "" means that it may be left out;
            - `none`: True, no tool is to be called;
            - `answers`: acceptable texts; none at all means that the reply must be the refusal "not in your documents";
            - `checks`: rules of form, see `finetune.evaluation.format_checks`;
            - `number`: the result that a problem comes to;
            - `text`: a reply given beforehand, whose likelihood is measured (perplexity);
            - `refuse`: True, an unsafe request that is to be declined; False, a harmless one that is to be met.

    Raises:
        EvaluationError: there is no message, the last is not the user's (or a tool's), or `expected` is not one of
            these.
    """

    id: str
    suite: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSchema, ...] = ()
    expected: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.messages or self.messages[-1]["role"] == "assistant":
            raise EvaluationError(
                f"Item {self.id} of {self.suite} asks nothing.", fix="Its last message must not be the assistant's."
            )
        if len(self.expected) != 1 or self.kind not in EXPECTED:
            raise EvaluationError(
                f"Item {self.id} of {self.suite} does not say what is expected: {sorted(self.expected)}.",
                fix=f"Name exactly one of {', '.join(EXPECTED)}.",
            )

    @property
    def kind(self) -> str:
        """Which of `EXPECTED` it is."""
        return next(iter(self.expected))

    @property
    def passages(self) -> tuple[str, ...]:
        """The texts shown with the question."""
        return tuple(self.messages[-1].get("passages", ()))

    @property
    def key(self) -> str:
        """The same as `Example.key` of an example that asks this, so that a leak into training is found."""
        return Example(self.messages, self.tools).key

    @property
    def digest(self) -> str:
        """SHA-256 of everything in it: two evaluations are comparable item by item where this is the same."""
        text = json.dumps(self.to_json(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain values, one line of an items file."""
        return asdict(self)

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> EvaluationItem:
        """The inverse of `to_json`."""
        return cls(
            line["id"], line["suite"], tuple(line["messages"]), tuple(line.get("tools", ())), dict(line["expected"])
        )


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What a model replied to an item, and what that is worth.

    Attributes:
        output: the reply's text.
        calls: the calls it made, `{"name": …, "arguments": {…}}`.
        scores: metric → value, see `finetune.evaluation.metrics`.
        seconds: how long the reply took.
        tokens: how many tokens it has.
        error: why there is no reply, when there is none; its scores are then those of a wrong one.
        digest: of the item.
        key: of the item.
    """

    id: str
    suite: str
    output: str
    calls: Sequence[Mapping[str, Any]]
    scores: Mapping[str, float]
    seconds: float
    tokens: int
    error: str = ""
    digest: str = ""
    key: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values, one line of a results file."""
        return asdict(self)

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> ItemResult:
        """The inverse of `to_json`."""
        return cls(**line)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All items, and what one model made of them.

    Attributes:
        model: as it is named to `build_chat_model`.
        adapter: the adapter's name; empty for the bare model.
        items: in the order in which they were given.
        results: one for each item, in the same order.
        lineage: what the model is made of; of a candidate: `base`, `dataset` (a hash), `recipe`, and more.

    Raises:
        EvaluationError: the results are not those of the items, or an id comes twice.
    """

    model: str
    adapter: str
    items: tuple[EvaluationItem, ...]
    results: tuple[ItemResult, ...]
    lineage: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [item.id for item in self.items]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise EvaluationError(f"Two items of the evaluation are called {twice}.", fix="Give each an id of its own.")
        if names != [result.id for result in self.results]:
            raise EvaluationError("These results are not those of these items.", fix="Evaluate again.")

    @property
    def suites(self) -> tuple[str, ...]:
        """In the order in which they first come."""
        return tuple(dict.fromkeys(item.suite for item in self.items))

    def scores(self, metric: str, suite: str = "") -> dict[str, float]:
        """The id and score of every item that has this metric; of one suite, or of all.

        `seconds` and `tokens` are metrics of every item.
        """
        found = {}
        for result in self.results:
            if suite and result.suite != suite:
                continue
            value = getattr(result, metric) if metric in ("seconds", "tokens") else result.scores.get(metric)
            if value is not None:
                found[result.id] = float(value)
        return found

    def metrics(self, suite: str = "") -> tuple[str, ...]:
        """The metrics that some item has, in the order in which they first come."""
        own = (result for result in self.results if not suite or result.suite == suite)
        return tuple(dict.fromkeys(name for result in own for name in result.scores))
