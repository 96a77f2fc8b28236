"""Put the same items to one or several adapters of a model, through the runtime that serves them.

All adapters share one loaded model and are asked in turn, block by block and the order reversed from block to block,
so that neither a busy machine nor a warm cache favours one. Every result is on disk before the next item is put: an
evaluation that is killed goes on where it was.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.adapters import NONE, file_digest
from agent.errors import MissingKey, ModelError, ModelFileInvalid, ModelNotFound, ServerUnreachable
from finetune.errors import EvaluationError
from finetune.evaluation.items import Evaluation, EvaluationItem, ItemResult
from finetune.evaluation.metrics import byte_count, score
from finetune.evaluation.results_file import ResultsFile
from finetune.evaluation.served import served_messages

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage

BLOCK = 8  # items put to one adapter before the next one's turn
MAX_STEPS = 6  # replies to one problem that may use the calculator
_ONLY_CALLS = ("calls", "none")
_POINTLESS = (MissingKey, ModelFileInvalid, ModelNotFound, ServerUnreachable)  # no item would be answered


@dataclass(frozen=True, slots=True)
class Contender:
    """An adapter to evaluate.

    Attributes:
        adapter: as the model knows it: the stem or path of a loaded file; empty for the bare model.
        results: the file that its results are kept in; None keeps them in memory alone.
        lineage: what it is made of, see `Evaluation`.
    """

    adapter: str = ""
    results: Path | None = None
    lineage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an evaluation is: `result` is the latest, of `contender`."""

    done: int
    total: int
    contender: Contender
    result: ItemResult


