"""An evaluation to read: tables, and what base and candidate said to the same items, side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from finetune.evaluation.evaluate import latency
from finetune.evaluation.items import Evaluation, EvaluationItem, ItemResult
from finetune.evaluation.metrics import METRICS, abstention, perplexity
from finetune.evaluation.statistics import Interval, mean_interval, wilson
from finetune.evaluation.verdict import Comparison, Verdict

if TYPE_CHECKING:
    from rich.table import Table

Change = Literal["lost", "won", "both wrong", "both right"]
_MOST_CHARS = 600


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one suite: a column of intervals, one for each evaluation; None where no item has it."""

    suite: str
    metric: str
    count: int
    cells: tuple[Interval | None, ...]


def rows(evaluations: Sequence[Evaluation]) -> list[Row]:
    """Every metric of every suite; shares with Wilson's interval, other means with the bootstrap's, both 95 %."""
    found = []
    for suite in dict.fromkeys(name for one in evaluations for name in one.suites):
        for metric in dict.fromkeys(name for one in evaluations for name in one.metrics(suite)):
            scores = [list(one.scores(metric, suite).values()) for one in evaluations]
            found.append(Row(suite, metric, max(map(len, scores)), tuple(map(_interval, scores))))
    return found


def _interval(scores: Sequence[float]) -> Interval | None:
    if not scores:
        return None
    if all(score in (0.0, 1.0) for score in scores):
        return wilson(sum(scores), len(scores))
    return mean_interval(scores)


def _cell(metric: str, interval: Interval | None) -> str:
    if interval is None:
        return "–"
    if METRICS[metric].bounded:
        value, low, high = (100 * part for part in (interval.value, interval.low, interval.high))
        return f"{value:.1f} % ({low:.0f}–{high:.0f})"
    return f"{interval.value:.2f} ({interval.low:.2f}–{interval.high:.2f})"


def _extras(evaluation: Evaluation) -> list[tuple[str, str]]:
    """What is of a whole evaluation, not of an item."""
    precision, recall = abstention(evaluation)
    median, slow = latency(evaluation)
    failed = sum(bool(result.error) for result in evaluation.results)
    measured = perplexity(evaluation)
    return [
        ("holding back: precision / recall", f"{100 * precision:.1f} % / {100 * recall:.1f} %"),
        ("perplexity of given text", "–" if measured is None else f"{measured:.2f}"),
        ("seconds a reply: median / 95th percentile", f"{median:.2f} / {slow:.2f}"),
        ("replies that failed", str(failed)),
    ]


def _cells(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, ...]]:
    for row in rows(evaluations):
        title = METRICS[row.metric].title
        yield (row.suite, title, *(_cell(row.metric, cell) for cell in row.cells), str(row.count))
    for extras in zip(*map(_extras, evaluations), strict=True):
        yield ("all", extras[0][0], *(value for _, value in extras), str(len(evaluations[0].items)))


