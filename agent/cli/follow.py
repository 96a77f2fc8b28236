"""`ratchet ingest --watch`: the index follows the folders until Ctrl-C; one line for each change."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.errors import IngestInterrupted, RatchetError, SourceMissing

if TYPE_CHECKING:
    from rich.text import Text

    from agent.config import Settings
    from knowledge.schema import IngestReport

_SECONDS_BETWEEN_ATTEMPTS = 10.0
Once = Callable[[Sequence[Path]], "IngestReport"]


def follow(settings: Settings, paths: Sequence[Path], *, retry: bool, as_json: bool) -> None:
    """Ingest now and whenever something changes. Errors are shown and do not end it.

    A folder that goes away is told once and waited for, while the others are followed.

    Raises:
        SourceMissing, ConfigError, EmbedderError: it cannot even begin.
    """
    from agent.cli.output import counted, err, foreign
    from agent.cli.progress import progress_bar
    from agent.documents import add, file_endings, followed, open_embeddings
    from knowledge.watch import changes

    with closing(open_embeddings(settings)) as embeddings:

        def once(present: Sequence[Path], retry: bool = False) -> IngestReport:
            with progress_bar() as on_progress:
                return add(settings, embeddings, present, retry=retry, on_progress=on_progress)

        try:
            following = _Following(paths, once, once(paths, retry), as_json)
            roots = followed(settings, paths)
            err().print(foreign(f"Following {counted(len(roots), 'place')}; Ctrl-C ends it.", "dim"))
            stop = threading.Event()
            for _ in changes(roots, file_endings(settings), stop):
                following.catch_up(stop)
        except IngestInterrupted as interrupted:
            err().print(foreign(f"· {interrupted.kept}", "yellow"))
        except KeyboardInterrupt:
            pass
    err().print(foreign("· No longer following.", "yellow"))


class _Following:
    """What has been told so far.

    Args:
        paths: named by the user; none stands for everything ingested before.
        once: ingests paths that are there.
        first: what the first ingest did; it is told here.
        as_json: print reports as JSON.
    """

    def __init__(self, paths: Sequence[Path], once: Once, first: IngestReport, as_json: bool) -> None:
        self._paths = paths
        self._once = once
        self._last = first
        self._as_json = as_json
        _print_first(first, as_json)

    def catch_up(self, stop: threading.Event) -> None:
        """One round; again after a while when the index is busy or the disk is full, told once."""
        from agent.cli.output import print_error

        told = ""
        while True:
            try:
                self._tell(self._ingested())
                return
            except SourceMissing:  # it went in this very moment; the next look tells
                continue
            except RatchetError as error:
                if str(error) != told:
                    print_error(error.what, error.kept, error.fix)
                    told = str(error)
            if stop.wait(_SECONDS_BETWEEN_ATTEMPTS):
                return

    def _ingested(self) -> IngestReport:
        """What is there, brought up to date; the report names what is not."""
        present = [path for path in self._paths if path.exists()]
        away = [os.path.abspath(path) for path in self._paths if path not in present]
        if self._paths and not present:
            report = replace(
                self._last, added=0, updated=0, unchanged=0, removed=0, moved=0, failed=(), embedded=0, missing=()
            )
        else:
            report = self._once(present)
        return replace(report, missing=tuple(dict.fromkeys((*report.missing, *away))))

    def _tell(self, report: IngestReport) -> None:
        from agent.cli.ingest import changed, print_failed, summary
        from agent.cli.output import foreign, out

        before, self._last = self._last, report
        if self._as_json:
            if changed(report) or set(report.missing) != set(before.missing):
                print(json.dumps(report.to_json()), flush=True)
            return
        _print_comings_and_goings(before.missing, report.missing)
        if changed(report):
            out().print(_now() + foreign("✓ ", "green") + foreign(summary(report, quiet=True)))
            print_failed(report)


def _print_first(report: IngestReport, as_json: bool) -> None:
    from agent.cli.ingest import print_report

    if as_json:
        print(json.dumps(report.to_json()), flush=True)
    else:
        print_report(report)


def _print_comings_and_goings(before: Sequence[str], now: Sequence[str]) -> None:
    """A line for each folder that has gone away since the last round, or come back."""
    from agent.cli.ingest import print_missing
    from agent.cli.output import foreign, out, shown_path

    earlier, later = frozenset(before), frozenset(now)
    print_missing([root for root in now if root not in earlier], _now())
    for root in before:
        if root not in later:
            out().print(_now() + foreign(f"· {shown_path(root)} is back.", "green"))


def _now() -> Text:
    from agent.cli.output import foreign

    return foreign(time.strftime("%H:%M:%S "), "dim")
