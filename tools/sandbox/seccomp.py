"""The seccomp filter: a classic BPF program that lets through what `syscalls` lists and refuses the rest.

Refused calls fail with EPERM, so that a program gets an exception it can read; those newer than the table fail
with ENOSYS, on which libraries fall back to older ones. Calls of a foreign architecture (32-bit code, whose
numbers mean other things) end the process.

Source: Linux, Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass

from tools.sandbox import syscalls

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand

_LOAD, _AND = 0x20, 0x54
_EQUAL, _GREATER_OR_EQUAL, _ANY_BIT = 0x15, 0x35, 0x45
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

# machine → its name to the kernel (linux/audit.h), its column in `syscalls`.
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# New namespaces (mount, cgroup, UTS, IPC, user, PID, network) and CLONE_PARENT, whose child is not one's own.
_CLONE_REFUSED = 0x7E020000 | 0x8000
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15  # signals to others by way of a file descriptor
_TCGETS, _TIOCGWINSZ, _FIONREAD, _FIONBIO, _FIONCLEX, _FIOCLEX = 0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451
_PR_PDEATHSIG, _PR_NAME, _PR_NO_NEW_PRIVS, _PR_SET_VMA = (1, 2), (15, 16), (38, 39), 0x53564D41
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPE_MASK = 1, 1, 0xF


@dataclass(frozen=True, slots=True)
class Needs:
    """What the filter must do because nothing else does.

    Attributes:
        hold_signals: refuse signals, abort's to oneself among them.
        hold_metadata: let changes of mode, owner and times seem to succeed without any effect; a refusal would
            break copying files, which is allowed.
        hold_truncate: refuse to truncate a file by its path.
    """

    hold_signals: bool = False
    hold_metadata: bool = False
    hold_truncate: bool = False


def why_not() -> str:
    """Why this machine cannot filter system calls; empty if it can."""
    import ctypes

    if platform.machine() not in _MACHINES:
        return f"the sandbox does not know the system calls of {platform.machine()} processors"
    libc = ctypes.CDLL(None, use_errno=True)
    pr_get_seccomp = 21
    if libc.prctl(pr_get_seccomp, 0, 0, 0, 0) < 0:
        return "the kernel was built without seccomp"
    return ""


def program(needs: Needs, machine: str = "") -> bytes:
    """The filter as an array of struct sock_filter (8 bytes each).

    Args:
        needs: what the filter alone must do.
        machine: as `platform.machine` names it; default: this one.

    Raises:
        KeyError: an architecture without a table.
    """
    architecture, column = _MACHINES[machine or platform.machine()]
    checked = syscalls.numbers(syscalls.CHECKED, column)
    code: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for name, check in _checks(needs).items():
        code += [(_EQUAL, 0, len(check), checked[name]), *check]
    code += _by_number(_actions(needs, column))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _refuse(error: int = errno.EPERM) -> int:
    return 0x00050000 | error


def _actions(needs: Needs, column: int) -> dict[int, int]:
    """Number → action of the calls whose arguments do not matter."""
    groups = (
        (syscalls.FILES, _ALLOW),
        (syscalls.MEMORY, _ALLOW),
        (syscalls.PROCESSES, _ALLOW),
        (syscalls.SIGNALS, _refuse() if needs.hold_signals else _ALLOW),
        (syscalls.METADATA, _refuse(0) if needs.hold_metadata else _ALLOW),
        (syscalls.ATTRIBUTES, _refuse(errno.ENOTSUP)),
    )
    return {number: action for group, action in groups for number in syscalls.numbers(group, column).values()}


def _by_number(actions: dict[int, int]) -> list[Instruction]:
    """Code that returns the action of the number loaded: one comparison per run of equal actions."""
    newest = max(actions)
    code: list[Instruction] = []
    action = actions.get(0, _refuse())
    for number in range(1, newest + 2):
        following = actions.get(number, _refuse()) if number <= newest else _refuse(errno.ENOSYS)
        if following != action:
            code += [(_GREATER_OR_EQUAL, 1, 0, number), (_RETURN, 0, 0, action)]
            action = following
    return [*code, (_RETURN, 0, 0, action)]


def _checks(needs: Needs) -> dict[str, list[Instruction]]:
    """Name → code for the calls that depend on their arguments."""
    ioctls = (_TCGETS, _TIOCGWINSZ, _FIONREAD, _FIONBIO, _FIONCLEX, _FIOCLEX)
    return {
        "clone": _argument(0, *_if(_ANY_BIT, _CLONE_REFUSED, _refuse()), _end(_ALLOW)),
        # Its flags lie in memory, where no filter can look: the C library falls back to clone.
        "clone3": [_end(_refuse(errno.ENOSYS))],
        "ioctl": _among(1, ioctls, _ALLOW, _refuse()),
        "fcntl": _among(1, (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX), _refuse(), _ALLOW),
        "prctl": _among(0, (*_PR_PDEATHSIG, *_PR_NAME, *_PR_NO_NEW_PRIVS, _PR_SET_VMA), _ALLOW, _refuse()),
        # Of another process of the same user, the first could end it.
        "prlimit64": _among(0, (0,), _ALLOW, _refuse()),
        "sched_setaffinity": _among(0, (0,), _ALLOW, _refuse()),
        # A pair of datagram sockets could send to any address of its family.
        "socketpair": [
            *_argument(0, *_if(_EQUAL, _AF_UNIX)),
            *_argument(1, (_AND, 0, 0, _SOCK_TYPE_MASK), *_if(_EQUAL, _SOCK_STREAM)),
            _end(_ALLOW),
        ],
        "truncate": [_end(_refuse() if needs.hold_truncate else _ALLOW)],
    }


def _argument(index: int, *following: Instruction) -> list[Instruction]:
    """Code that loads the low half of an argument, then runs the rest; the kernel takes these as 32 bits."""
    return [(_LOAD, 0, 0, _ARGUMENTS + 8 * index), *following]


def _if(test: int, operand: int, then: int | None = None) -> list[Instruction]:
    """Code that returns `then` if a test holds; without `then`, that refuses unless it holds."""
    if then is None:
        return [(test, 1, 0, operand), _end(_refuse())]
    return [(test, 0, 1, operand), _end(then)]


def _among(index: int, values: tuple[int, ...], action: int, otherwise: int) -> list[Instruction]:
    tests = [instruction for value in values for instruction in _if(_EQUAL, value, action)]
    return _argument(index, *tests, _end(otherwise))


def _end(action: int) -> Instruction:
    return (_RETURN, 0, 0, action)
