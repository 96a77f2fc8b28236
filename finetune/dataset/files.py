"""Examples from a file: the format is detected and said, and every record is looked at before time is spent on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from finetune.dataset.plain_text import is_script, prose, script
from finetune.dataset.reading import broken, csv_records, json_records
from finetune.dataset.sources import Reading
from finetune.dataset.templates import PAIRS, TEMPLATES, Unfit, example_of, template_of
from finetune.dataset.tool_schemas import Unusable
from finetune.errors import DatasetError
from finetune.schema import Example

MOST_BYTES = 2**30
TAKE_SOME = "Take the first of them: `ratchet improve dataset build NAME --no-records --file {file} --limit 50000`."
BYTES_A_SECOND = 700_000  # read, scrubbed and compared on one slow core; for an estimate
_SAMPLED = 50
_JSON, _TABLES, _TEXTS = (".json", ".jsonl", ".ndjson"), (".csv", ".tsv"), (".txt", ".md", ".text")
SUFFIXES = (*_JSON, *_TABLES, *_TEXTS)
_FORMS = (
    'Known are {"messages": […]}, {"conversations": […]}, {"instruction", "output"}, {"prompt", "chosen", "rejected"} '
    f"and {', '.join('/'.join(pair) for pair in PAIRS[:4])}."
)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a look at the beginning of a file says.

    Attributes:
        template: its form: a key of `templates.TEMPLATES`, "csv" (of pairs or alpaca), "script" or "prose".
        bytes: its size.
        examples: how many it holds, estimated from the first ones.
    """

    template: str
    bytes: int
    examples: int

    def __str__(self) -> str:
        return f"{self.template}, {self.bytes / 2**20:,.1f} MiB, about {self.examples:,} examples"


@dataclass(frozen=True, slots=True)
class FileSource:
    """The examples of a file.

    Args:
        path: JSONL or JSON (any form of `templates`), CSV or TSV with a header, or text.
        limit: take the first so many records only.
        most_bytes: refuse a larger file, unless there is a limit.
    """

    path: Path
    limit: int | None = None
    most_bytes: int = MOST_BYTES
    reading: Reading = field(default_factory=Reading)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def check(self) -> None:
        """Look at every record that is going to be taken, one at a time.

        That takes a small part of the time of scrubbing and comparing them, which a broken record would waste.

        Raises:
            DatasetError: it does not exist, is empty, too large, or of no known form; or as `read`.
        """
        facts = look_at(self.path)
        if facts.bytes > self.most_bytes and self.limit is None:
            minutes = max(1, facts.bytes // BYTES_A_SECOND // 60)
            raise DatasetError(
                f"{self.path} has {facts.bytes / 2**30:.1f} GiB, about {facts.examples:,} examples; at most "
                f"{self.most_bytes / 2**30:g} GiB are taken at once.",
                kept=f"Nothing was read; to read it all would have taken about {minutes:,} minutes.",
                fix=TAKE_SOME.format(file=self.path),
            )
        for _ in islice(self._examples(Counter()), self.limit):
            pass
        self.reading.facts = str(facts)

    def read(self) -> Iterator[Example]:
        """The examples in the file's order; a dialogue is a group of its own unless the record names one.

        Raises:
            DatasetError: a record is broken, of another form than the first, or without an assistant's turn.
        """
        for line, example in islice(self._examples(self.reading.left_out), self.limit):
            if example is not None:
                source = example.source or f"file:{self.path.name}#{line}"
                yield replace(example, source=source, group=example.group or source)

    def _examples(self, left_out: Counter[str]) -> Iterator[tuple[int, Example | None]]:
        form = look_at(self.path).template
        if form in ("script", "prose"):
            yield from script(self.path) if form == "script" else prose(self.path)
            return
        rows = csv_records(self.path) if form == "csv" else json_records(self.path)
        first = ""
        for line, record in rows:
            first = first or _template(self.path, line, record)
            yield line, self._example(first, line, record, left_out)

    def _example(self, template: str, line: int, record: dict[str, Any], left_out: Counter[str]) -> Example | None:
        own = template_of(record)
        if own != template:
            raise broken(
                self.path,
                line,
                f"the record is of the form {own or 'of no template'}, those before it are of {template}.",
                "Put each form into a file of its own; several files can be given.",
            )
        try:
            return example_of(template, record)
        except Unusable as reason:
            left_out[str(reason)] += 1
        except Unfit as error:
            raise broken(self.path, line, f"{error}.", "Correct the record, or leave it out.") from error
        return None


def look_at(path: Path) -> FileFacts:
    """The form and size of a file, from its first records.

    Raises:
        DatasetError: it does not exist, is no file, empty, of no known form, or its first records are broken.
    """
    if not path.is_file():
        what = f"{path} is a folder." if path.is_dir() else f"There is no file {path}."
        raise DatasetError(what, kept="Nothing was built.", fix=f"Name a file that ends in {', '.join(SUFFIXES)}.")
    size, suffix = path.stat().st_size, path.suffix.lower()
    if suffix in _TEXTS:
        form = "script" if is_script(path) else "prose"
        sample = list(islice(script(path) if form == "script" else prose(path), _SAMPLED))
        taken = sum(len(str(one["content"])) for _, example in sample for one in example.messages)
    elif suffix in (*_JSON, *_TABLES):
        rows = csv_records(path) if suffix in _TABLES else json_records(path)
        records = list(islice(rows, _SAMPLED))
        form = _template(path, *records[0]) if records else ""
        form = "csv" if suffix in _TABLES else form
        sample, taken = records, sum(len(repr(record)) for _, record in records)  # type: ignore[assignment]
    else:
        raise DatasetError(f"{path} is of no known form.", fix=f"Name a file that ends in {', '.join(SUFFIXES)}.")
    if not sample:
        raise DatasetError(f"{path} holds no example.", kept="Nothing was built.", fix="Name a file with examples.")
    return FileFacts(form, size, len(sample) if len(sample) < _SAMPLED else max(1, size * len(sample) // max(1, taken)))


def _template(path: Path, line: int, record: dict[str, Any]) -> str:
    found = template_of(record)
    if found is None:
        named = re.sub(r"\s+", " ", ", ".join(map(str, record)))[:100]
        raise broken(path, line, f"no known form of training data has the fields {named or '(none)'}.", _FORMS)
    assert found in TEMPLATES  # noqa: S101 - the two lists are kept together
    return found
