"""A data set as a folder: written whole or not at all, the same bytes for the same examples, checked when read.

train.jsonl dev.jsonl test.jsonl   one `Example.to_json` a line
privacy.jsonl                      which examples personal data were taken out of, and how much of which kind
card.md                            the data card
dataset.json                       the card as data, and SHA-256 and size of every other file
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.dataset.card import PARTS, Card
from finetune.dataset.privacy import PiiReport
from finetune.dataset.splits import check_apart
from finetune.errors import DatasetError
from finetune.schema import DatasetSplits, Example, Split

FORMAT = 1
MANIFEST = "dataset.json"
_CARD, _PRIVACY = "card.md", "privacy.jsonl"
_REBUILD = "Build the data set anew."


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """A data set on disk whose bytes are what was built.

    Attributes:
        path: the folder.
        digest: SHA-256 over the examples of all parts; what an adapter's lineage names.
        card: its statistics.
    """

    path: Path
    digest: str
    card: Card

    def examples(self, part: Split) -> Iterator[Example]:
        """The examples of a part, one at a time.

        Raises:
            DatasetError: the file cannot be read.
        """
        try:
            with (self.path / f"{part}.jsonl").open(encoding="utf-8") as file:
                for line in file:
                    yield Example.from_json(json.loads(line))
        except (OSError, ValueError, KeyError) as error:
            raise DatasetError(f"{self.path / part}.jsonl cannot be read: {error}.", fix=_REBUILD) from error

    def splits(self) -> DatasetSplits:
        """All three parts, in memory; that they are apart is checked once more.

        Raises:
            DatasetError: a file cannot be read, or a question or group stands in two parts.
        """
        train, dev, test = (tuple(self.examples(part)) for part in ("train", "dev", "test"))
        splits = DatasetSplits(train, dev, test, self.card.notes)
        check_apart(splits)
        return splits


def save(folder: Path, splits: DatasetSplits, card: Card, pii: PiiReport) -> DatasetFolder:
    """Write a data set; nothing when the folder holds the very same one already.

    Raises:
        DatasetError: the folder holds something else, or the disk refuses.
    """
    folder = Path(os.path.abspath(folder))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))  # private to the user: mode 0700
    except OSError as error:
        raise _refused(folder, error) from error
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(shutil.rmtree, made, ignore_errors=True)
        try:
            digest = _write(made, splits, card, pii)
            if folder.exists() and any(folder.iterdir()):
                return _unless_other(folder, digest, made)
            os.replace(made, folder)  # takes the place of an empty folder, too
            _sync(folder.parent)
        except OSError as error:
            raise _refused(folder, error) from error
        on_failure.pop_all()
    return DatasetFolder(folder, digest, card)


def _write(folder: Path, splits: DatasetSplits, card: Card, pii: PiiReport) -> str:
    """Write all files; the digest of the examples."""
    for part in PARTS:
        _lines(folder / f"{part}.jsonl", (example.to_json() for example in getattr(splits, part)))
    _lines(folder / _PRIVACY, ({"source": source, "found": found} for source, found in pii.examples.items()))
    _text(folder / _CARD, [card.to_markdown()])
    names = [*(f"{part}.jsonl" for part in PARTS), _PRIVACY, _CARD]
    files = {name: {"sha256": _sha256(folder / name), "bytes": (folder / name).stat().st_size} for name in names}
    digest = _digest(files)
    manifest = {"format": FORMAT, "digest": digest, "files": files, "card": card.to_json()}
    _text(folder / MANIFEST, [json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"])
    _sync(folder)
    return digest


def _digest(files: Mapping[str, Mapping[str, Any]]) -> str:
    named = [f"{part} {files[f'{part}.jsonl']['sha256']}\n" for part in PARTS]
    return hashlib.sha256("".join(named).encode()).hexdigest()


def _lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    _text(path, (json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def _text(path: Path, pieces: Iterable[str]) -> None:
    with path.open("x", encoding="utf-8", errors="replace", newline="\n") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unless_other(folder: Path, digest: str, made: Path) -> DatasetFolder:
    """The data set that is there, if it is this one."""
    if (folder / MANIFEST).is_file():
        there = load(folder)
        if there.digest == digest and (folder / MANIFEST).read_bytes() == (made / MANIFEST).read_bytes():
            return there
    raise DatasetError(
        f"The folder {folder} holds something else already.",
        kept="It was not changed.",
        fix="Name another folder for the data set, or move that one away.",
    )


def _refused(folder: Path, error: OSError) -> DatasetError:
    what = f"The data set cannot be written to {folder}: {error.strerror or error}."
    return DatasetError(what, kept="Nothing was left half written.", fix="Free some space, or name another folder.")


def load(folder: Path) -> DatasetFolder:
    """Open a data set after checking every byte of it.

    Raises:
        DatasetError: there is none, it was made by a newer version, or a file is not what was written.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            what = f"The data set {folder} has the format {manifest['format']}, and this version reads {FORMAT}."
            raise DatasetError(what, fix="Upgrade Ratchet, or build the data set anew.")
        wrong = [name for name, facts in manifest["files"].items() if _sha256(folder / name) != facts["sha256"]]
        card, sound = Card.from_json(manifest["card"]), _digest(manifest["files"]) == manifest["digest"]
    except FileNotFoundError as error:
        what = f"{folder} is no data set: {Path(error.filename).name} is missing."
        raise DatasetError(what, fix=_REBUILD) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"The data set {folder} cannot be read: {error}.", fix=_REBUILD) from error
    if wrong or not sound:
        changed = ", ".join(wrong) or MANIFEST
        what = f"The data set {folder} is not what was built: {changed} changed since."
        raise DatasetError(what, kept="Nothing was trained.", fix=_REBUILD)
    return DatasetFolder(folder, manifest["digest"], card)
