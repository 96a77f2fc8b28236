"""Starts a confined process, reads what it says, and ends it and all its children when it is done or too much."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, Literal, cast

from tools.sandbox.limits import Limits
from tools.sandbox.results import MOST_BYTES
from tools.sandbox.watch import Space, Watch, members

Ending = Literal["", "time", "cancelled", "memory", "disk", "output"]

_LOOK_EVERY = 0.05  # seconds
_CHUNK = 1 << 16
_LONGEST_GOODBYE = 1_000  # milliseconds that the guard gets


@dataclass(slots=True)
class Stream:
    """What came through a pipe: its beginning, and how much there was."""

    most: int
    kept: bytearray = field(default_factory=bytearray)
    total: int = 0

    def take(self, chunk: bytes) -> None:
        """Keep what there is room for."""
        self.kept += chunk[: self.most - len(self.kept)]
        self.total += len(chunk)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Attributes:
        output, errors, channel: what it wrote.
        exit_code: 128 + N when signal N ended it.
        ending: why it was ended from outside; empty if it was not.
        seconds: how long it took.
    """

    output: Stream
    errors: Stream
    channel: Stream
    exit_code: int
    ending: Ending
    seconds: float


@dataclass(frozen=True, slots=True)
class Start:
    """How to start a process.

    Attributes:
        command: the program and its arguments.
        channel: the descriptor on which it will send messages; a pipe's writing end, closed here once started.
        user: whom to become first; None to stay who we are.
        environment: all the variables it gets.
    """

    command: Sequence[str]
    channel: int
    user: int | None
    environment: dict[str, str]


def run(start: Start, channel: int, limits: Limits, space: Space, cancelled: Callable[[], bool] = lambda: False) -> Run:
    """Run a command to its end, or to one of its limits.

    Args:
        start: what to run.
        channel: the reading end of the pipe it sends messages on; closed here.
        limits: what it may take.
        space: measures its working folder.
        cancelled: asked many times a second.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be started.
    """
    began = time.monotonic()
    try:
        process = _started(start)
    except BaseException:
        os.close(channel)
        raise
    finally:
        os.close(start.channel)
    streams = _streams(process, channel, limits)
    watch = Watch(process.pid, limits, space)
    ended = os.pidfd_open(process.pid)
    ending: Ending = ""
    with selectors.DefaultSelector() as selector:
        for descriptor in (ended, *streams):
            selector.register(descriptor, selectors.EVENT_READ)
        try:
            look = began
            while not ending and ended not in _read(selector, streams, _LOOK_EVERY):
                if time.monotonic() >= look:
                    ending = _ending(began, limits, cancelled, streams, watch)
                    look = time.monotonic() + _LOOK_EVERY
        finally:
            _kill(process, ended)
            selector.unregister(ended)
            while selector.get_map() and _read(selector, streams, 1.0):
                pass
            for descriptor in (ended, *streams):
                os.close(descriptor)
    output, errors, messages = streams.values()
    code = process.returncode
    return Run(output, errors, messages, code if code >= 0 else 128 - code, ending, time.monotonic() - began)


def _started(start: Start) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        start.command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(start.channel,),
        env=start.environment,
        cwd="/",
        start_new_session=True,  # a process group of its own, and no terminal
        user=start.user,
        group=start.user,
        extra_groups=None if start.user is None else [],
        bufsize=0,
    )


def _streams(process: subprocess.Popen[bytes], channel: int, limits: Limits) -> dict[int, Stream]:
    """Descriptor → stream, of output, errors and messages; the descriptors are ours from here on."""
    pipes = [cast("IO[bytes]", pipe) for pipe in (process.stdout, process.stderr)]
    output, errors = (os.dup(pipe.fileno()) for pipe in pipes)
    for pipe in pipes:
        pipe.close()
    return {output: Stream(limits.kept_bytes), errors: Stream(limits.kept_bytes), channel: Stream(MOST_BYTES)}


def _ending(
    began: float, limits: Limits, cancelled: Callable[[], bool], streams: dict[int, Stream], watch: Watch
) -> Ending:
    if cancelled():
        return "cancelled"
    if time.monotonic() - began > limits.seconds:
        return "time"
    output, errors, channel = streams.values()
    if output.total + errors.total > limits.output_bytes or channel.total > MOST_BYTES:
        return "output"
    return watch.excess()


def _read(selector: selectors.BaseSelector, streams: dict[int, Stream], wait: float) -> set[int]:
    """Take what there is; returns the descriptors on which something happened in time."""
    ready = {key.fd for key, _ in selector.select(wait)}
    for descriptor in ready & streams.keys():
        chunk = os.read(descriptor, _CHUNK)
        streams[descriptor].take(chunk)
        if not chunk:
            selector.unregister(descriptor)
    return ready


def _kill(process: subprocess.Popen[bytes], ended: int) -> None:
    """End the program's group, let the process that guards it reap what is left, and end that too.

    Group numbers are still taken, for the process has not been waited for.
    """
    groups = {group for group, _ in members(process.pid).values()} - {process.pid}
    for group in groups:
        _kill_group(group)
    if groups:
        guard = select.poll()
        guard.register(ended, select.POLLIN)
        guard.poll(_LONGEST_GOODBYE)
    _kill_group(process.pid)
    process.wait()


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
