"""Which tools to put before the model for a question.

A large model gets all tools, or, where there are many, the nearest to the question. A small one gets those whose own
rules say that the question asks for them; failing that, the one whose description is nearest, and only when it is near.
Likeness of the question to "name: description" names the right tool more often than a model of 135M does, and says
better when none is needed (`benchmarks.tool_choice`): of questions that needed the nearest tool such a model declined
one in five, of those that needed none it took the tool five times in six. So all that is left to it are the arguments.
One with an adapter was trained to choose: it gets the nearest few as they are, and may take none; of a question that
asks for several things, the nearest to each.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.models.request_parts import requests_in
from agent.question_values import narrowed

if TYPE_CHECKING:
    import numpy as np

    from knowledge.embedders import Embedder
    from tools.spec import ToolSpec

    # (tools, question) → the tools with their cosine to the question, nearest first.
    Nearest = Callable[[Sequence[ToolSpec], str], Sequence[tuple[ToolSpec, float]]]

TRAINED_LIMIT = 5  # tools before a small model with an adapter
_TRAINED_MOST = 8  # where several things are asked for
LARGE_LIMIT = 24  # tools before a large model; each costs it about 100 tokens of prompt
_FEW = 4
_NAME_PARTS = re.compile(r"_|(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """The tools for one question.

    Attributes:
        schemas: in OpenAI's form, the likeliest first for a small model; empty when no tool fits.
        must: whether the model has to call one of them.
        asked_for: whether the question plainly asks for one of them, by their own rules.
    """

    schemas: tuple[dict[str, Any], ...] = ()
    must: bool = False
    asked_for: bool = False

    def __bool__(self) -> bool:
        return bool(self.schemas)


class ToolIndex:
    """Nearest tools by likeness of the question to "name: description"; vectors are kept for the session.

    Args:
        embedder: makes the vectors; those of questions are not kept.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors: dict[str, np.ndarray] = {}

    def __call__(self, tools: Sequence[ToolSpec], question: str) -> list[tuple[ToolSpec, float]]:
        """The tools with their cosine to the question, nearest first."""
        if not tools:
            return []
        told = [described(spec) for spec in tools]
        fresh = [text for text in dict.fromkeys(told) if text not in self._vectors]
        if fresh:
            self._vectors |= zip(fresh, self._embedder.embed(fresh), strict=True)
        asked = self._embedder.query_vector(question)
        near = [(spec, float(self._vectors[text] @ asked)) for spec, text in zip(tools, told, strict=True)]
        return sorted(near, key=lambda pair: -pair[1])


def near_enough(tools: int) -> float:
    """The cosine at which the nearest of so many tools is taken to be what a question needs.

    The more tools there are, the nearer the nearest one is by chance. The line is the best balance of right choices
    and of questions left alone, for 4 to 200 tools of Seal-Tools' training part against questions of Dolly and MetaTool
    that need none; made with all-MiniLM-L6-v2.
    """
    return 0.165 + 0.05 * math.log(max(_FEW, tools))


def described(spec: ToolSpec) -> str:
    """A tool as it is compared with a question: the words of its name, and what it says of itself."""
    name = " ".join(_NAME_PARTS.split(spec.name)).lower()
    return f"{name}: {' '.join(spec.tool.description.split())}"


def choose_offer(
    tools: Mapping[str, ToolSpec], question: str, *, small: bool, nearest: Nearest | None = None, trained: bool = False
) -> ToolOffer:
    """The tools to put before the model.

    Args:
        tools: all tools there are, by name.
        question: what the user asks, without passages.
        small: whether the model is a small one, which cannot be trusted to choose among many or to invent nothing.
        nearest: ranks tools by likeness; without it a large model gets the first `LARGE_LIMIT` and a small one only
            tools with rules of their own. A small one gets built-in tools by their rules alone.
        trained: whether an adapter has taught a small model to choose.
    """
    specs = list(tools.values())
    if not small:
        return ToolOffer(tuple(_schema(spec) for spec in _for_large(specs, question, nearest)))
    hinted = [(spec, hints) for spec in specs if (hints := spec.hinted(question)) is not None]
    if hinted:
        return ToolOffer(tuple(_limited(spec, hints) for spec, hints in hinted), must=True, asked_for=True)
    if nearest is None:
        return ToolOffer()
    free = [spec for spec in specs if spec.hints is None and spec.origin != "ratchet"]
    if trained:
        return ToolOffer(tuple(_schema(spec) for spec in _for_trained(free, requests_in(question), nearest)))
    near = [spec for spec, cosine in nearest(free, question)[:1] if cosine >= near_enough(len(free))]
    return ToolOffer(tuple(narrowed(_schema(spec), question) for spec in near), must=bool(near))


def _for_trained(specs: Sequence[ToolSpec], requests: Sequence[str], nearest: Nearest) -> list[ToolSpec]:
    """The nearest to the request; of several requests the nearest to each, then the second nearest, and so on."""
    ranked = [[spec for spec, _ in nearest(specs, request)] for request in requests]
    each_in_turn = {spec.name: spec for same_rank in zip(*ranked, strict=True) for spec in same_rank}
    return list(each_in_turn.values())[: TRAINED_LIMIT if len(requests) == 1 else _TRAINED_MOST]


def _for_large(specs: Sequence[ToolSpec], question: str, nearest: Nearest | None) -> Sequence[ToolSpec]:
    """All tools in their order, or those with hints and then the nearest, still in their order."""
    if len(specs) <= LARGE_LIMIT:
        return specs
    hinted = [spec.name for spec in specs if spec.hinted(question) is not None]
    ranked = [spec.name for spec, _ in nearest(specs, question)] if nearest else [spec.name for spec in specs]
    chosen = list(dict.fromkeys([*hinted, *ranked]))[:LARGE_LIMIT]
    return [spec for spec in specs if spec.name in chosen]


def _limited(spec: ToolSpec, hints: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The schema with arguments limited to the values that the question holds; all are then required.

    What has a default and no value in the question is left to its default: a small model would invent something.
    """
    schema = copy.deepcopy(_schema(spec))
    parameters = schema["function"]["parameters"]
    needed = {*parameters.get("required", ()), *hints}
    parameters["properties"] = {name: kind for name, kind in parameters["properties"].items() if name in needed}
    for argument, values in hints.items():
        parameters["properties"][argument]["enum"] = list(values)
    parameters["required"] = list(parameters["properties"])
    return schema


def _schema(spec: ToolSpec) -> dict[str, Any]:
    from langchain_core.utils.function_calling import convert_to_openai_tool

    return convert_to_openai_tool(spec.tool)
