"""Build a data set, and look at its examples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from agent.errors import RatchetError
from agent.phrasing import counted
from ui import improvement
from ui.app_desk import errors_shown, show_error
from ui.escape import escaped
from ui.improve_parts import sources
from ui.job import Job
from ui.markdown import to_html
from ui.page_controls import page_of
from ui.tables import folded_html, labelled_html

if TYPE_CHECKING:
    from agent.config import Settings
    from ui.desk import Desk
    from ui.improvement_views import ExampleView

PER_PAGE = 5
_PARTS = {"train": "Training", "dev": "Development", "test": "Held out"}
_ROLES = {"system": "Instruction", "user": "Question", "assistant": "Answer", "tool": "Result of a tool"}


def draw(desk: Desk) -> None:
    """Draw the section."""
    settings = desk.settings
    st.write(
        "A data set holds the examples that a model learns from: scrubbed of personal data, without duplicates, "
        "divided so that what is measured was never learned. A run builds its own; build one here to look first."
    )
    job = Job(settings.home, "dataset")
    if job.running:
        _watch(job)
    else:
        _outcome(job)
        with st.expander("Build a data set", expanded=not improvement.dataset_names(settings)):
            _form(settings, job)
    _browse(settings)


def _form(settings: Settings, job: Job) -> None:
    with st.form("dataset-form", border=False):
        name = st.text_input("Name", value=_free_name(settings))
        feedback = st.checkbox("Feedback from your conversations", value=True)
        chosen = sources.choose(settings, "dataset")
        build = st.form_submit_button("Build it", type="primary")
    if build:
        words = ["improve", "dataset", "build", name.strip(), "--json", "--records" if feedback else "--no-records"]
        words += [word for path in chosen.files for word in ("--file", path)]
        words += ["--documents", chosen.documents] if chosen.documents else []
        with errors_shown():
            improvement.check_dataset_name(settings, name.strip())
            job.start(words)
            st.rerun()


def _free_name(settings: Settings) -> str:
    taken = set(improvement.dataset_names(settings))
    return next(f"look-{number}" for number in range(1, len(taken) + 2) if f"look-{number}" not in taken)


@st.fragment(run_every=1.0)
def _watch(job: Job) -> None:
    if not job.running:
        st.rerun()
    st.status("Building the data set …", state="running")
    for line in job.log(3):
        st.text(line)
    st.button("Stop building", key="dataset-stop", on_click=job.stop, disabled=job.stopping)


def _outcome(job: Job) -> None:
    """What the last build came to, until it is put away."""
    if not job.words:
        return
    try:
        made = job.outcome()
    except RatchetError as error:
        show_error(error)
    else:
        if made is not None:
            st.session_state["dataset"] = job.words[3]
            job.forget()
            return
        st.warning("Building was stopped; nothing was left half written.")
    if st.button("Dismiss", key="dataset-dismiss"):
        job.forget()
        st.rerun()


def _browse(settings: Settings) -> None:
    names = improvement.dataset_names(settings)
    if not names:
        st.info("No data set yet. Build one above, or start a run: it keeps the one it learned from here.")
        return
    if st.session_state.get("dataset") not in names:
        st.session_state["dataset"] = names[0]
    name = st.selectbox("Data set", names, key="dataset")
    with errors_shown():
        found = improvement.dataset(settings, name)
        counts = " · ".join(f"{_PARTS[part].lower()} {found.examples.get(part, 0):,}" for part in improvement.PARTS)
        st.caption(f"{counts} · SHA-256 {found.digest[:12]}…")
        with st.expander("Its card: where the examples come from, what they teach, what was taken out"):
            st.html(to_html(found.card))
        _examples(settings, name, [part for part in improvement.PARTS if found.examples.get(part)])


def _examples(settings: Settings, name: str, parts: list[str]) -> None:
    if not parts:
        st.info("This data set is empty.")
        return
    columns = st.columns([1, 2])
    part = columns[0].selectbox("Part", parts, format_func=_PARTS.__getitem__, key=f"part-{name}")
    words = columns[1].text_input("Search in the examples", placeholder="words", key=f"search-{name}")
    found = improvement.examples(settings, name, part)
    wanted = words.casefold().split()
    kept = [one for one in found if all(word in one.text.casefold() for word in wanted)]
    st.caption(f"{len(kept):,} of {len(found):,} examples")
    for one in page_of(kept, PER_PAGE, f"page-{name}-{part}"):
        with st.container(border=True):
            _draw_example(one)


def _draw_example(one: ExampleView) -> None:
    said = "".join(_message_html(message) for message in one.messages)
    st.html(said)
    if one.rejected:
        st.html(labelled_html("Not to be said", one.rejected))
    about = [f"from {one.source}" if one.source else "", f"tools: {', '.join(one.tools)}" if one.tools else ""]
    if one.label is not None:
        about.append("wanted" if one.label else "not wanted")
    st.html(f'<div class="r"><small dir="auto">{escaped(" · ".join(filter(None, about)))}</small></div>')


def _message_html(message: Mapping[str, Any]) -> str:
    role = _ROLES.get(str(message["role"]), str(message["role"]))
    if message["role"] == "assistant" and not message.get("weight", 1):
        role += " (context, not learned)"
    made = message.get("tool_calls") or ()
    calls = [f"{call['name']} {json.dumps(call['arguments'], ensure_ascii=False)}" for call in made]
    text = "\n".join(filter(None, [*calls, str(message.get("content") or "")]))
    passages = [str(passage) for passage in message.get("passages") or ()]
    shown = folded_html(f"{counted(len(passages), 'passage')} shown with it", passages) if passages else ""
    return labelled_html(role, text or "(nothing)") + shown
