"""A folder per run: what is handed inside, and under Landlock the working folder too; removed whatever lies in it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.sandbox.interpreter import reachable

SOURCES = Path(__file__).parent / "inside"
_MOST_COPIED, _MOST_COPIES = 64 << 20, 2_000  # of a workspace: bytes, files


@contextmanager
def folder(user: int | None) -> Iterator[Path]:
    """A fresh folder that only this user, or `user`, can enter; removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="ratchet-python-", dir=_place(user)))
    try:
        for name in ("inside", "work"):
            (path / name).mkdir(mode=0o700)
        for source in ("confine.py", "program.py"):
            shutil.copyfile(SOURCES / source, path / "inside" / source)
        yield path
    finally:
        remove(path)


def _place(user: int | None) -> str:
    here = tempfile.gettempdir()
    if user is None or reachable(Path(here), user):
        return here
    return "/var/tmp"  # noqa: S108 - mkdtemp makes a name of its own in it


def hand_over(path: Path, job: dict[str, Any], user: int | None) -> None:
    """Write the job into its folder and give everything to the user who will run it."""
    (path / "inside" / "job.json").write_text(json.dumps(job), encoding="utf-8")
    if user is not None:
        for part, _, files in os.walk(path):
            for name in (".", *files):
                os.chown(os.path.join(part, name), user, user, follow_symlinks=False)


def snapshot(workspace: Path, target: Path) -> str:
    """Copy a workspace that the sandbox's user could not read; links and what exceeds the limits stay behind.

    Returns:
        What to tell of files left out; empty if all were copied.
    """
    size = copied = left_out = 0
    for part, folders, files in os.walk(workspace):
        folders.sort()
        place = target / Path(part).relative_to(workspace)
        place.mkdir(exist_ok=True)
        for name in sorted(files):
            source = Path(part) / name
            found = source.lstat()
            fits = size + found.st_size <= _MOST_COPIED and copied < _MOST_COPIES
            if not stat.S_ISREG(found.st_mode):
                continue
            try:
                if fits:
                    shutil.copyfile(source, place / name, follow_symlinks=False)
                    size, copied = size + found.st_size, copied + 1
            except OSError:  # it cannot be read, or has just been deleted
                fits = False
            left_out += not fits
    return f"{left_out:,} files of the workspace could not be shown to the program" if left_out else ""


def remove(path: Path) -> None:
    """Delete a tree whatever its depth, modes and links: sub-folders are moved up before they are entered.

    Raises:
        OSError: something in it is not ours.
    """
    top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        while names := os.listdir(top):
            for name in names:
                _remove_entry(top, name)
    finally:
        os.close(top)
    path.rmdir()


def _remove_entry(top: int, name: str) -> None:
    if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=top)
        return
    os.chmod(name, 0o700, dir_fd=top)  # nobody else runs any more who could make a link of it
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    try:
        for entry in os.listdir(folder):
            if stat.S_ISDIR(os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode):
                os.chmod(entry, 0o700, dir_fd=folder)  # or it could not be moved: its ".." changes
                os.rename(entry, secrets.token_hex(12), src_dir_fd=folder, dst_dir_fd=top)
            else:
                os.unlink(entry, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=top)
