"""The gate's verdict: what changed and how surely, both models' answers, and the decision."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import streamlit as st

from ui import improvement
from ui.app_desk import errors_shown
from ui.charts import draw as draw_plot
from ui.charts import interval_plot
from ui.escape import escaped
from ui.improve_parts import deciding
from ui.page_controls import page_of
from ui.tables import folded_html, labelled_html, table_html

if TYPE_CHECKING:
    from agent.config import Settings
    from ui.desk import Desk
    from ui.improvement_views import AnswerPair, Line, VerdictView

PER_PAGE = 5
_KINDS = {"share": "Shares of right answers and the like", "bits": "Likelihood", "ratio": "Length and time"}
_CHANGES = {"lost": "Lost", "won": "Won", "both wrong": "Both wrong", "both right": "Both right"}


def draw(desk: Desk) -> None:
    """Draw the section."""
    settings = desk.settings
    names = [run.name for run in improvement.runs(settings) if run.judged]
    if not names:
        st.info(
            "No verdict yet. A run ends with one: both models answer the same questions, yours among them, and the "
            "new one must be better at yours beyond chance and nowhere worse beyond a margin."
        )
        return
    if st.session_state.get("verdict_of") not in names:
        st.session_state["verdict_of"] = names[0]
    name = st.selectbox("Adapter", names, key="verdict_of")
    with errors_shown():
        found = improvement.verdict(settings, name)
        if found is None:
            st.info(f"The adapter {name} is no longer in the store, or it changed since it was judged.")
            return
        _draw_verdict(found)
        deciding.draw(settings, name)
        _answers(settings, name, found)


def _draw_verdict(found: VerdictView) -> None:
    against = f"{found.candidate} against {found.base or 'the model without an adapter'}"
    if found.promoted:
        st.success(f"{against}: passed. It is better where it had to be, and nowhere worse.")
    else:
        st.error(f"{against}: refused. What is served stays.")
    if found.reasons:
        items = "".join(f"<li>{escaped(reason)}</li>" for reason in found.reasons)
        st.html(f'<div class="r"><ul>{items}</ul></div>')
    st.write(
        "Each line below is a change with its interval: right is better. A mark is the limit that the interval must "
        "stay beyond. ★ had to be better; the others must not be worse."
    )
    for kind, title in _KINDS.items():
        lines = [line for line in found.lines if line.kind == kind]
        if lines:
            st.markdown(f"**{title}**" + (" (left is better)" if kind == "ratio" else ""))
            draw_plot(interval_plot(lines), caption=False)
    with st.expander("The same as a table"):
        head = ("Metric", "Before", "After", "Change", "Interval", "Limit", "Items", "Verdict")
        st.html(table_html("The gate's figures", head, [_row(line) for line in found.lines]))


def _row(line: Line) -> tuple[str, ...]:
    value, low, high = line.change
    if line.kind == "ratio":
        change, interval, limit = f"× {value:.2f}", f"{low:.2f} to {high:.2f}", f"at most × {line.limit:g}"
    else:
        change, interval = f"{value:+.3f}", f"{low:+.3f} to {high:+.3f}"
        limit = "above 0" if line.primary else f"above {line.limit:+g}"
    verdict = "holds" if line.holds else "speaks against it"
    figures = (f"{line.before:.3f}", f"{line.after:.3f}", change, interval, limit, f"{line.count:,}", verdict)
    return (f"{line.title} ★" if line.primary else line.title, *figures)


def _answers(settings: Settings, name: str, found: VerdictView) -> None:
    st.subheader("The answers side by side")
    pairs = improvement.answers(settings, name)
    counts = Counter(one.change for one in pairs)
    suites = list(dict.fromkeys(one.suite for one in pairs))
    columns = st.columns(2)
    kinds = sorted(_CHANGES, key=lambda one: not counts[one])  # what there is none of comes last
    change = columns[0].selectbox("What changed", kinds, format_func=lambda one: f"{_CHANGES[one]} ({counts[one]:,})")
    suite = columns[1].selectbox("Kind of question", ["", *suites], format_func=lambda one: one or "all")
    own = [one for one in pairs if one.change == change and suite in ("", one.suite)]
    if not own:
        st.caption("None of this kind.")
        return
    for one in page_of(own, PER_PAGE, f"answers-{name}-{change}-{suite}"):
        with st.container(border=True):
            _draw_pair(one, found)


def _draw_pair(one: AnswerPair, found: VerdictView) -> None:
    st.html(labelled_html(f"Question ({one.suite})", one.question))
    if one.passages:
        st.html(folded_html(f"{len(one.passages)} shown with it", one.passages))
    st.html(labelled_html("Wanted", one.wanted))
    before, after = st.columns(2)
    with before:
        st.html(labelled_html(f"Before ({found.base or 'no adapter'})", one.before))
    with after:
        st.html(labelled_html(f"After ({found.candidate})", one.after))
