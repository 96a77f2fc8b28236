"""Suites of requests that need tools: Seal-Tools (one call or several) and SNIPS (one call among seven tools)."""

from __future__ import annotations

from pathlib import Path

from finetune.default.public_data import BOX, chance_of, lines, seal_boxes, seal_specifications
from finetune.default.sources.boxes import occurs
from finetune.default.sources.seal_tools import exact_calls
from finetune.evaluation.items import EvaluationItem
from finetune.suites.snips_tools import snips_tools


def items(name: str, data: Path, seed: int) -> list[EvaluationItem]:
    """The items of "seal_tools" or "snips"."""
    return _snips(data) if name == "snips" else _seal_tools(data, seed)


def _seal_tools(data: Path, seed: int) -> list[EvaluationItem]:
    """As many requests for one call as for several, each before one to eight tools, near ones among them.

    Only those whose values can all be read off the request.
    """
    known = seal_specifications(data)
    found = []
    for line in lines(data / "dev" / "seal_tools" / "test_in_domain.jsonl"):
        calls = exact_calls(line, known)
        names = list(dict.fromkeys(name for name, _ in calls or ()))
        if not calls or len(names) > BOX:
            continue
        chance = chance_of(f"{line['id']}-{seed}")
        box = seal_boxes(known, names, chance, chance.randint(len(names), BOX))
        wanted = [{"name": name, "arguments": arguments} for name, arguments in calls]
        said = ({"role": "user", "content": line["query"]},)
        found.append(EvaluationItem(f"seal_tools-{line['id']}", "seal_tools", said, box, {"calls": [wanted]}))
    one = [item for item in found if len(item.expected["calls"][0]) == 1]
    several = [item for item in found if len(item.expected["calls"][0]) > 1]
    return one + several[: len(one)]


def _snips(data: Path) -> list[EvaluationItem]:
    tools = snips_tools()
    return [
        EvaluationItem(
            f"snips-{number}",
            "snips",
            ({"role": "user", "content": line["text"]},),
            tools,
            {"calls": [[{"name": line["intent"], "arguments": line["slots"]}]]},
        )
        for number, line in enumerate(lines(data / "dev" / "snips" / "dev.jsonl"), 1)
        if all(occurs(value, line["text"]) for value in line["slots"].values())
    ]
