"""The web pages as they are started by hand: each server in a process and on a port of its own."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[3]
START_SECONDS = 60.0
END_SECONDS = 15.0


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a server answers there with anything but an error of its own."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status < 400)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, http.client.HTTPException):
        return False


class Server:
    """A server; as a context manager, it serves within and is ended after.

    Args:
        command: program and arguments; `{port}` stands for the port that was chosen.
        environment: the child's whole environment.
        log: where what it prints goes.
        ready: the path that answers once it serves.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, ready: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [part.format(port=self.port) for part in command]
        self._environment = dict(environment)
        self._log = log
        self.ready = ready
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        self.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    @property
    def printed(self) -> str:
        """Everything it printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Start the process and return at once."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it serves.

        Raises:
            RuntimeError: it ended, or does not serve in time; says what it printed.
        """
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.url + self.ready):
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.end()
                raise RuntimeError(f"{' '.join(self.command)} does not serve:\n{self.printed[-3000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)

    def end(self) -> None:
        """End it as Ctrl-C would; kill what is left."""
        self._signal(signal.SIGINT)
        self._signal(signal.SIGKILL)

    def _signal(self, which: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, which)
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            if which is signal.SIGKILL:
                raise


def workbench(environment: Mapping[str, str], log: Path) -> Server:
    """`streamlit run ui/app.py`."""
    command = [sys.executable, "-m", "streamlit", "run", "ui/app.py", "--server.port", "{port}"]
    command += ["--server.address", "127.0.0.1", "--server.headless", "true", "--server.fileWatcherType", "none"]
    return Server(command, environment, log, "/_stcore/health")


def share(environment: Mapping[str, str], log: Path, *options: str) -> Server:
    """`python -m ui.share`."""
    return Server([sys.executable, "-m", "ui.share", "--port", "{port}", *options], environment, log, "/")
