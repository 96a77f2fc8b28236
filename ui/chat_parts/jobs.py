"""Work of a conversation that takes longer than a click: files being read, two answers being written.

It runs on a thread of its own and is kept by the server, so that a reloaded page finds it where it is.
"""

from __future__ import annotations

import html
import threading
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from agent.errors import RatchetError
from ui.labels import shortened
from ui.uploads import FOLDER, plain_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.blind import BlindPair
    from knowledge.schema import IngestProgress, IngestReport, SearchFilter
    from ui.desk import Desk

PICTURE = 0.25  # seconds between two pictures of how far it is


class Job:
    """Work on a thread of its own; `error` says why it failed, once `finished`."""

    def __init__(self, desk: Desk, thread_id: str, question: str) -> None:
        self.desk = desk
        self.thread_id = thread_id
        self.question = question
        self.error: RatchetError | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin; returns at once."""
        threading.Thread(target=self._run, name="ratchet-job", daemon=True).start()

    def _run(self) -> None:
        try:
            self.work()
        except RatchetError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - it is shown, and the page goes on
            self.error = RatchetError(f"That failed: {error!r}", fix="Try it again.")
        finally:
            self._ended.set()

    def work(self) -> None:
        """What is to be done."""
        raise NotImplementedError

    def status_html(self) -> str:
        """How far it is, in a line."""
        raise NotImplementedError

    @property
    def finished(self) -> bool:
        """Whether it has ended, well or not."""
        return self._ended.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended, at most so long; whether it has."""
        return self._ended.wait(seconds)


class Upload(Job):
    """Files into the collection; then the question that came with them, looking into these files alone."""

    def __init__(self, desk: Desk, thread_id: str, question: str, files: Sequence[tuple[str, bytes]]) -> None:
        super().__init__(desk, thread_id, question)
        self.files = files
        self.progress: IngestProgress | None = None
        self.report: IngestReport | None = None

    def work(self) -> None:
        """Keep and read the files, then ask."""
        self.report = self.desk.add_files(self.files, self._note)
        if self.question:
            self.desk.ask(self.thread_id, self.question, self._scope())

    def _note(self, progress: IngestProgress) -> None:
        self.progress = progress

    def _scope(self) -> SearchFilter:
        from knowledge.schema import SearchFilter

        names = [Path(plain_name(name)) for name, _ in self.files]
        return SearchFilter(paths=tuple(f"*/{FOLDER}/{escape(name.stem)}*{escape(name.suffix)}" for name in names))

    def status_html(self) -> str:
        """Which file is read, and how many passages are done."""
        names = shortened(", ".join(name for name, _ in self.files), 120)
        done = self.progress
        far = f": {done.passages} of {done.passages_total} passages" if done and done.passages_total else " …"
        return f'<p class="w-status" role="status">Reading {html.escape(names)}{far}</p>'

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


class Comparison(Job):
    """Two adapters answer one question; which is which is not said before the choice.

    The turn that is recorded beside them would give one of them away, so it is not shown before the choice either:
    `turns_before` says how many turns the conversation had.
    """

    def __init__(self, desk: Desk, thread_id: str, question: str, adapters: tuple[str, str]) -> None:
        super().__init__(desk, thread_id, question)
        self.adapters = adapters
        self.pair: BlindPair | None = None
        self.turns_before = len(desk.turns(thread_id))

    def work(self) -> None:
        """Let both answer."""
        import secrets

        from agent.blind import compare

        session = self.desk.session(self.thread_id)
        self.pair = compare(session, self.question, self.adapters, seed=secrets.randbits(32))

    def status_html(self) -> str:
        """That both answer."""
        return '<p class="w-status" role="status">Both answer your question, one after the other …</p>'


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[str, Job]:
    """The latest job of each conversation, for all tabs."""
    return {}


def begin(job: Job) -> None:
    """Start a job; it stays with its conversation until it is put away."""
    _jobs()[job.thread_id] = job
    job.start()


def of(thread_id: str) -> Job | None:
    """The job of a conversation, in progress or to be looked at."""
    return _jobs().get(thread_id)


def put_away(thread_id: str) -> None:
    """Forget a job that has been looked at."""
    _jobs().pop(thread_id, None)


def follow(job: Job) -> None:
    """Show how far a job is until it has ended, then draw the page anew."""
    place = st.empty()
    while True:
        place.html(job.status_html())
        if job.wait(PICTURE):
            break
    st.rerun()
