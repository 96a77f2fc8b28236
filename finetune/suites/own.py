"""A suite made from the development split of a data set: what its Examples teach is what is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.prompts import REFUSAL
from finetune.default.public_data import chance_of
from finetune.evaluation.items import EvaluationItem
from finetune.schema import Example, Message

_SHORT = 12  # words up to which a reply is compared word by word; of a longer one the likelihood is measured


def own_suite(
    examples: Iterable[Example], name: str = "own", limit: int = 0, *, seed: int = 0
) -> tuple[EvaluationItem, ...]:
    """An item for each reply that the Examples teach, in an order that depends on the seed alone.

    Args:
        examples: none of which may be trained on, such as `DatasetSplits.dev`.
        name: of the suite.
        limit: how many at most; 0 for all.
        seed: of the order.
    """
    found = {item.id: item for example in examples for item in items_of(example, name)}
    items = list(found.values())
    chance_of(f"{name}-order-{seed}").shuffle(items)
    return tuple(items[:limit] if limit else items)


def items_of(example: Example, suite: str) -> Iterator[EvaluationItem]:
    """An item for each reply of the Example that counts; none for one that was marked as unwanted."""
    if example.label is False:
        return
    for place, message in enumerate(example.messages):
        if message["role"] != "assistant" or not message.get("weight", 1) or place == 0:
            continue
        before = example.messages[:place]
        if before[-1]["role"] == "assistant":
            continue
        expected = _expected(message, before[-1], bool(example.tools))
        if expected:
            yield EvaluationItem(
                f"{suite}-{example.source}-{example.key[:8]}.{place}", suite, before, example.tools, expected
            )


def _expected(reply: Message, asked: Message, has_tools: bool) -> dict[str, object]:
    """What a right reply is; nothing where the Example does not say."""
    content = str(reply.get("content") or "").strip()
    if reply.get("tool_calls"):
        return {"calls": [list(reply["tool_calls"])]}
    if has_tools and asked["role"] == "user":
        return {"none": True}
    if asked.get("passages") or len(content.split()) <= _SHORT:
        return {"answers": [] if content == REFUSAL else [content]} if content else {}
    return {"text": content}
