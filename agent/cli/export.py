"""A conversation as a file, or another text that must not write over one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.errors import StorageError
from agent.export import as_json, as_markdown
from agent.phrasing import shown_path
from agent.schema import Turn


def write(path: Path, turns: Sequence[Turn]) -> str:
    """Write the turns to a new file, in the format its suffix names; returns the path as shown.

    Raises:
        StorageError: the file exists already or cannot be written.
    """
    return write_new(path, as_json(turns) if path.suffix == ".json" else as_markdown(turns))


def write_new(path: Path, text: str) -> str:
    """Write a text to a new file; returns the path as shown.

    Raises:
        StorageError: the file exists already or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError as error:
        raise StorageError(
            f"{shown_path(path)} exists already.", kept="It was left as it is.", fix="Name another file."
        ) from error
    except OSError as error:
        raise StorageError(
            f"{shown_path(path)} cannot be written: {error.strerror}.", fix="Name a file in another folder."
        ) from error
    return shown_path(path)
