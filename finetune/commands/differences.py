"""What two models said to the same items, to read."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli.output import counted, foreign, one_line, shown_path
from agent.cli.output import out as stdout
from agent.errors import StorageError

if TYPE_CHECKING:
    from finetune.evaluation.items import Evaluation, ItemResult
    from finetune.evaluation.report import Difference

_CHARS = 160


def print_differences(base: Evaluation, candidate: Evaluation, kinds: Sequence[str], most: int) -> None:
    """Print some items of each kind: the question, what was expected, and both replies."""
    from finetune.evaluation.report import differences

    found = differences(base, candidate)
    for kind in kinds:
        own = [one for one in found if one.change == kind]
        stdout().print(foreign(f"{kind.capitalize()}: {counted(len(own), 'item')}", "bold"))
        for one in own[:most]:
            _print(one, base.adapter or "bare model", candidate.adapter or "candidate")


def as_data(base: Evaluation, candidate: Evaluation, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """The same as plain values."""
    from finetune.evaluation.report import differences

    return [
        {
            "change": one.change,
            "item": one.item.to_json(),
            "base": one.base.to_json(),
            "candidate": one.candidate.to_json(),
        }
        for one in differences(base, candidate)
        if one.change in kinds
    ]


def write_page(path: Path, base: Evaluation, candidate: Evaluation) -> Path:
    """Write the figures, the differences and the items to read as a page, in the place of an earlier one.

    Raises:
        StorageError: the disk refused it; an earlier page stands.
    """
    from finetune.evaluation.report import markdown

    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(markdown(base, candidate), encoding="utf-8", errors="backslashreplace")
        os.replace(new, path)
    except OSError as error:
        raise StorageError(
            f"{shown_path(path)} cannot be written: {error.strerror or error}.",
            kept=f"All replies are in {shown_path(path.parent)}.",
            fix="Make room there and give the same command again: nothing is asked twice.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            new.unlink()
    return path


def _print(one: Difference, before: str, after: str) -> None:
    asked = str(one.item.messages[-1].get("content") or "")
    lines = (
        (one.item.suite, asked),
        ("wanted", wanted(one)),
        (before, said(one.base)),
        (after, said(one.candidate)),
    )
    for number, (label, text) in enumerate(lines):
        stdout().print(foreign(f"  {label}: {one_line(text, _CHARS)}", "" if number == 0 else "dim"))


def wanted(one: Difference) -> str:
    """What was expected of an item, in words."""
    kind, value = next(iter(one.item.expected.items()))
    if kind == "calls":
        return _calls(value[0])
    if kind == "answers":
        return " or ".join(value) or "that the passages do not say"
    if kind == "none":
        return "no call"
    return f"{kind}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def said(result: ItemResult) -> str:
    """A reply, its calls first."""
    if result.error:
        return f"failed: {result.error}"
    return " ".join(filter(None, [_calls(result.calls), result.output])) or "nothing"


def _calls(calls: Any) -> str:
    return " ".join(f"{call['name']} {json.dumps(call['arguments'], ensure_ascii=False)}" for call in calls)
