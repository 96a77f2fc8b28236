"""`ratchet ingest --watch`: the index follows the folders until Ctrl-C; one line for each change."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.errors import IngestInterrupted, RatchetError

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.schema import IngestReport

_SECONDS_BETWEEN_ATTEMPTS = 10.0


def follow(settings: Settings, paths: Sequence[Path], *, retry: bool, as_json: bool) -> None:
    """Ingest now and whenever something changes. Errors are shown and do not end it.

    Raises:
        SourceMissing, ConfigError, EmbedderError: it cannot even begin.
    """
    from agent.cli.output import counted, err, foreign
    from agent.cli.progress import progress_bar
    from agent.documents import add, file_endings, followed, open_embeddings
    from knowledge.watch import changes

    with closing(open_embeddings(settings)) as embeddings:

        def once(retry: bool = False) -> IngestReport:
            with progress_bar() as on_progress:
                return add(settings, embeddings, paths, retry=retry, on_progress=on_progress)

        try:
            _tell(once(retry), as_json, first=True)
            roots = followed(settings, paths)
            err().print(foreign(f"Following {counted(len(roots), 'place')}; Ctrl-C ends it.", "dim"))
            stop = threading.Event()
            for _ in changes(roots, file_endings(settings), stop):
                _until_done(once, stop, as_json)
        except IngestInterrupted as interrupted:
            err().print(foreign(f"· {interrupted.kept}", "yellow"))
        except KeyboardInterrupt:
            pass
    err().print(foreign("· No longer following.", "yellow"))


def _until_done(once: Callable[[], IngestReport], stop: threading.Event, as_json: bool) -> None:
    """One round; again after a while when the index is busy or the disk is full, told once."""
    from agent.cli.output import print_error

    told = ""
    while True:
        try:
            _tell(once(), as_json)
            return
        except RatchetError as error:
            if str(error) != told:
                print_error(error.what, error.kept, error.fix)
                told = str(error)
        if stop.wait(_SECONDS_BETWEEN_ATTEMPTS):
            return


def _tell(report: IngestReport, as_json: bool, *, first: bool = False) -> None:
    from agent.cli.ingest import changed, print_failed, print_report, summary
    from agent.cli.output import foreign, out

    if as_json:
        if first or changed(report):
            print(json.dumps(report.to_json()), flush=True)
    elif first:
        print_report(report)
    elif changed(report):
        now = time.strftime("%H:%M:%S")
        out().print(foreign(f"{now} ", "dim") + foreign("✓ ", "green") + foreign(summary(report, quiet=True)))
        print_failed(report)
