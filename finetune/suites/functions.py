"""Suites of documented functions: a call of the only one, of one among several, several calls, none as none fits.

They are divided as function-calling leaderboards divide theirs (F. Yan et al., "Berkeley Function Calling Leaderboard",
2024); functions and requests are ours.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from finetune.evaluation.items import EvaluationItem
from finetune.schema import ToolSchema

_FILE = Path(__file__).with_name("data") / "functions.toml"


def items(name: str, data: Path, seed: int) -> list[EvaluationItem]:
    """The items of "simple", "multiple", "parallel" or "irrelevance"; neither the data folder nor the seed matters."""
    given = _given()
    functions = {function: _schema(function, told) for function, told in given["functions"].items()}
    return [
        EvaluationItem(
            f"{name}-{number}",
            name,
            ({"role": "user", "content": one["request"]},),
            tuple(functions[function] for function in one["functions"]),
            {"calls": [one["calls"]]} if one["calls"] else {"none": True},
        )
        for number, one in enumerate((one for one in given["items"] if one["category"] == name), 1)
    ]


@cache
def _given() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def _schema(name: str, told: Mapping[str, Any]) -> ToolSchema:
    parameters = {"type": "object", "properties": told["arguments"], "required": told["required"]}
    function = {"name": name, "description": told["description"], "parameters": parameters}
    return {"type": "function", "function": function}
