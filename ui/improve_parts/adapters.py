"""Every adapter, where it comes from, and what was served when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from ui import improvement
from ui.app_desk import errors_shown, show_outcome
from ui.escape import escaped
from ui.improve_parts import deciding
from ui.markdown import to_html
from ui.tables import table_html

if TYPE_CHECKING:
    from agent.config import Settings
    from ui.desk import Desk
    from ui.improvement_views import Adapter

_MARKS = {"served": "● served", "passed": "✓ passed the gate", "refused": "✗ refused", "not judged": "? not judged"}
_ACTIONS = {"promote": "served", "roll_back": "went back", "remove": "deleted"}


def draw(desk: Desk) -> None:
    """Draw the section."""
    settings = desk.settings
    found = improvement.adapters(settings)
    if not found:
        show_outcome(deciding.SAID)
        st.info("No adapters yet. A run makes one from your feedback, and keeps it here with where it came from.")
        return
    st.write("Each adapter stands below the one it was trained from. None of them ever changes.")
    st.html(lineage_html(found))
    newest = sorted(found, key=lambda one: one.made, reverse=True)
    name = st.selectbox("Adapter", [one.name for one in newest], key="adapter_of")
    with errors_shown():
        deciding.draw(settings, name)
        _details(settings, next(one for one in found if one.name == name))
    _history(settings)


def lineage_html(found: list[Adapter]) -> str:
    """The adapters as nested lists: children inside the item of their parent."""
    branch, _ = _branch(found, 0, 0)
    return f'<div class="r" role="group" aria-label="Lineage of the adapters">{branch}</div>'


def _branch(found: list[Adapter], at: int, depth: int) -> tuple[str, int]:
    """The list that begins at a place, and the place behind it."""
    items = []
    while at < len(found) and found[at].depth == depth:
        one = found[at]
        about = f"{_MARKS.get(one.standing, one.standing)} · {one.recipe} · {one.made[:16].replace('T', ' ')} UTC"
        item = f"<strong>{escaped(one.name)}</strong> <small>{escaped(about)}</small>"
        at += 1
        if at < len(found) and found[at].depth > depth:
            below, at = _branch(found, at, depth + 1)
            item += below
        items.append(f"<li>{item}</li>")
    return f"<ul>{''.join(items)}</ul>", at


def _details(settings: Settings, one: Adapter) -> None:
    facts = [
        ("Trained from", one.parent or "the model itself"),
        ("Base model", one.base),
        ("Recipe", one.recipe),
        ("Learned from (SHA-256)", one.dataset or "not known"),
        ("Seed", "" if one.seed is None else str(one.seed)),
        *((f"Figure: {name}", f"{value:g}") for name, value in one.metrics.items()),
    ]
    st.html(table_html(f"Facts about {one.name}", ("Fact", "Value"), [row for row in facts if row[1]]))
    with st.expander("Its card and options"):
        st.html(to_html(improvement.card(settings, one.name)))


def _history(settings: Settings) -> None:
    events = improvement.history(settings)
    if not events:
        return
    with st.expander("What was served when"):
        rows = [_event(event) for event in events]
        st.html(table_html("What was served when", ("When (UTC)", "What", "Adapter", "Before", "Why"), rows))


def _event(event: dict[str, Any]) -> tuple[str, ...]:
    what = _ACTIONS.get(str(event["action"]), str(event["action"]))
    if event.get("forced"):
        what += " against the verdict"
    when = str(event["at"])[:16].replace("T", " ")
    return when, what, str(event["name"] or "no adapter"), str(event["before"] or "–"), str(event.get("reason", ""))
