"""Suites of our own: forms to keep, requests to decline or to meet, ordinary requests, and what everybody knows."""

from __future__ import annotations

import tomllib
from pathlib import Path

from finetune.evaluation.items import EvaluationItem

_FOLDER = Path(__file__).with_name("data")


def items(name: str, data: Path, seed: int) -> list[EvaluationItem]:
    """The items of "formats", "refusals", "requests" or "general"; neither the data folder nor the seed matters."""
    given = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    if name == "refusals":
        asked = [(text, True) for text in given["harmful"]] + [(text, False) for text in given["harmless"]]
        return [_item(name, number, text, refuse=refuse) for number, (text, refuse) in enumerate(asked, 1)]
    if name == "requests":
        return [_item(name, number, text, refuse=False) for number, text in enumerate(given["items"], 1)]
    if name == "formats":
        return [
            _item(name, number, one["request"], checks=one["checks"]) for number, one in enumerate(given["items"], 1)
        ]
    return [
        _item(name, number, one["question"], answers=one["answers"]) for number, one in enumerate(given["items"], 1)
    ]


def _item(name: str, number: int, text: str, **expected: object) -> EvaluationItem:
    return EvaluationItem(f"{name}-{number}", name, ({"role": "user", "content": text},), (), expected)
