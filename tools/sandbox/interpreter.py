"""Which Python runs inside, and which installed packages it is shown.

The system's own interpreter of this Python's version comes first: packages with compiled parts work in it, and it
does not lie in anyone's home. Packages are shown read-only, and nothing beside them.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

_SYSTEM = (Path("/usr"), Path("/bin"), Path("/lib"), Path("/lib64"))


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python and what it needs.

    Attributes:
        path: the executable.
        home: its folder when it does not lie in the system's; None otherwise.
        packages: folders of packages that fit it.
    """

    path: Path
    home: Path | None
    packages: tuple[Path, ...]


def find(user: int | None) -> Interpreter | None:
    """The best interpreter that a user can run; None if there is none.

    Args:
        user: who will run it, when that is not the user of this process.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (Path("/usr/bin") / version, Path("/usr/local/bin") / version):
        if path.is_file():
            return Interpreter(path, None, _packages(user))
    path = (Path(sys.base_prefix) / "bin" / version).resolve()
    if path.is_file() and reachable(path, user):
        home = None if any(path.is_relative_to(folder) for folder in _SYSTEM) else path.parents[1]
        return Interpreter(path, home, _packages(user))
    path = Path("/usr/bin/python3")
    return Interpreter(path, None, ()) if path.is_file() else None


def _packages(user: int | None) -> tuple[Path, ...]:
    folders = [Path(entry).resolve() for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    return tuple(folder for folder in dict.fromkeys(folders) if folder.is_dir() and reachable(folder, user))


def reachable(path: Path, user: int | None) -> bool:
    """Whether a user who owns nothing and belongs to no group can read a file, or enter and list a folder."""
    if user is None:
        return os.access(path, os.R_OK | os.X_OK)
    wanted = stat.S_IROTH | stat.S_IXOTH
    try:
        ancestors = all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)
        return ancestors and path.stat().st_mode & wanted == wanted
    except OSError:
        return False