def evaluate(
    model: str | BaseChatModel,
    adapter: str,
    items: Sequence[EvaluationItem],
    on_progress: Callable[[Progress], None] | None = None,
    *,
    results: Path | None = None,
    lineage: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Put items to a model with one adapter; see `compare`."""
    (done,) = compare(model, [Contender(adapter, results, lineage or {})], items, on_progress)
    return done


def compare(
    model: str | BaseChatModel,
    contenders: Sequence[Contender],
    items: Sequence[EvaluationItem],
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Evaluation]:
    """Put the same items to each contender, in turn.

    An error of the model at an item is a wrong reply with its reason kept; only what makes every further item
    pointless is raised.

    Args:
        model: as for `build_chat_model`, or one that is built; it must have the adapters loaded.
        contenders: in the order of the evaluations that are returned.
        items: what to ask.
        on_progress: called after each reply.

    Raises:
        EvaluationError: no items, two with the same id, an adapter for a model that has none, or a file of results
            that belongs to something else.
        ModelError: the model or an adapter cannot be loaded or reached.
        StorageError: a result cannot be written.
    """
    if not items:
        raise EvaluationError("There is nothing to evaluate on.", fix="Name a suite that has items.")
    chat, name = _built(model, [contender.adapter for contender in contenders])
    kept = [(one, ResultsFile(one.results, _owner(chat, name, one.adapter))) for one in contenders]
    done, ordered = 0, alike_together(items)
    for start in range(0, len(ordered), BLOCK):
        for one, file in kept if start // BLOCK % 2 == 0 else reversed(kept):
            for item in ordered[start : start + BLOCK]:
                result = file.find(item) or file.add(_measured(chat, one.adapter, item))
                done += 1
                if on_progress:
                    on_progress(Progress(done, len(items) * len(kept), one, result))
    return [
        Evaluation(name, one.adapter, tuple(items), tuple(map(file.result, items)), dict(one.lineage))
        for one, file in kept
    ]


def alike_together(items: Iterable[EvaluationItem]) -> list[EvaluationItem]:
    """The items in an order in which those of a suite with the same tools and passages follow each other.

    Their prompts begin alike, and an engine that has just read a beginning does not read it again.
    """
    groups: dict[tuple[str, str, tuple[str, ...]], list[EvaluationItem]] = {}
    for item in items:
        groups.setdefault((item.suite, json.dumps(item.tools), tuple(item.passages)), []).append(item)
    return [item for group in groups.values() for item in group]


def _built(model: str | BaseChatModel, adapters: Sequence[str]) -> tuple[Any, str]:
    """The chat model and its name; a model that is named is built with the adapters."""
    import os

    from agent.models import build_chat_model

    if isinstance(model, str):
        files = os.pathsep.join(dict.fromkeys(filter(None, adapters)))
        local = model.startswith("local:")
        overrides: dict[str, Any] = {"adapter": files or NONE} if files or local else {}
        return build_chat_model(model, **overrides), model
    if any(adapters) and not hasattr(model, "adapters"):
        raise EvaluationError(
            f"{type(model).__name__} cannot switch adapters.", fix="Evaluate adapters with a local: model."
        )
    return model, str(getattr(model, "model_name", "") or type(model).__name__)


def _owner(chat: Any, name: str, adapter: str) -> dict[str, str]:
    """Whose results they are, by the files' hashes: what an adapter said before it was trained anew is no result."""
    owner = {"model": name, "adapter": adapter}
    if hasattr(chat, "path"):
        owner["base_sha256"] = file_digest(chat.path)
    named = (path for path in getattr(chat, "adapters", ()) if adapter in (path.stem, path.parent.name, str(path)))
    if adapter and (path := next(named, None)):  # the first, as the model takes it
        owner["adapter_sha256"] = file_digest(path)
    return owner


def _measured(chat: Any, adapter: str, item: EvaluationItem) -> ItemResult:
    began = time.perf_counter()
    reply, error = _Reply(), ""
    try:
        reply = _likelihood(chat, adapter, item) if item.kind == "text" else _replied(chat, adapter, item)
    except _POINTLESS:
        raise
    except ModelError as failure:
        error = str(failure)
    seconds = time.perf_counter() - began
    return ItemResult(
        item.id,
        item.suite,
        reply.output,
        reply.calls,
        score(item, reply.output, reply.calls, error) | reply.scores,
        seconds,
        reply.tokens,
        error,
        item.digest,
        item.key,
    )


@dataclass(slots=True)
class _Reply:
    output: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    scores: dict[str, float] = field(default_factory=dict)


def _options(chat: Any, adapter: str) -> dict[str, Any]:
    return {"adapter": adapter} if hasattr(chat, "adapters") else {}


def _replied(chat: Any, adapter: str, item: EvaluationItem) -> _Reply:
    """The model's reply; where a result is wanted, after as many uses of the calculator as it asks for."""
    options = _options(chat, adapter)
    if item.kind in _ONLY_CALLS:
        options["max_tokens"] = 1  # of the answer, which follows where no tool is called: it is not measured
    bound = chat.bind_tools(list(item.tools), **options) if item.tools else chat.bind(**options)
    messages = served_messages(item.messages, chat.get_num_tokens)
    reply = _Reply()
    for _ in range(MAX_STEPS):
        message: AIMessage = bound.invoke(messages)
        reply.tokens += message.usage_metadata["output_tokens"] if message.usage_metadata else 0
        reply.calls += [{"name": call["name"], "arguments": call["args"]} for call in message.tool_calls]
        reply.output = "" if item.kind in _ONLY_CALLS else message.text.strip()
        if not message.tool_calls or item.kind != "number":
            break
        messages += [message, *_calculated(message)]
    return reply


def _calculated(message: AIMessage) -> list[BaseMessage]:
    from langchain_core.messages import ToolMessage

    from tools.calculator import CalculationError, calculate

    results: list[BaseMessage] = []
    for call in message.tool_calls:
        try:
            text = calculate(str(call["args"].get("expression", "")))
        except CalculationError as error:
            text = f"Error: {error}"
        results.append(ToolMessage(text, tool_call_id=call["id"] or "", name=call["name"]))
    return results


def _likelihood(chat: Any, adapter: str, item: EvaluationItem) -> _Reply:
    """How likely the given text is, in bits per byte: that does not depend on how it is cut into tokens.

    Raises:
        EvaluationError: the model's provider does not report likelihoods.
    """
    if not hasattr(chat, "log_probabilities"):
        raise EvaluationError(
            "Only local: models report how likely a given text is.", fix=f"Leave out the suite {item.suite}."
        )
    text = str(item.expected["text"])
    found = chat.log_probabilities(served_messages(item.messages, chat.get_num_tokens), text, **_options(chat, adapter))
    bits = -sum(found) / math.log(2) / byte_count(text)
    return _Reply(text, tokens=len(found), scores={"bits_per_byte": bits})


def latency(evaluation: Evaluation, suite: str = "") -> tuple[float, float]:
    """Seconds a reply takes: the median and the 95th percentile (nearest rank)."""
    ordered = sorted(evaluation.scores("seconds", suite).values())
    if not ordered:
        return 0.0, 0.0
    rank = [max(0, math.ceil(share * len(ordered)) - 1) for share in (0.5, 0.95)]
    return ordered[rank[0]], ordered[rank[1]]
