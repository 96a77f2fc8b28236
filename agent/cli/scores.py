"""An evaluation for people: a table of figures, the worst misses, and a report of all of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli.output import counted, foreign, one_line, out, shown_path
from agent.cli.render import indented
from agent.errors import StorageError
from agent.phrasing import place
from knowledge.text import sanitize

if TYPE_CHECKING:
    from knowledge.evaluate import Evaluation, Outcome

_SHOWN = 3


def print_scores(result: Evaluation, seconds: float, notes: Mapping[str, Any]) -> None:
    """Every mean with its 95 % confidence interval, then what was searched and how fast."""
    facts = result.to_json()
    console = out()
    for name, value in result.means.items():
        low, high = result.intervals[name]
        console.print(foreign(f"  {name:<11} {value:.3f}", "bold") + foreign(f"  {low:.3f} to {high:.3f}", "dim"))
    sizes = f"{counted(facts['queries'], 'query', 'queries')} over {counted(facts['passages'], 'passage')}"
    times = facts["milliseconds"]
    console.print(
        foreign(f"  {sizes} · {times['p50']:.0f} ms a query (p95 {times['p95']:.0f}) · {seconds:.1f} s", "dim")
    )
    for source in notes.get("not_indexed", ()):
        console.print(foreign(f"  ✗ {shown_path(source)} is not in the index: its questions count as missed.", "red"))


def print_misses(misses: Sequence[Outcome]) -> None:
    """The queries given, each with what was expected and what was found instead."""
    for number, miss in enumerate(misses, start=1):
        where = f"at rank {miss.rank}" if miss.rank else "not found"
        out().print()
        out().print(foreign(f"{number}. {one_line(miss.query.text, 200)}", "bold") + foreign(f"  {where}", "dim"))
        for name in miss.query.expected[:_SHOWN]:
            out().print(foreign(f"   expected  {name}", "green"))
        for relevant, hit in list(miss.hits())[:_SHOWN]:
            head = foreign(f"   {'found    ' if relevant else 'instead  '} ", "green" if relevant else "red")
            out().print(head + foreign(place(hit.source, hit.heading, hit.locator)))
            out().print(indented(foreign(one_line(hit.text, 160), "dim")))


def write_report(path: Path, result: Evaluation) -> None:
    """Write every miss, worst first: a page in Markdown, or one JSON object a line by the suffix `.jsonl`.

    Raises:
        StorageError: the file cannot be written; one that was there stays.
    """
    lines = _as_jsonl(result) if path.suffix == ".jsonl" else _as_markdown(result)
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise StorageError(f"{shown_path(path)} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _as_jsonl(result: Evaluation) -> Iterator[str]:
    return (json.dumps(miss.to_json(), ensure_ascii=False) for miss in result.misses())


def _as_markdown(result: Evaluation) -> Iterator[str]:
    yield "# Misses"
    yield ""
    yield "| metric | mean | 95 % interval |"
    yield "| --- | --- | --- |"
    for name, value in result.means.items():
        low, high = result.intervals[name]
        yield f"| {name} | {value:.3f} | {low:.3f} to {high:.3f} |"
    for miss in result.misses():
        yield ""
        yield f"## {' '.join(sanitize(miss.query.text).split())}"
        yield ""
        yield f"Expected, {f'found at rank {miss.rank}' if miss.rank else 'not found'}:"
        yield ""
        yield from (f"- `{name}`" for name in miss.query.expected)
        yield ""
        yield "Found:"
        yield ""
        for number, (relevant, hit) in enumerate(miss.hits(), start=1):
            mark = "**expected** " if relevant else ""
            where = sanitize(place(hit.source, hit.heading, hit.locator))
            yield f"{number}. {mark}`{where}`: {one_line(hit.text, 200)}"
