"""How far the reading of documents is, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from agent.cli.progress import share_done, status_line
from agent.errors import EmbedderMismatch
from agent.phrasing import counted
from ui.app_desk import show_error
from ui.documents_html import failures_html, report_text
from ui.ingesting import IngestJob
from ui.labels import label_of

if TYPE_CHECKING:
    from knowledge.schema import IngestProgress
    from ui.library import Library

PICTURE = 0.5  # seconds between two pictures of how far it is
_PHASES = {"fetching": "Fetching", "scanning": "Looking for documents", "working": "Reading", "saving": "Saving"}


def draw(library: Library, collection: str) -> None:
    """What is being done to a collection, or what came of it, until that is put away."""
    job = library.jobs.latest(library.within(collection))
    if job is None:
        return
    with st.container(border=True, key="documents-job"):
        st.markdown(f"**{label_of(job.title)}**")
        if job.finished:
            _outcome(library, collection, job)
        else:
            _watch(job)


@st.fragment(run_every=PICTURE)
def _watch(job: IngestJob) -> None:
    if job.finished:
        st.rerun()
    done, text = told(job.progress)
    st.progress(done, text=label_of("Stopping" if job.stopping else text, 160))
    st.button("Stop", key="documents-stop", on_click=job.stop, disabled=job.stopping, icon=":material/stop_circle:")


def told(step: IngestProgress) -> tuple[float, str]:
    """How far it is: the part that is done, in [0, 1], and a line about it."""
    done, total = share_done(step)
    words = (_PHASES.get(step.phase, step.phase), status_line(step))
    return min(1.0, done / total) if total else 0.0, " · ".join(filter(None, words))


def _outcome(library: Library, collection: str, job: IngestJob) -> None:
    failures = (*job.failures, *(job.report.failed if job.report else ()))
    if job.error is not None:
        show_error(job.error)
    elif job.report is None:
        st.warning("Nothing was added.", icon=":material/warning:")
    else:
        st.success(report_text(job.report), icon=":material/check_circle:")
    if failures:
        st.html(failures_html(failures))
    if job.report is not None and job.report.missing:
        st.info(
            f"{counted(len(job.report.missing), 'folder')} added before cannot be found now, such as "
            f"{label_of(job.report.missing[0], 200)}. What was read from there is kept."
        )
    if isinstance(job.error, EmbedderMismatch):
        st.caption("Here, that is done with Embed anew, below under Upkeep.")
    st.button("Close", key="documents-close", on_click=library.jobs.dismiss, args=(library.within(collection),))
