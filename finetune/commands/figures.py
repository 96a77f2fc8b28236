"""A verdict as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.cli.output import foreign

if TYPE_CHECKING:
    from rich.table import Table


def table_of(verdict: Mapping[str, Any]) -> Table:
    """What had to be better and what had to hold, before and after; of `Verdict.to_json()`."""
    from rich.table import Table

    title = f"{verdict['candidate'] or 'the candidate'} against {verdict['base'] or 'the bare model'}"
    table = Table(title=foreign(title))
    for column in ("", "before", "after", "change", "limit", "items"):
        table.add_column(column, justify="left" if not column else "right")
    for number, one in enumerate([verdict["primary"], *verdict["guards"]]):
        if one is not None:
            table.add_row(*map(foreign, _row(one, is_primary=number == 0)), style="bold" if number == 0 else "")
    return table


def _row(one: Mapping[str, Any], *, is_primary: bool) -> tuple[str, ...]:
    from finetune.evaluation.metrics import METRICS

    guard, change = one["guard"], one["change"]
    name = METRICS[guard["metric"]].title + (f" ({guard['suite']})" if guard["suite"] else "")
    if guard["most_ratio"]:
        told, limit = f"× {change['value']:.2f}", f"at most × {guard['most_ratio']:g}"
    else:
        told = f"{change['value']:+.3f} ({change['low']:+.3f} to {change['high']:+.3f})"
        limit = "above 0" if is_primary else f"above {-guard['margin']:+g}"
    return name, f"{one['before']:.3f}", f"{one['after']:.3f}", told, limit, str(one["count"])
