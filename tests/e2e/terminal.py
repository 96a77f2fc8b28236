"""A program on a pseudo-terminal: what a person would see, and what they would type."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

_ESCAPE = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")


class Terminal:
    """Runs a command on a terminal of its own; a context manager that kills what is left.

    Args:
        command: program and arguments.
        environment: the child's whole environment.
        columns: width of the terminal.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "PROMPT_TOOLKIT_NO_CPR": "1"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.raw = b""
        self._seen = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._master)

    @property
    def text(self) -> str:
        """Everything printed so far, without escape sequences."""
        return _ESCAPE.sub(b"", self.raw).decode(errors="replace").replace("\r", "")

    def send(self, keys: str) -> None:
        """Type."""
        self._seen = len(self.text)
        os.write(self._master, keys.encode())

    def expect(self, pattern: str, seconds: float = 60) -> str:
        """Wait until the pattern appears after what was last expected or sent; returns the text up to it."""
        deadline = time.monotonic() + seconds
        while True:
            if match := re.compile(pattern).search(self.text, self._seen):
                found = self.text[self._seen : match.end()]
                self._seen = match.end()
                return found
            if time.monotonic() > deadline or not self._read(deadline):
                raise AssertionError(f"{pattern!r} did not appear; the terminal shows:\n{self.text[-3000:]}")

    def wait(self, seconds: float = 60) -> int:
        """Read until the program ends; returns its exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
        try:
            data = os.read(self._master, 65536) if ready else b""
        except OSError:  # the program has closed its terminal
            return False
        self.raw += data
        return bool(data)
