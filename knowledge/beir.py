"""Reads a test collection in the form of BEIR: documents, queries, and judgments of which answers which.

    corpus.jsonl             {"_id": …, "title": …, "text": …}, one document a line
    queries.jsonl            {"_id": …, "text": …}, one query a line
    qrels/SPLIT.tsv          query-id, corpus-id, score; also qrels_SPLIT.tsv, or qrels.tsv for all; header optional

Thakur et al., "BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of Information Retrieval Models", 2021.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.errors import QuestionSetError, SourceMissing
from knowledge.text import sanitize

_FORM = "A test collection holds corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv."


@dataclass(frozen=True, slots=True)
class BeirDocument:
    """A document of the corpus; `text` is not empty, or else `title` is not."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class BeirFolder:
    """A test collection: where its corpus is, and the judged queries of one split.

    Attributes:
        corpus: path of corpus.jsonl.
        queries: text by id, of the queries that have a relevant document.
        judgments: by query id, the gain of each judged document.
    """

    corpus: Path
    queries: Mapping[str, str]
    judgments: Mapping[str, Mapping[str, int]]

    def documents(self) -> Iterator[BeirDocument]:
        """The documents of the corpus, in its order; empty ones are left out.

        Raises:
            QuestionSetError: a line is not what the form says.
        """
        for where, record in read_jsonl(self.corpus):
            if "_id" not in record:
                raise _wrong(where, 'it has no "_id"')
            title, text = (sanitize(str(record.get(key) or "")).strip() for key in ("title", "text"))
            if title or text:
                yield BeirDocument(str(record["_id"]), title, text)


def read_beir(folder: Path, split: str = "test") -> BeirFolder:
    """The test collection in a folder.

    Args:
        folder: holds the files named above.
        split: which judgments to take, such as "test", "dev" or "train".

    Raises:
        SourceMissing: the folder or one of its files does not exist.
        QuestionSetError: a file is not of this form, or no query of the split has a relevant document.
    """
    corpus, queries = (_existing(folder / name) for name in ("corpus.jsonl", "queries.jsonl"))
    judgments = _read_judgments(_judgments_file(folder, split))
    wanted = {query for query, gains in judgments.items() if any(gain > 0 for gain in gains.values())}
    texts: dict[str, str] = {}
    for where, record in read_jsonl(queries):
        if not isinstance(record.get("text"), str) or "_id" not in record:
            raise _wrong(where, 'it needs "_id" and "text"')
        if str(record["_id"]) in wanted:
            texts[str(record["_id"])] = sanitize(record["text"]).strip()
    if not texts:
        raise QuestionSetError(f"No query in {folder} has a relevant document in the split {split}.", fix=_FORM)
    if missing := wanted - texts.keys():
        what = f'The judgments in {folder} name the query "{min(missing)}"'
        raise QuestionSetError(f"{what}, which queries.jsonl lacks.", fix=_FORM)
    return BeirFolder(corpus, texts, {query: judgments[query] for query in texts})


def read_jsonl(path: Path, form: str = _FORM) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file, each with its place "FILE, line N"; blank lines are skipped.

    Args:
        path: the file.
        form: what its lines should look like, for an error.

    Raises:
        QuestionSetError: a line is not a JSON object, or the file is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                where = f"{path}, line {number}"
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise _wrong(where, "it is not JSON", form) from error
                if not isinstance(record, dict):
                    raise _wrong(where, "it is not an object", form)
                yield where, record
    except UnicodeDecodeError as error:
        raise QuestionSetError(f"{path} is not UTF-8 text.", fix="Save it as UTF-8.") from error
    except OSError as error:
        raise QuestionSetError(f"{path} cannot be read: {error.strerror or error}.") from error


def _judgments_file(folder: Path, split: str) -> Path:
    candidates = [folder / "qrels" / f"{split}.tsv", folder / f"qrels_{split}.tsv", folder / "qrels.tsv"]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        others = [*folder.glob("qrels/*.tsv"), *folder.glob("qrels_*.tsv")]
        there = sorted(path.stem.removeprefix("qrels_") for path in others)
        hint = f"There are judgments for: {', '.join(there)}." if there else _FORM
        raise SourceMissing(f"{folder} has no judgments for the split {split}.", fix=hint)
    return found


def _read_judgments(path: Path) -> dict[str, dict[str, int]]:
    judgments: dict[str, dict[str, int]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionSetError(f"{path} cannot be read: {error}.") from error
    for number, line in enumerate(lines, start=1):
        cells = line.split("\t") if "\t" in line else line.split()
        if len(cells) == 4:  # trec_eval's own form has an iteration, always 0, in second place
            del cells[1]
        if not line.strip() or (number == 1 and not cells[-1].lstrip("-").isdigit()):
            continue
        if len(cells) != 3 or not cells[2].lstrip("-").isdigit():
            raise _wrong(f"{path}, line {number}", "it is not query, document and score")
        judgments.setdefault(cells[0], {})[cells[1]] = int(cells[2])
    return judgments


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise SourceMissing(f"There is no file {path}.", fix=_FORM)
    return path


def _wrong(where: str, why: str, form: str = _FORM) -> QuestionSetError:
    return QuestionSetError(f"{where} cannot be used: {why}.", fix=form)
