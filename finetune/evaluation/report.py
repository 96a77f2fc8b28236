"""An evaluation to read: tables, and what base and candidate said to the same items, side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from finetune.evaluation.evaluate import latency
from finetune.evaluation.items import Evaluation, EvaluationItem, ItemResult
from finetune.evaluation.metrics import METRICS, abstention, perplexity
from finetune.evaluation.statistics import Interval, holm, mean_interval, permutation_p, unseen, wilson
from finetune.evaluation.verdict import Comparison, Verdict

if TYPE_CHECKING:
    from rich.table import Table

Change = Literal["lost", "won", "both wrong", "both right"]
_MOST_CHARS = 600
_CONFIDENCE = 0.95
_DIFFERENCE_HEAD = ("suite", "metric", "difference (95 %)", "better / worse", "p", "p, Holm", "n")


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
        for metric in _metrics(evaluations, suite):
            scores = [list(one.scores(metric, suite).values()) for one in evaluations]
            found.append(Row(suite, metric, max(map(len, scores)), tuple(map(_interval, scores))))
    return found


def _metrics(evaluations: Sequence[Evaluation], suite: str) -> list[str]:
    return list(dict.fromkeys(name for one in evaluations for name in one.metrics(suite)))


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


@dataclass(frozen=True, slots=True)
class Totals:
    """What is of a whole evaluation, not of an item.

    Attributes:
        precision: of holding back, see `metrics.abstention`.
        recall: of the same.
        perplexity: of a token of the given texts; None where there are none.
        median: seconds a reply.
        p95: the 95th percentile of them.
        failed: how many replies are errors of the model.
    """

    precision: float
    recall: float
    perplexity: float | None
    median: float
    p95: float
    failed: int


def totals(evaluation: Evaluation) -> Totals:
    """What is of a whole evaluation."""
    failed = sum(bool(result.error) for result in evaluation.results)
    return Totals(*abstention(evaluation), perplexity(evaluation), *latency(evaluation), failed)


def _extras(evaluation: Evaluation) -> list[tuple[str, str]]:
    found = totals(evaluation)
    return [
        ("holding back: precision / recall", f"{100 * found.precision:.1f} % / {100 * found.recall:.1f} %"),
        ("perplexity of given text", "–" if found.perplexity is None else f"{found.perplexity:.2f}"),
        ("seconds a reply: median / 95th percentile", f"{found.median:.2f} / {found.p95:.2f}"),
        ("replies that failed", str(found.failed)),
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
    return _table(evaluations[0].model, _head(evaluations), _cells(evaluations))


def _table(title: str, head: Sequence[str], lines: Iterable[Sequence[str]]) -> Table:
    """For a terminal; what stands in the first column is not repeated."""
    from rich.table import Table

    from agent.cli.output import foreign

    shown = Table(title=foreign(title))
    for name in head:
        shown.add_column(foreign(name))
    last = ""
    for suite, *cells in lines:
        shown.add_row(*map(foreign, ("" if suite == last else suite, *cells)))
        last = suite
    return shown


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How a metric of a suite differs between two evaluations of the same items.

    Attributes:
        suite: of these items alone.
        metric: one of `METRICS`.
        count: items that have it in both.
        unpaired: items that have it, as a number, in one alone; they are left out.
        change: the mean of the later evaluation less that of the first, in the metric's own unit, and its 95 % interval
            by the paired bootstrap.
        better: how many items the later one is better at, whichever way the metric counts.
        worse: how many it is worse at.
        p: two-sided: how often labels dealt at random differ as much.
        p_adjusted: the same by Holm, for being looked at together with all other differences of the two.
    """

    suite: str
    metric: str
    count: int
    unpaired: int
    change: Interval
    better: int
    worse: int
    p: float
    p_adjusted: float = 1.0


def paired_differences(first: Evaluation, later: Evaluation) -> list[PairedDifference]:
    """Every metric of every suite, item by item; none of a metric that no item has in both."""
    pairs = [(suite, metric) for suite in first.suites for metric in _metrics((first, later), suite)]
    found = [one for suite, metric in pairs if (one := _paired(first, later, suite, metric))]
    adjusted = holm({f"{one.metric} of {one.suite}": one.p for one in found})
    return [replace(one, p_adjusted=adjusted[f"{one.metric} of {one.suite}"]) for one in found]


