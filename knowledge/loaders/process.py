"""The reader's end of a worker: start it, ask, await answers within the limits, end it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.errors import DocumentError
from knowledge.loaders import wire
from knowledge.loaders.extract import MB

# Requests under way together stay below what a pipe holds, so that writing one never waits for an answer.
_PIPE_BYTES = 12_000
_MESSAGES_AHEAD = 64
_LOOK_EVERY = 0.25  # seconds between looks at the worker's memory, where the system does not limit it
_EXIT_WITHIN = 5.0
_TIME = "Leave it out, split it, or raise the setting knowledge.read_seconds."
_MEMORY = "Leave it out, split it, or raise the setting knowledge.read_megabytes."


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one file may take.

    Attributes:
        seconds: time without a further part of the file, before it is given up.
        memory_bytes: memory of the worker.
    """

    seconds: float = 60.0
    memory_bytes: int = 1024 * MB

    @property
    def total_seconds(self) -> float:
        """Time for the whole file, both by the clock and of the processor: long ones have many parts."""
        return 20 * self.seconds


class WorkerEnded(DocumentError):
    """The worker was ended, or ended itself, before it had answered."""


class WorkerProcess:
    """One running worker. It is asked for files and answers in the same order.

    Attributes:
        asked: how many files it was asked for and has not answered.
        answered: how many it has answered.
    """

    def __init__(self, limits: Limits, loaders: Mapping[str, str]) -> None:
        self._limits = limits
        self.answered = 0
        self._ended = False
        self._sizes: deque[int] = deque()
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue(_MESSAGES_AHEAD)
        self._process = subprocess.Popen(
            # -S and -s: the module path comes from us, and running the site hooks would double the start-up time.
            [sys.executable, "-B", "-P", "-s", "-S", "-X", "utf8", "-m", "knowledge.loaders.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the reader's to handle
            env={"PYTHONPATH": _module_path()} if os.name == "posix" else {**os.environ, "PYTHONPATH": _module_path()},
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        settings = {"loaders": dict(loaders), "memory": limits.memory_bytes, "seconds": limits.total_seconds}
        self._send(settings)

    @property
    def asked(self) -> int:
        """How many files are under way."""
        return len(self._sizes)

    @property
    def usable(self) -> bool:
        """Whether a file may be asked for: it runs, or still owes answers that tell what ended it."""
        return bool(self._sizes) or self._process.poll() is None

    def ask(self, path: Path) -> bool:
        """Ask for a file, unless so much is under way that the request might have to wait."""
        size = 6 * len(str(path)) + 32
        if self._sizes and sum(self._sizes) + size > _PIPE_BYTES:
            return False
        self._sizes.append(size)
        self._send({"path": str(path)})
        return True

    def answer(self, name: str) -> Iterator[dict[str, Any]]:
        """The messages about the file asked for first: its parts, then one with "done" or "error".

        Raises:
            WorkerEnded: there is no whole answer, because of the named file.
        """
        began = time.monotonic()
        while True:
            message = self._next(name, began)
            last = "text" not in message
            if last:
                self._sizes.popleft()
                self.answered += 1
            yield message
            if last:
                return

    def end(self) -> None:
        """Kill the process and wait for it; whoever awaits an answer gets WorkerEnded."""
        self._ended = True
        self._process.kill()
        while self._listener.is_alive():
            self._drain()
            self._listener.join(0.01)
        for stream in (self._process.stdin, self._process.stdout):
            try:
                stream.close()  # type: ignore[union-attr]
            except OSError:
                pass  # a request that it never took
        self._process.wait()

    def _next(self, name: str, began: float) -> dict[str, Any]:
        silent = time.monotonic()
        while True:
            try:
                message = self._messages.get(timeout=_LOOK_EVERY)
            except queue.Empty:
                if self._ended:
                    raise WorkerEnded(f"{name} was not read to its end.") from None
                self._check(name, time.monotonic() - silent, time.monotonic() - began)
                continue
            if message is None:
                raise WorkerEnded(f"{name} ended the process that read it ({self._last_words()}).")
            return message

    def _check(self, name: str, silent: float, total: float) -> None:
        for seconds, limit in ((silent, self._limits.seconds), (total, self._limits.total_seconds)):
            if seconds > limit:
                raise WorkerEnded(f"{name} takes longer than {limit:g} seconds to read.", fix=_TIME)
        if _resident(self._process.pid) > self._limits.memory_bytes:
            raise out_of_memory(name, self._limits.memory_bytes)

    def _last_words(self) -> str:
        try:
            code = self._process.wait(_EXIT_WITHIN)
        except subprocess.TimeoutExpired:
            return "it broke off"
        if code == -getattr(signal, "SIGXCPU", 0):
            return f"more than {self._limits.total_seconds:g} seconds of processor time"
        return signal.strsignal(-code) or f"signal {-code}" if code < 0 else f"exit code {code}"

    def _send(self, message: dict[str, Any]) -> None:
        try:
            wire.send(self._process.stdin, message)  # type: ignore[arg-type]
        except OSError:
            pass  # it has ended; the answer that does not come tells why

    def _listen(self) -> None:
        message: dict[str, Any] | None = {}
        while message is not None:
            message = wire.receive(self._process.stdout)  # type: ignore[arg-type]
            self._messages.put(message)

    def _drain(self) -> None:
        try:
            while True:
                self._messages.get_nowait()
        except queue.Empty:
            return


def out_of_memory(name: str, limit: int) -> WorkerEnded:
    """The error for a file that needs more memory than a worker may have."""
    return WorkerEnded(f"{name} takes more than {limit // MB:,} MB of memory to read.", fix=_MEMORY)


def _module_path() -> str:
    ours = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(dict.fromkeys([*(os.path.abspath(entry) for entry in sys.path), ours]))


def _resident(pid: int) -> int:
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
