"""The two ways to confine a program, and whether they work here.

| tier | what holds |
|---|---|
| bubblewrap | namespaces of its own for files, processes, network and users; seccomp; limits |
| landlock | rules for files and signals, on the same file system and among the same processes; seccomp; limits |
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tools.sandbox import bubblewrap, landlock, seccomp, watch
from tools.sandbox.interpreter import Interpreter
from tools.sandbox.limits import MOST_TASKS, Limits, tasks_of

Tier = Literal["bubblewrap", "landlock"]
TIERS: tuple[Tier, ...] = ("bubblewrap", "landlock")

# Users without an account, below 2**31 and above every range that systems hand out; and for containers that know
# only 65,536 users.
_UNUSED_USERS, _FEW_USERS, _SPREAD = 1_900_000_000, 62_000, 2_000
_COUNTED_APART = (5, 14)  # from this kernel on, NPROC counts the processes of a user namespace by themselves
_MOST_THREADS = 4  # of numerical libraries; each counts as a process


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program runs and what it is given.

    Attributes:
        folder: of the job, with `inside` and `work` in it.
        user: who runs it, if not the user of this process.
        python: the interpreter.
        workspace: what it may read.
    """

    folder: Path
    user: int | None
    python: Interpreter
    workspace: Path | None


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run a program in a tier.

    Attributes:
        command: to be started outside.
        environment: all the variables the program gets.
        order: what `inside.confine` is told.
        space: measures the working folder.
    """

    command: list[str]
    environment: dict[str, str]
    order: dict[str, Any]
    space: watch.Space


def why_not(tier: Tier) -> str:
    """Why a tier cannot be used here; empty if it can."""
    if sys.platform != "linux":
        return "running code needs Linux"
    if reason := seccomp.why_not():
        return reason
    try:
        user = foreign_user()
    except PermissionError as error:
        return str(error)
    if tier == "bubblewrap":
        return bubblewrap.why_not(user)
    return "" if landlock.version() else "the kernel has no Landlock, or it is turned off"


def plan(tier: Tier, place: Place, allowed: Limits, abi: int) -> Plan:
    """What to start, and what to tell it.

    Args:
        tier: which.
        place: where and what.
        allowed: the limits.
        abi: the version of Landlock to rely on.
    """
    return _bubblewrap(place, allowed) if tier == "bubblewrap" else _landlock(place, allowed, abi)


def _bubblewrap(place: Place, allowed: Limits) -> Plan:
    outside = bubblewrap.command(place.folder / "inside", place.python, place.workspace, allowed.disk_bytes)
    order = {
        "folder": str(bubblewrap.WORK),
        "packages": bubblewrap.packages(place.python),
        "limits": allowed.of_process(_tasks(place.user, apart=_kernel() >= _COUNTED_APART)),
        "landlock": None,
        "parent": 0,  # bubblewrap ends what it started
        "filter": seccomp.program(seccomp.Needs()).hex(),
    }
    inside = _interpret(place.python, bubblewrap.INSIDE)
    space = watch.space_of_mount(allowed.disk_bytes)
    return Plan([*outside, *inside], _environment(bubblewrap.WORK), order, space)


def _landlock(place: Place, allowed: Limits, abi: int) -> Plan:
    inside, work = place.folder / "inside", place.folder / "work"
    (work / "scratch").mkdir()
    system = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
    files = ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives", "/etc/fonts")
    rules = [
        *((Path(folder), landlock.RUN) for folder in system),
        *((Path(file), landlock.READ) for file in files),
        *((Path("/dev") / device, landlock.OPEN) for device in bubblewrap.DEVICES),
        *((folder, landlock.READ) for folder in place.python.packages),
        (inside, landlock.READ),
        (work, landlock.write(abi)),
    ]
    if place.python.home is not None:
        rules.append((place.python.home, landlock.RUN))
    if place.workspace is not None:
        rules.append((place.workspace, landlock.READ))
        (work / "workspace").symlink_to(place.workspace)
    order = {
        "folder": str(work),
        "packages": [str(folder) for folder in place.python.packages],
        "limits": allowed.of_process(_tasks(place.user, apart=False)),
        "landlock": landlock.ruleset(abi, rules),
        "parent": os.getpid(),
        "filter": seccomp.program(landlock.needs(abi)).hex(),
    }
    space = watch.space_of_folder(work, allowed.files)
    return Plan(_interpret(place.python, inside), _environment(work), order, space)


def _interpret(python: Interpreter, inside: Path) -> list[str]:
    """No site, no user's folder, no variables, no compiled files."""
    return [str(python.path), "-I", "-S", "-B", "-X", "utf8", str(inside / "confine.py")]


def _environment(work: Path) -> dict[str, str]:
    threads = str(min(_MOST_THREADS, os.cpu_count() or 1))
    return {
        "HOME": str(work),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": f"{work}/scratch",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PATH": "/usr/bin:/bin",
        "TMPDIR": f"{work}/scratch",
        "USER": "sandbox",
    }


def _tasks(user: int | None, *, apart: bool) -> int:
    """NPROC: where the sandbox's processes are not counted apart, on top of those the user has already."""
    return MOST_TASKS if apart or user is not None else MOST_TASKS + tasks_of(os.getuid())


def _kernel() -> tuple[int, int]:
    numbers = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def foreign_user() -> int | None:
    """Whom root becomes to run a program: a user without account, files or processes, another one each time.

    Returns:
        None where this process is not root's, and the program is run by the same user.

    Raises:
        PermissionError: there is no user but root, as in some containers.
    """
    if os.geteuid() != 0:
        return None
    ranges = _known_users()
    for first in (_UNUSED_USERS, _FEW_USERS):
        if any(start <= first and first + _SPREAD <= end for start, end in ranges):
            return first + secrets.randbelow(_SPREAD)
    raise PermissionError("this is root in a container that knows no other user, and code is never run as root")


@cache
def _known_users() -> tuple[tuple[int, int], ...]:
    """The ranges of users and groups that this user namespace maps."""
    lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    return tuple((int(start), int(start) + int(count)) for start, _, count in map(str.split, lines))
