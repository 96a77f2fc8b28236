"""The first thing that runs inside: give up every right that the program does not need, then run it.

Started as a script beside `job.json`. A step that fails ends the process before any foreign code has run; the
message "ready" on the result channel says that all of them succeeded.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_ADD_RULE, _RESTRICT_SELF, _CREATE_RULESET = 445, 446, 444
_RULE_PATH_BENEATH = 1

_libc = ctypes.CDLL(None, use_errno=True)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def main() -> None:
    """Read the job, confine this process, run the program."""
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    sys.path.insert(0, folder)
    program = importlib.import_module("program")
    if job["parent"]:
        _supervise(job["parent"])
    os.setpgid(0, 0)  # a group that can be ended as a whole, and that nobody can leave once filtered
    os.chdir(job["folder"])
    os.umask(0o077)
    for name, value in job["limits"].items():
        _limit(getattr(resource, name), value)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if job["landlock"]:
        _landlock(job["landlock"])
    _seccomp(bytes.fromhex(job["filter"]))
    sys.path[:] = [path for path in sys.path if path != folder] + job["packages"]
    program.send(job["channel"], {"ready": True})
    program.run(job)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _supervise(parent: int) -> None:
    """Fork: the child goes on; this process ends and reaps all that comes of it, also when the parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if child := os.fork():
        os.setpgid(child, child)  # whichever of the two is first
        _wait_for(child, parent)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_for(child: int, parent: int) -> NoReturn:
    def end(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before it could be watched
        end()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(ChildProcessError):
        while True:
            end()
            os.waitpid(-1, 0)
    os._exit(code if code >= 0 else 128 - code)


def _landlock(wanted: dict[str, Any]) -> None:
    attributes = bytes.fromhex(wanted["attributes"])
    ruleset = _syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    for path, rights in wanted["rules"]:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = _PathBeneath(rights, opened)
        _syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
        os.close(opened)
    _syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _seccomp(instructions: bytes) -> None:
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    filtering = _Filter(len(instructions) // 8, ctypes.addressof(buffer))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(filtering))


def _prctl(option: int, *arguments: Any) -> None:
    given = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in arguments]
    padded = [*given, *[ctypes.c_ulong(0)] * (4 - len(given))]
    _checked(_libc.prctl(option, *padded), f"prctl {option}")


def _syscall(number: int, *arguments: Any) -> int:
    return _checked(_libc.syscall(ctypes.c_long(number), *arguments), f"system call {number}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


if __name__ == "__main__":
    main()
