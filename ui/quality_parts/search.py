"""How well the search finds what it should, measured with questions whose answers are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from agent.errors import RatchetError
from ui import retrieval_quality as measured
from ui.app_desk import errors_shown, show_error
from ui.charts import draw as draw_plot
from ui.charts import trend_plot
from ui.job import Job
from ui.tables import folded_html, labelled_html, table_html

if TYPE_CHECKING:
    from agent.config import Settings
    from ui.desk import Desk

_TITLES = {"ndcg@10": "nDCG@10", "recall@10": "Recall@10", "mrr@10": "MRR@10"}
_HELP = {
    "ndcg@10": "How high the right places stand among the first ten; 1 is perfect.",
    "recall@10": "Share of the questions whose answer is among the first ten.",
    "mrr@10": "One over the rank of the first right place, on average.",
}


def draw(desk: Desk) -> None:
    """Draw the section."""
    settings = desk.settings
    st.header("Search")
    job = Job(settings.home, "retrieval")
    if job.running:
        _watch(job)
    else:
        _outcome(settings, job)
    found = measured.names(settings)
    if not found:
        st.info(
            "No questions yet. Let Ratchet propose some about your documents, or bring your own: a question and the "
            "file that answers it are enough. Each measurement is kept, so that you see whether the search gets better."
        )
    else:
        _measure(settings, job, found)
    with st.expander("Add questions", expanded=not found):
        _propose(settings, job)
        _upload(settings)


@st.fragment(run_every=1.0)
def _watch(job: Job) -> None:
    if not job.running:
        st.rerun()
    st.status("Writing questions …" if job.words[1] == "questions" else "Searching …", state="running")
    for line in job.log(2):
        st.text(line)
    st.button("Stop", key="retrieval-stop", on_click=job.stop, disabled=job.stopping)


def _outcome(settings: Settings, job: Job) -> None:
    """Keep what the last command measured, or show why it failed."""
    if not job.words:
        return
    try:
        found = job.outcome()
    except RatchetError as error:
        show_error(error)
    else:
        if found is not None:
            if job.words[1] == "eval":
                measured.keep(settings, job.words[2].rsplit("/", 1)[-1].removesuffix(".jsonl"), found)
            job.forget()
            return
        st.warning("It was stopped; nothing was measured.")
    if st.button("Dismiss", key="retrieval-dismiss"):
        job.forget()
        st.rerun()


def _measure(settings: Settings, job: Job, found: list[str]) -> None:
    name = st.selectbox("Questions", found, key="question_set")
    with errors_shown():
        asked = measured.questions(settings, name)
        st.caption(f"{len(asked):,} questions, asked of the collection {settings.knowledge.collection}.")
        with st.container(horizontal=True):
            if st.button("Measure the search", type="primary", disabled=job.running):
                job.start(measured.measure_words(settings, name))
                st.rerun()
            content = (measured.folder(settings) / f"{name}.jsonl").read_bytes()
            st.download_button("Download to edit", content, file_name=f"{name}.jsonl", mime="application/jsonl")
        with st.expander("The questions"):
            rows = [(one.question, one.place) for one in asked]
            st.html(table_html("Questions", ("Question", "Where the answer stands"), rows))
    results = measured.results(settings, name)
    if not results:
        st.info("Not measured yet.")
        return
    _latest(results[-1])
    if len(results) > 1:
        points = [
            {"period": one["at"], "series": _TITLES[metric], "value": one[metric]}
            for one in results
            for metric in measured.METRICS
        ]
        draw_plot(trend_plot(points, "score", "", top=1.0))
    with st.expander("All measurements"):
        st.html(
            table_html("Measurements", ("When (UTC)", "Questions", *_TITLES.values()), [_row(one) for one in results])
        )


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    figures = (f"{one[metric]:.3f}" for metric in measured.METRICS)
    return str(one["at"])[:16].replace("T", " "), f"{one.get('queries', 0):,}", *figures


def _latest(one: dict[str, Any]) -> None:
    st.subheader("The latest measurement")
    with st.container(horizontal=True):
        for metric, title in _TITLES.items():
            low, high = one.get("intervals", {}).get(metric, (0.0, 1.0))
            st.metric(title, f"{one[metric]:.3f}", help=f"{_HELP[metric]} 95 % interval: {low:.3f} to {high:.3f}.")
        took = one.get("milliseconds", {})
        if took:
            st.metric("Milliseconds a search", f"{took['p50']:.0f}", help=f"95 of 100 within {took['p95']:.0f}.")
    strangers = one.get("not_indexed") or []
    if strangers:
        st.warning(f"{len(strangers):,} files of the questions are not in this collection, and cannot be found.")
    misses = one.get("misses") or []
    if misses:
        with st.expander(f"What it missed ({len(misses)} worst)"):
            for miss in misses:
                _draw_miss(miss)


def _draw_miss(miss: dict[str, Any]) -> None:
    rank = f"first right place at rank {miss['rank']}" if miss.get("rank") else "no right place found"
    with st.container(border=True):
        st.html(labelled_html(rank, str(miss.get("query", ""))))
        st.html(labelled_html("Expected", ", ".join(map(str, miss.get("expected", ())))))
        found = [f"{one['source']} ({one['locator']})\n{one['text']}" for one in miss.get("found", ())[:3]]
        if found:
            st.html(folded_html("What it found instead", found))


def _propose(settings: Settings, job: Job) -> None:
    with st.form("propose-form", border=False):
        count = st.number_input("Questions about your documents", min_value=5, max_value=500, value=30, step=5)
        propose = st.form_submit_button("Propose questions", disabled=job.running)
    if propose:
        with errors_shown():
            name = measured.free_name(settings, settings.knowledge.collection)
            job.start(measured.propose_words(settings, name, int(count)))
            st.rerun()


def _upload(settings: Settings) -> None:
    upload = st.file_uploader("Or bring your own", type=["jsonl"], key="question_upload")
    if upload is not None and st.session_state.get("question_kept") != upload.file_id:
        with errors_shown():
            measured.add(settings, upload.name, upload.getvalue())
            st.session_state["question_kept"] = upload.file_id
            st.rerun()
