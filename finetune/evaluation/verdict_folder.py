"""A verdict on disk: the decision, the items, both models' replies, and a page to read. All of it or nothing."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agent.errors import StorageError
from finetune.errors import EvaluationError
from finetune.evaluation.items import Evaluation, EvaluationItem, ItemResult
from finetune.evaluation.report import markdown
from finetune.evaluation.verdict import Verdict

VERDICT = "verdict.json"
PAGE = "verdict.md"


def store_verdict(folder: Path, verdict: Verdict, base: Evaluation, candidate: Evaluation) -> Path:
    """Write a verdict into a folder of its own, which appears complete or not at all.

    It holds `verdict.json`, `verdict.md`, `items.jsonl`, `base.jsonl` and `candidate.jsonl`.

    Raises:
        StorageError: the folder is there already, as a verdict is never overwritten, or the disk refused it.
    """
    if folder.exists():
        raise StorageError(f"{folder} holds a verdict already.", kept="It stays.", fix="Name another folder.")
    partial = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        _write(partial / VERDICT, json.dumps(verdict.to_json(), ensure_ascii=False, indent=2) + "\n")
        _write(partial / PAGE, markdown(base, candidate, verdict))
        _write(partial / "items.jsonl", _lines(item.to_json() for item in base.items))
        _write(partial / "base.jsonl", _lines(result.to_json() for result in base.results))
        _write(partial / "candidate.jsonl", _lines(result.to_json() for result in candidate.results))
        os.replace(partial, folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror or error}.") from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def read_evaluations(folder: Path) -> tuple[Evaluation, Evaluation]:
    """The base's and the candidate's evaluation that a verdict rests on.

    Raises:
        EvaluationError: there is no verdict in the folder, or it cannot be read.
    """
    try:
        verdict = json.loads((folder / VERDICT).read_text(encoding="utf-8"))
        items = tuple(EvaluationItem.from_json(line) for line in _read(folder / "items.jsonl"))
        base, candidate = (
            tuple(ItemResult.from_json(line) for line in _read(folder / f"{name}.jsonl"))
            for name in ("base", "candidate")
        )
        model = str(verdict["model"])
        return (
            Evaluation(model, verdict["base"], items, base),
            Evaluation(model, verdict["candidate"], items, candidate, verdict["lineage"]),
        )
    except FileNotFoundError as error:
        raise EvaluationError(f"There is no verdict in {folder}.", fix="Let the run come to its end first.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"The verdict in {folder} cannot be read: {error}.", fix="Evaluate again.") from error


def _read(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8", errors="surrogatepass")
    return [json.loads(line) for line in text.split("\n") if line]


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _lines(values: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