def _paired(first: Evaluation, later: Evaluation, suite: str, metric: str) -> PairedDifference | None:
    before, after = first.scores(metric, suite), later.scores(metric, suite)
    every = {name: after.get(name, math.nan) - before.get(name, math.nan) for name in {**before, **after}}
    changes = [change for change in every.values() if math.isfinite(change)]
    if not changes:
        return None
    up, down = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    better, worse = (up, down) if METRICS[metric].higher_is_better else (down, up)
    one_sided = min(permutation_p(changes), permutation_p([-change for change in changes]))
    interval = _change_interval(changes, bounded=METRICS[metric].bounded)
    unpaired = len(every) - len(changes)
    return PairedDifference(suite, metric, len(changes), unpaired, interval, better, worse, min(1.0, 2 * one_sided))


def _change_interval(changes: Sequence[float], *, bounded: bool) -> Interval:
    found = mean_interval(changes, _CONFIDENCE)
    if not bounded or len(set(changes)) > 1:
        return found
    # A bootstrap of items that all came out alike has no width, as if no other item could come out otherwise.
    reach = unseen(len(changes), _CONFIDENCE)
    return Interval(found.value, max(-1.0, found.value - reach), min(1.0, found.value + reach))


def _difference_cells(first: Evaluation, later: Evaluation) -> Iterator[tuple[str, ...]]:
    for one in paired_differences(first, later):
        count = f"{one.count} of {one.count + one.unpaired}" if one.unpaired else str(one.count)
        told = f"{one.better} / {one.worse}", f"{one.p:.3f}", f"{one.p_adjusted:.3f}", count
        yield one.suite, METRICS[one.metric].title, _change_cell(one), *told


def _change_cell(one: PairedDifference) -> str:
    if METRICS[one.metric].bounded:
        value, low, high = (100 * part for part in (one.change.value, one.change.low, one.change.high))
        return f"{value:+.1f} points ({low:+.0f} to {high:+.0f})"
    return f"{one.change.value:+.2f} ({one.change.low:+.2f} to {one.change.high:+.2f})"


def difference_table(first: Evaluation, later: Evaluation) -> Table:
    """The paired differences of one evaluation from another, for a terminal."""
    title = f"{later.adapter or 'base'} less {first.adapter or 'base'}, item by item"
    return _table(title, _DIFFERENCE_HEAD, _difference_cells(first, later))


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
    name, before = _plain(candidate.adapter or "the candidate"), _plain(base.adapter or "the bare model")
    lines = [f"# {name} against {before}", "", f"Model: {_code(candidate.model)}", ""]
    if verdict is not None:
        lines += [*_verdict(verdict), ""]
    both = (base, candidate)
    lines += ["## Figures", "", *_grid(_head(both), _cells(both)), ""]
    lines += ["## Differences", "", f"Each is {name}'s figure less {before}'s, item by item.", ""]
    lines += _grid(_DIFFERENCE_HEAD, _difference_cells(base, candidate))
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
    comparisons = (*filter(None, [verdict.primary]), *verdict.guards)
    yield from _grid(head, (_comparison(one, is_primary=one is verdict.primary) for one in comparisons))


def _comparison(one: Comparison, *, is_primary: bool) -> tuple[str, ...]:
    ratio = one.guard.most_ratio
    change = f"{one.change.value:+.3f} ({one.change.low:+.3f} to {one.change.high:+.3f})"
    if ratio:
        change = f"× {one.change.value:.2f} ({one.change.low:.2f} to {one.change.high:.2f})"
    limit = "above 0" if is_primary else f"× {ratio:g}" if ratio else f"{-one.guard.margin:+g}"
    worst = f"{one.change.low:+.3f}" if is_primary else f"× {one.worst:.2f}" if ratio else f"{one.worst:+.3f}"
    return (one.guard.name, f"{one.before:.3f}", f"{one.after:.3f}", change, worst, limit, str(one.count))


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


def _grid(head: Sequence[str], lines: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table of a page."""
    for cells in (head, ["---" for _ in head], *lines):
        yield f"| {' | '.join(map(_plain, cells))} |"
