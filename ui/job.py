"""A command of Ratchet in a process of its own, which outlives the page, the tab and the server that started it.

home/jobs/NAME/process.json    which process it is
               out.json        what it printed at its end
               log.txt         what it told on its way
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from agent.adapters import write_json
from agent.errors import RatchetError, StorageError

_PROCESS, _OUT, _LOG = "process.json", "out.json", "log.txt"
_LOG_BYTES = 16_384  # of the end of a log that are read
_CLOCK = 2.0  # seconds by which two readings of when a process began may differ


class Job:
    """What runs, or ran last, under a name; any process of the same user sees the same.

    Args:
        home: `settings.home`, which the command is given, too.
        name: of its folder below `home/jobs`.
    """

    def __init__(self, home: Path, name: str) -> None:
        self.home = home
        self.folder = home / "jobs" / name

    def start(self, words: Sequence[str]) -> None:
        """Run `ratchet WORDS`, which should include `--json`.

        Raises:
            RatchetError: it is under way already.
            StorageError: the folder cannot be written.
        """
        with self._alone():
            if self.running:
                raise RatchetError(
                    "This is under way already.", kept="It goes on undisturbed.", fix="Wait for it, or stop it first."
                )
            command = [sys.executable, "-m", "agent.cli", "--home", str(self.home), *words]
            with (self.folder / _OUT).open("wb") as out, (self.folder / _LOG).open("wb") as log:
                # A session of its own: Ctrl-C in the server's terminal is not meant for it.
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, start_new_session=True
                )
            write_json(self.folder / _PROCESS, {"pid": process.pid, "began": _began(process.pid), "words": list(words)})
        threading.Thread(target=process.wait, name="ratchet-job", daemon=True).start()  # so that it leaves no zombie

    def stop(self) -> None:
        """Ask it to end: what it has done stays on the disk. Nothing where it does not run, or was asked before.

        Asked a second time, a run would end at once, without the checkpoint that it is writing.
        """
        import psutil

        if self.running and not self.stopping:
            facts = self._facts()
            with suppress(OSError):
                write_json(self.folder / _PROCESS, {**facts, "stopped": True})
            with suppress(psutil.NoSuchProcess):  # it came to its end by itself
                psutil.Process(int(facts["pid"])).terminate()

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        import psutil

        facts = self._facts()
        try:
            process = psutil.Process(int(facts["pid"]))
            same = abs(process.create_time() - float(facts["began"])) < _CLOCK  # not another that took its number
            return same and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, KeyError, TypeError, ValueError):
            return False

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end and has not ended yet."""
        return bool(self._facts().get("stopped")) and self.running

    @property
    def words(self) -> tuple[str, ...]:
        """What it was started with; none where nothing was ever started."""
        return tuple(map(str, self._facts().get("words", ())))

    def log(self, most: int = 12) -> list[str]:
        """The last lines that it told, oldest first."""
        try:
            with (self.folder / _LOG).open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - _LOG_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return [line.rstrip() for line in text.splitlines() if line.strip()][-most:]

    def outcome(self) -> dict[str, Any] | None:
        """What it printed at its end; None while it runs, and where it was stopped before it printed anything.

        Raises:
            RatchetError: it failed, and this is why; or it ended without a word.
        """
        if self.running:
            return None
        try:
            found = json.loads((self.folder / _OUT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict):
            facts = self._facts()
            if facts.get("words") and not facts.get("stopped"):
                raise self._broken()
            return None
        error = found.get("error")
        if isinstance(error, dict):
            told = {name: str(error.get(name, "")) for name in ("what", "kept", "fix")}
            raise RatchetError(told["what"], kept=told["kept"], fix=told["fix"])
        return found

    def _broken(self) -> RatchetError:
        last = "".join(f" The last that it told: {line.strip()}" for line in self.log(1))
        return RatchetError(
            f"It ended before it was done.{last}",
            kept="What it had finished is kept.",
            fix="Start it again; it may have run out of memory, or the computer was switched off.",
        )

    def forget(self) -> None:
        """Put away what the last one told, unless it still runs."""
        if not self.running:
            for name in (_PROCESS, _OUT, _LOG):
                (self.folder / name).unlink(missing_ok=True)

    def _facts(self) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / _PROCESS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        from filelock import FileLock

        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # logs quote conversations
            with FileLock(self.folder / ".lock"):
                yield
        except OSError as error:
            raise StorageError(
                f"{self.folder} cannot be written: {(error.strerror or str(error)).lower()}.",
                kept="Nothing was started.",
                fix="Free some space, or set `home` to a folder you may write to.",
            ) from error


def _began(pid: int) -> float:
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0  # it has ended already
