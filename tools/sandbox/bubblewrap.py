"""The command line of bubblewrap: new namespaces, an empty root, and in it what the program may see.

There is no /proc inside: with it would come the settings of the kernel and the paths of what is mounted. There is
no device but those that give zeros, nothing, or randomness. Every file system that can be written has a size,
/dev/shm and the root of bubblewrap's own making included.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tools.sandbox.interpreter import Interpreter
from tools.sandbox.limits import MIB

INSIDE, WORK, WORKSPACE = Path("/ratchet"), Path("/work"), Path("/workspace")
SCRATCH = WORK / "scratch"
DEVICES = ("null", "zero", "full", "random", "urandom")
_OLDEST = (0, 8)  # the first with --disable-userns
_SHARED_MEMORY = 16 * MIB
_SMALL = 1 * MIB


def executable() -> str | None:
    """Where bubblewrap is, looked for in the system's own folders alone."""
    return shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin")


def why_not(user: int | None) -> str:
    """Why bubblewrap cannot be used; empty if it can. Starts it once, some 10 ms."""
    bwrap = executable()
    if bwrap is None:
        return "bubblewrap is not installed (on Debian and Ubuntu: apt-get install bubblewrap)"
    try:
        told = subprocess.run([bwrap, "--version"], capture_output=True, text=True, timeout=10, check=True, env={})
        version = told.stdout.split()[-1]
        if tuple(map(int, version.split(".")[:2])) < _OLDEST:
            return f"bubblewrap {version} is too old: it must be 0.8 or newer"
        options = [*isolation(), *system(), "--", "/usr/bin/true"]
        done = subprocess.run(
            [bwrap, *options], capture_output=True, text=True, timeout=10, check=False, env={}, user=user, group=user
        )
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        return f"bubblewrap cannot be started: {error}"
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return f"bubblewrap does not work here: {reason}"
    return ""


def isolation() -> list[str]:
    """Namespaces of one's own for everything, and none to be made inside."""
    names = ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--cap-drop", "ALL"]
    return [*names, "--uid", "1000", "--gid", "1000", "--hostname", "sandbox"]


def system() -> list[str]:
    """The system's programs and libraries, read-only, with the few files of /etc that they look at."""
    options = ["--ro-bind", "/usr", "/usr"]
    for folder in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(folder):
            options += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            options += ["--ro-bind", folder, folder]
    for file in ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives", "/etc/fonts"):
        options += ["--ro-bind-try", file, file]
    return options


def command(inside: Path, interpreter: Interpreter, workspace: Path | None, disk_bytes: int) -> list[str]:
    """The command line up to what is to be run.

    Args:
        inside: the folder with the job, on this side.
        interpreter: what will run.
        workspace: shown read-only, if any.
        disk_bytes: size of the working folder, which lies in memory and goes with the sandbox.
    """
    line = [executable() or "bwrap", *isolation(), *system()]
    if interpreter.home is not None:
        line += ["--ro-bind", str(interpreter.home), str(interpreter.home)]
    for folder, place in zip(interpreter.packages, packages(interpreter), strict=True):
        line += ["--ro-bind", str(folder), place]
    line += ["--size", str(_SMALL), "--tmpfs", "/dev"]
    for device in DEVICES:
        line += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    line += ["--size", str(_SHARED_MEMORY), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108 - inside
    line += ["--size", str(disk_bytes), "--tmpfs", str(WORK), "--dir", str(SCRATCH)]
    line += ["--symlink", str(SCRATCH), "/tmp"]  # noqa: S108 - inside
    if workspace is not None:
        line += ["--ro-bind", str(workspace), str(WORKSPACE), "--symlink", str(WORKSPACE), f"{WORK}/workspace"]
    return [*line, "--ro-bind", str(inside), str(INSIDE), "--remount-ro", "/", "--"]


def packages(interpreter: Interpreter) -> list[str]:
    """Where the folders of packages are shown."""
    return [f"/packages/{number}" for number in range(len(interpreter.packages))]
