"""Results on disk, one JSON object a line, each written before the next item is put."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import prompts
from agent.errors import StorageError
from finetune.errors import EvaluationError
from finetune.evaluation.items import EvaluationItem, ItemResult

_FORMAT = 1


class ResultsFile:
    """What is known of one model's replies; a line that was cut short when the process ended is dropped.

    The first line says whose results they are. An item that has changed since is put again.

    Args:
        path: the file; None keeps results in memory alone.
        owner: what the results belong to: they are not used for anything else.

    Raises:
        EvaluationError: the file holds results of something else, or no results.
        StorageError: it cannot be read or written.
    """

    def __init__(self, path: Path | None, owner: Mapping[str, Any]) -> None:
        self._path = path
        self._results: dict[str, ItemResult] = {}
        header = {"format": _FORMAT, "prompts": prompts.version(), **owner}
        if path is None:
            return
        try:
            if path.is_file() and path.stat().st_size:
                self._read(path, header)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._append(header)
        except OSError as error:
            raise _unwritable(path, error) from error

    def find(self, item: EvaluationItem) -> ItemResult | None:
        """The result of this very item, if there is one."""
        result = self._results.get(item.id)
        return result if result and result.digest == item.digest else None

    def result(self, item: EvaluationItem) -> ItemResult:
        """The result of an item that was put."""
        return self._results[item.id]

    def add(self, result: ItemResult) -> ItemResult:
        """Keep a result.

        Raises:
            StorageError: the disk refused it.
        """
        if self._path is not None:
            try:
                self._append(result.to_json())
            except OSError as error:
                raise _unwritable(self._path, error) from error
        self._results[result.id] = result
        return result

    def _append(self, values: Mapping[str, Any]) -> None:
        assert self._path is not None  # noqa: S101 - for the type checker
        with self._path.open("a", encoding="utf-8", errors="surrogatepass") as file:
            file.write(json.dumps(values, ensure_ascii=False) + "\n")

    def _read(self, path: Path, header: Mapping[str, Any]) -> None:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)
        lines = data[:whole].decode("utf-8", "surrogatepass").split("\n")[:-1]
        if not lines:
            self._append(header)
            return
        try:
            found, *results = [json.loads(line) for line in lines]
            self._results = {result["id"]: ItemResult.from_json(result) for result in results}
        except (ValueError, TypeError, KeyError) as error:
            raise EvaluationError(f"{path} holds no results of an evaluation.", fix="Name another file.") from error
        if found != header:
            changed = ", ".join(sorted(key for key in {*found, *header} if found.get(key) != header.get(key)))
            raise EvaluationError(
                f"{path} holds results of something else: another {changed}.",
                kept="They stay as they are.",
                fix="Name another file, or delete this one.",
            )


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path} cannot be written: {error.strerror or error}.", kept="Results up to here are in it.")
