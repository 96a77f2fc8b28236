"""`ratchet ingest --watch` as a user runs it: the index follows what happens in the folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from agent.config import Settings
from agent.session import ChatSession
from tests.agent.scripted import ScriptedModel

LIMIT = 60


class Follower:
    """A process that follows a folder; its reports as they come."""

    def __init__(self, docs: Path, settings: Settings) -> None:
        environment = {**os.environ, "RATCHET_HOME": str(settings.home), "RATCHET_MODELS": str(settings.models_folder)}
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", "ingest", str(docs), "--watch", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._reports: Queue[dict[str, Any]] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._reports.put(json.loads(line))

    def next(self) -> dict[str, Any]:
        """The report of the next change."""
        return self._reports.get(timeout=LIMIT)

    def until(self, name: str) -> dict[str, Any]:
        """The first report, from now on, in which something was added, moved, updated or removed."""
        while not (report := self.next())[name]:
            pass
        return report

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; the exit code and what it said to people."""
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(LIMIT)
        assert self._process.stderr is not None
        told = self._process.stderr.read()
        self.close()
        return code, told

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "pump.md").write_text("# Pump\n\nRinse the filter of the pump every two weeks.\n")
    return docs


@pytest.fixture
def follower(docs: Path, settings: Settings) -> Iterator[Follower]:
    follower = Follower(docs, settings)
    yield follower
    follower.close()


def found(session: ChatSession, query: str) -> dict[str, str]:
    """File name and text of what a search gives."""
    return {Path(passage.source).name: passage.text for passage in session.search(query).passages}


def test_a_chat_sees_what_is_created_changed_moved_and_deleted(
    docs: Path, settings: Settings, follower: Follower
) -> None:
    assert follower.next()["added"] == 1
    with ChatSession(settings, model=ScriptedModel(script=[])) as session:
        assert "two weeks" in found(session, "rinse the filter")["pump.md"]

        (docs / "lamp.md").write_text("# Lamp\n\nThe lamp of the lighthouse is lit at dusk.\n")
        assert follower.until("added")["embedded"] == 1
        assert "dusk" in found(session, "lighthouse lamp")["lamp.md"]

        (docs / "pump.md").write_text("# Pump\n\nRinse the filter of the pump every three days.\n")
        follower.until("updated")
        assert "three days" in found(session, "rinse the filter")["pump.md"]

        (docs / "attic").mkdir()
        (docs / "lamp.md").rename(docs / "attic" / "old-lamp.md")
        assert follower.until("moved")["embedded"] == 0
        assert "lamp.md" not in found(session, "lighthouse lamp")
        assert "dusk" in found(session, "lighthouse lamp")["old-lamp.md"]

        (docs / "attic" / "old-lamp.md").unlink()
        follower.until("removed")
        assert "old-lamp.md" not in found(session, "lighthouse lamp")
    code, told = follower.interrupt()
    assert code == 0
    assert "No longer following" in told
    assert "Traceback" not in told


def test_a_bad_file_does_not_end_it(docs: Path, follower: Follower) -> None:
    follower.next()
    (docs / "image.txt").write_bytes(bytes(range(256)) * 8)
    assert len(follower.until("failed")["failed"]) == 1
    (docs / "image.txt").write_text("Text after all.\n")
    assert follower.until("added")["failing"] == 0
