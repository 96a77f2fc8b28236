"""Results of a long benchmark, one JSON object a line, so that it goes on where it was stopped or killed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Kept:
    """Lines of a file; without one they are kept in memory alone.

    Args:
        path: the file; a last line that was cut short by a kill is dropped.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.lines: list[dict[str, Any]] = []
        if path is None or not path.is_file():
            return
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        os.truncate(path, whole)
        self.lines = [json.loads(line) for line in data[:whole].decode("utf-8").split("\n") if line]

    def find(self, **wanted: Any) -> list[dict[str, Any]]:
        """The lines that have these values."""
        return [line for line in self.lines if all(line.get(name) == value for name, value in wanted.items())]

    def add(self, **line: Any) -> Mapping[str, Any]:
        """Keep a line; it is with the system when this returns."""
        self.lines.append(line)
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return line
