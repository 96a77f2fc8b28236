"""What goes on in a conversation beside its answers: files being read, two answers to choose from.

It is kept by the server, so that a reloaded page and other tabs find it where it is.
"""

from __future__ import annotations

import html
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import streamlit as st

from ui.ingesting import IngestJob, OnProgress, Outcome
from ui.labels import shortened
from ui.uploads import FOLDER, plain_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knowledge.schema import SearchFilter
    from ui.chat_parts.comparing import Comparison
    from ui.desk import Desk

PICTURE = 0.25  # seconds between two pictures of how far it is


class Upload(IngestJob):
    """Files into the collection; then the question that came with them (may be empty), looking into these alone."""

    over = False  # its outcome is looked at, and put away

    def __init__(self, desk: Desk, thread_id: str, question: str, files: Sequence[tuple[str, bytes]]) -> None:
        self.question = question
        names = [name for name, _ in files]

        def work(report: OnProgress) -> Outcome:
            read = desk.add_files(files, report)
            if question:
                desk.ask(thread_id, question, _only(names))
            return read, ()

        super().__init__(f"Reading {shortened(', '.join(names), 120)}", work)

    def status_html(self) -> str:
        """Which file is read, and how many passages are done."""
        done = self.progress
        far = f": {done.passages} of {done.passages_total} passages" if done.passages_total else " …"
        said = "Stopping …" if self.stopping else self.title + far
        return f'<p class="w-status" role="status">{html.escape(said)}</p>'

    def said_html(self) -> str:
        """What became of the files."""
        report = self.report
        if report is None:
            return ""
        counts = {"added": report.added, "updated": report.updated, "already known": report.unchanged + report.moved}
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "nothing new"
        failed = "".join(
            f"<li>{html.escape(failure.source.rsplit('/', 1)[-1])}: {html.escape(failure.reason)}</li>"
            for failure in report.failed
        )
        lines = f"<p>Files: {said}. The collection has {report.passages} passages.</p>"
        return f'<div class="w-note" role="status">{lines}{f"<ul>{failed}</ul>" if failed else ""}</div>'


Job: TypeAlias = "Upload | Comparison"


def _only(names: Sequence[str]) -> SearchFilter:
    """Look into uploads of these names alone."""
    from knowledge.schema import SearchFilter

    kept = [Path(plain_name(name)) for name in names]
    return SearchFilter(paths=tuple(f"*/{FOLDER}/{escape(name.stem)}*{escape(name.suffix)}" for name in kept))


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[str, Job]:
    """What each conversation has beside its answers, for all tabs."""
    return {}


def keep(thread_id: str, job: Job) -> None:
    """Keep a job with its conversation until it is put away."""
    _jobs()[thread_id] = job


def of(thread_id: str) -> Job | None:
    """The job of a conversation, in progress or to be looked at."""
    job = _jobs().get(thread_id)
    if job is not None and job.over:
        put_away(thread_id)
        return None
    return job


def put_away(thread_id: str) -> None:
    """Forget a job that has been looked at."""
    _jobs().pop(thread_id, None)


def follow(upload: Upload) -> None:
    """Show how far the reading of files is until it has ended, then draw the page anew."""
    place = st.empty()
    while True:
        place.html(upload.status_html())
        if upload.join(PICTURE):
            break
    st.rerun()
