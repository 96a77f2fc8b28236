"""Data sets on disk: JSONL files of examples, one to a split."""

from __future__ import annotations

from pathlib import Path

from finetune.dataset.files import MOST_BYTES, TAKE_SOME
from finetune.dataset.reading import broken, json_records
from finetune.errors import DatasetError
from finetune.schema import DatasetSplits, Example


def read_splits(path: Path) -> DatasetSplits:
    """A data set: a folder with train.jsonl and perhaps dev.jsonl and test.jsonl, or one file to train on.

    Raises:
        DatasetError: there is nothing there, a file is too large to be held, or a line is not an example.
    """
    if not path.is_dir():
        _check_size(path)
        return DatasetSplits(train=read_examples(path))
    parts = {name: path / f"{name}.jsonl" for name in ("train", "dev", "test")}
    if not parts["train"].is_file():
        raise DatasetError(f"There is no train.jsonl in {path}.", fix="Name a data set's folder, or a JSONL file.")
    for part in parts.values():
        _check_size(part)
    read = {name: read_examples(part) if part.is_file() else () for name, part in parts.items()}
    return DatasetSplits(read["train"], read["dev"], read["test"])


def _check_size(path: Path) -> None:
    """Make sure that a file can be held in memory.

    Raises:
        DatasetError: it has more than `MOST_BYTES`.
    """
    size = path.stat().st_size if path.is_file() else 0
    if size > MOST_BYTES:
        raise DatasetError(
            f"{path} has {size / 2**30:.1f} GiB; at most {MOST_BYTES / 2**30:g} GiB are taken at once.",
            kept="Nothing was trained.",
            fix=TAKE_SOME.format(file=path),
        )


def read_examples(path: Path) -> tuple[Example, ...]:
    """The examples of a JSONL file.

    Raises:
        DatasetError: the file cannot be read, or a line is not an example.
    """
    if not path.is_file():
        raise DatasetError(f"There is no file {path}.", kept="Nothing was trained.", fix="Check the path.")
    examples = []
    for number, record in json_records(path):
        messages = record.get("messages")
        if not isinstance(messages, list) or not all(isinstance(one, dict) and "role" in one for one in messages):
            raise broken(path, number, "it has no list of messages with roles")
        examples.append(Example.from_json(record))
    return tuple(examples)
