"""Tables of plain texts as HTML that screen readers can walk through; nothing in a cell is markup."""

from __future__ import annotations

from collections.abc import Sequence

from ui.escape import attribute, escaped


def table_html(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls inside its box where it is too wide.

    Args:
        title: what it shows, for those who hear it.
        head: names of the columns.
        rows: texts; the first of each names its row.
    """
    columns = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    body = "".join(_row(row) for row in rows)
    name = f'aria-label="{attribute(title)}"'
    opened = f'<div class="r-scroll" tabindex="0" role="group" {name}><table {name}>'
    return f'<div class="r r-md">{opened}<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div></div>'


def _row(cells: Sequence[str]) -> str:
    first = f'<th scope="row" dir="auto">{escaped(cells[0])}</th>'
    others = "".join(f'<td dir="auto">{escaped(cell)}</td>' for cell in cells[1:])
    return f"<tr>{first}{others}</tr>"


def labelled_html(label: str, text: str) -> str:
    """A text that others wrote below a label of ours, as it is."""
    return f'<div class="r"><strong>{escaped(label)}</strong>{_as_it_is(text)}</div>'


def folded_html(label: str, texts: Sequence[str]) -> str:
    """Texts that others wrote, folded below a label of ours."""
    shown = "".join(map(_as_it_is, texts))
    return f'<details class="r r-source"><summary>{escaped(label)}</summary>{shown}</details>'


def _as_it_is(text: str) -> str:
    return f'<div dir="auto" style="white-space: pre-wrap; overflow-wrap: anywhere">{escaped(text)}</div>'
