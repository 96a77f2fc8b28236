"""What a worker process denies itself before it touches a file: memory, processor time, writing, network.

The operating system's limits hold whatever a parser does; the audit hook (PEP 578) adds what they cannot say
and gives every refusal a name. A parser that is taken over in machine code is held by the former alone.
"""

from __future__ import annotations

import os
import sys
from typing import Any

OPEN_FILES = 64
# Events of the interpreter that start with these lead out of the process.
_REFUSED = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.system",
    "os.kill",
    "pty.spawn",
    "ftplib.",
    "http.client.",
    "urllib.Request",
    "smtplib.",
    "webbrowser.",
    "winreg.",
)
_CHANGES = frozenset(
    "os.chmod os.chown os.link os.mkdir os.remove os.rename os.rmdir os.setxattr os.removexattr os.symlink os.truncate "
    "os.utime os.mkfifo os.mknod shutil.move shutil.rmtree shutil.copyfile shutil.copytree shutil.chown "
    "tempfile.mkstemp tempfile.mkdtemp sqlite3.connect".split()
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Refused(PermissionError):
    """A loader tried to leave the worker; the message says how."""


def confine(memory_bytes: int) -> None:
    """Apply every limit that this platform has; they cannot be taken back.

    Args:
        memory_bytes: private memory that the process may hold. Linux counts it exactly (RLIMIT_DATA); elsewhere
            the process that reads the answers watches the resident size instead.
    """
    try:
        import resource
    except ImportError:  # Windows
        resource = None  # type: ignore[assignment]
    if resource is not None:
        _lower(resource, resource.RLIMIT_CORE, 0)
        _lower(resource, resource.RLIMIT_FSIZE, 0)
        _lower(resource, resource.RLIMIT_NOFILE, OPEN_FILES)
        _lower(resource, resource.RLIMIT_DATA, memory_bytes)
    sys.addaudithook(_watch)


def allow_processor(seconds: float) -> None:
    """Let the process be killed once it has used this much more processor time; no-op on Windows."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _lower(resource: Any, kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError):
        pass  # macOS refuses some of them; what watches from outside stays


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, mode, flags = arguments
        if _writes(mode, flags) and path != os.devnull:
            raise Refused(f"it tried to write to {path!r}")
    elif event in _CHANGES or event.startswith(_REFUSED):
        raise Refused(f"it tried to use {event}, which a loader may not")


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & _WRITING)