def _head(evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
    return ("suite", "metric", *(one.adapter or "base" for one in evaluations), "n")


def table(evaluations: Sequence[Evaluation]) -> Table:
    """The evaluations beside each other, for a terminal."""
    from rich.markup import escape
    from rich.table import Table

    shown = Table(*map(escape, _head(evaluations)), title=escape(evaluations[0].model))
    last = ""
    for suite, *cells in _cells(evaluations):
        shown.add_row(*map(escape, ("" if suite == last else suite, *cells)))
        last = suite
    return shown


@dataclass(frozen=True, slots=True)
class Difference:
    """An item, both replies to it, and who was right."""

    change: Change
    item: EvaluationItem
    base: ItemResult
    candidate: ItemResult


def differences(base: Evaluation, candidate: Evaluation) -> list[Difference]:
    """Every item: first what the candidate lost, then what it won, both wrong, both right; largest change first."""
    order: tuple[Change, ...] = ("lost", "won", "both wrong", "both right")
    after = {result.id: result for result in candidate.results}
    found = [
        Difference(_change(old, after[old.id]), item, old, after[old.id])
        for item, old in zip(base.items, base.results, strict=True)
    ]
    return sorted(found, key=lambda one: (order.index(one.change), -abs(_right(one.base) - _right(one.candidate))))


def _right(result: ItemResult) -> float:
    return result.scores.get("right", -result.scores.get("bits_per_byte", 0.0))


def _change(base: ItemResult, candidate: ItemResult) -> Change:
    before, after = _right(base), _right(candidate)
    if before != after:
        return "lost" if after < before else "won"
    return "both right" if after == 1 else "both wrong"


def markdown(base: Evaluation, candidate: Evaluation, verdict: Verdict | None = None, most: int = 100) -> str:
    """A page: the verdict, the figures, and the items that changed or that both got wrong.

    Args:
        base: of the model as it is.
        candidate: of the one that would replace it, on the same items.
        verdict: the gate's, if it has spoken.
        most: how many items of each kind are shown; how many more there are is said.
    """
    name = candidate.adapter or "the candidate"
    lines = [f"# {name} against {base.adapter or 'the bare model'}", "", f"Model: {_code(candidate.model)}", ""]
    if verdict is not None:
        lines += [*_verdict(verdict), ""]
    both = (base, candidate)
    lines += ["## Figures", "", _line(_head(both)), _line("---" for _ in _head(both))]
    lines += [_line(cells) for cells in _cells(both)]
    found = differences(base, candidate)
    for change in ("lost", "won", "both wrong"):
        own = [one for one in found if one.change == change]
        lines += ["", f"## {change.capitalize()}: {len(own)}"]
        for one in own[:most]:
            lines += ["", *_difference(one)]
        if len(own) > most:
            lines += ["", f"… and {len(own) - most} more, which are in the results."]
    return "\n".join(lines) + "\n"


def _verdict(verdict: Verdict) -> Iterator[str]:
    yield f"**{'Promoted' if verdict.promoted else 'Refused'}.**"
    yield ""
    for reason in verdict.reasons:
        yield f"- {_plain(str(reason))}"
    if verdict.lineage:
        yield ""
        yield from (f"- {_plain(key)}: {_code(str(value))}" for key, value in verdict.lineage.items())
    yield ""
    head = ("", "base", "candidate", "change", "at worst", "limit", "n")
    yield _line(head)
    yield _line("---" for _ in head)
    for comparison in (*filter(None, [verdict.primary]), *verdict.guards):
        yield _line(_comparison(comparison, is_primary=comparison is verdict.primary))


def _comparison(one: Comparison, *, is_primary: bool) -> tuple[str, ...]:
    ratio = one.guard.most_ratio
    change = f"{one.change.value:+.3f} ({one.change.low:+.3f} to {one.change.high:+.3f})"
    if ratio:
        change = f"× {one.change.value:.2f} ({one.change.low:.2f} to {one.change.high:.2f})"
    limit = "above 0" if is_primary else f"× {ratio:g}" if ratio else f"{-one.guard.margin:+g}"
    worst = f"{one.change.low:+.3f}" if is_primary else f"× {one.worst:.2f}" if ratio else f"{one.worst:+.3f}"
    return (_plain(one.guard.name), f"{one.before:.3f}", f"{one.after:.3f}", change, worst, limit, str(one.count))


def _difference(one: Difference) -> Iterator[str]:
    yield f"### {_plain(one.item.id)} ({_plain(one.item.suite)})"
    yield ""
    for message in one.item.messages:
        yield from _quoted(message["role"], str(message.get("content") or ""))
        for number, passage in enumerate(message.get("passages", ()), 1):
            yield from _quoted(f"passage {number}", str(passage))
    if one.item.tools:
        names = ", ".join(str(tool["function"]["name"]) for tool in one.item.tools)
        yield from _quoted("tools", names)
    yield from _quoted("expected", json.dumps(one.item.expected, ensure_ascii=False))
    yield from _quoted("base", _reply(one.base))
    yield from _quoted("candidate", _reply(one.candidate))


def _reply(result: ItemResult) -> str:
    if result.error:
        return f"failed: {result.error}"
    calls = [f"{call['name']} {json.dumps(call['arguments'], ensure_ascii=False)}" for call in result.calls]
    return "\n".join([*calls, *filter(None, [result.output])]) or "none"


def _quoted(label: str, text: str) -> Iterator[str]:
    """A list entry; what others wrote stands in code, so that it cannot become markup of the page."""
    shown = text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]} … ({len(text)} characters)"
    yield f"- {label}: {_code(' ⏎ '.join(shown.splitlines()))}"


def _code(text: str) -> str:
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    fence = "`" * (longest + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def _plain(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
