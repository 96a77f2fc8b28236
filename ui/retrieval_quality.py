"""How well the search finds what it should: question sets in the home, and what was measured with each, over time.

home/questions/NAME.jsonl            a question set, see `knowledge.questions`
               NAME.results.jsonl    one measurement a line
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import QuestionSetError, StorageError

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.questions import Question

METRICS = ("ndcg@10", "recall@10", "mrr@10")
MISSES = 10  # that a measurement tells
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RESULTS = ".results.jsonl"


def folder(settings: Settings) -> Path:
    """Where question sets are kept."""
    return settings.home / "questions"


def names(settings: Settings) -> list[str]:
    """The question sets there are."""
    found = folder(settings).glob("*.jsonl")
    return sorted(path.stem for path in found if not path.name.endswith(_RESULTS))


def questions(settings: Settings, name: str) -> list[Question]:
    """The questions of a set.

    Raises:
        SourceMissing, QuestionSetError: it is not there, or a line of it cannot be used.
    """
    from knowledge.questions import read_questions

    return read_questions(_path(settings, name))


def add(settings: Settings, name: str, content: bytes) -> str:
    """Keep a question set that a person wrote, under the next free name like the one given; returns that.

    Raises:
        QuestionSetError: a line is not a question.
        StorageError: the disk refused.
    """
    from knowledge.questions import read_questions

    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(name).stem).strip("-_") or "questions"
    free = free_name(settings, stem[:50])
    path = _path(settings, free)
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(content)
        read_questions(new)
        new.replace(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        new.unlink(missing_ok=True)
    return free


def free_name(settings: Settings, stem: str) -> str:
    """The first of STEM, STEM-2, STEM-3 … that no set has."""
    taken = set(names(settings))
    number = 1
    while (name := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return name


def propose_words(settings: Settings, name: str, count: int) -> list[str]:
    """The command that proposes a question set about the collection.

    Raises:
        QuestionSetError: nothing can be called so.
        StorageError: the folder cannot be made.
    """
    path = _path(settings, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path.parent} cannot be made: {error.strerror or error}.") from error
    return ["knowledge", "questions", "--count", str(count), "--out", str(path), *_collection(settings)]


def measure_words(settings: Settings, name: str) -> list[str]:
    """The command that measures the search with a set."""
    return ["knowledge", "eval", str(_path(settings, name)), "--misses", str(MISSES), *_collection(settings)]


def _collection(settings: Settings) -> list[str]:
    return ["--collection", settings.knowledge.collection, "--json"]


def keep(settings: Settings, name: str, measured: Mapping[str, Any]) -> None:
    """Add a measurement to those of a set.

    Raises:
        StorageError: the disk refused.
    """
    path = _path(settings, name)
    line = {"at": datetime.now(UTC).isoformat(), "collection": settings.knowledge.collection, **measured}
    try:
        with path.with_name(f"{path.stem}{_RESULTS}").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StorageError(f"The measurement cannot be kept: {error.strerror or error}.") from error


def results(settings: Settings, name: str) -> list[dict[str, Any]]:
    """The measurements of a set in the present collection, oldest first; torn lines are passed over."""
    path, here = _path(settings, name), settings.knowledge.collection
    found = []
    try:
        lines = path.with_name(f"{path.stem}{_RESULTS}").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and {"at", *METRICS} <= value.keys() and value.get("collection", here) == here:
            found.append(value)
    return found


def _path(settings: Settings, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise QuestionSetError(f'"{name}" cannot name a question set.', fix="Use letters, digits and dashes.")
    return folder(settings) / f"{name}.jsonl"
