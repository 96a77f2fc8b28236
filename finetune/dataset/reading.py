"""The records of a file one at a time, each with its line, so that no file ever stands in memory.

Every reader yields `(line, record)` where `line` is the 1-based line on which the record begins.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from finetune.errors import DatasetError

LONGEST_RECORD = 16 * 2**20  # bytes
_CHUNK = 2**18
_UTF8 = "Save it as UTF-8; `iconv -f ENCODING -t UTF-8 FILE` does that."
_NOTHING_YET = "Nothing was built."
_DELIMITERS = ",;\t|"


def broken(path: Path, line: int, why: str, fix: str = "") -> DatasetError:
    """The error of a file that cannot be used, with the place and what to do."""
    return DatasetError(f"{path}, line {line}: {why}", kept=_NOTHING_YET, fix=fix)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            mark = file.read(3)
            if mark[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise broken(path, 1, "the file is UTF-16, not UTF-8.", _UTF8)
            file.seek(3 if mark == codecs.BOM_UTF8 else 0)
            yield file
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.", kept=_NOTHING_YET) from error


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file with their numbers, line ends included; a byte order mark is skipped.

    Raises:
        DatasetError: it cannot be read, is not UTF-8, or has a line of more than `LONGEST_RECORD` bytes.
    """
    with _opened(path) as file:
        number = 0
        while raw := file.readline(LONGEST_RECORD + 1):
            number += 1
            if len(raw) > LONGEST_RECORD:
                why = f"the line is longer than {LONGEST_RECORD // 2**20} MiB."
                raise broken(path, number, why, "Put one example on a line.")
            try:
                yield number, raw.decode("utf-8")
            except UnicodeDecodeError as error:
                why = f"byte {error.start + 1} (0x{raw[error.start]:02x}) is not UTF-8."
                raise broken(path, number, why, _UTF8) from error


def json_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file, or of a file that is one JSON array of them; blank lines are skipped.

    Raises:
        DatasetError: as `text_lines`, or a record is no JSON object.
    """
    with _opened(path) as file:
        first = file.read(4096).lstrip()[:1]
    for line, record in _array(path) if first == b"[" else _lines(path):
        if not isinstance(record, dict):
            raise broken(path, line, "the record is not a JSON object.", "Write each example as one object, {…}.")
        yield line, record


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    for number, text in text_lines(path):
        if not text.strip():
            continue
        try:
            yield number, _sound(json.loads(text), text)
        except (ValueError, RecursionError) as error:
            why = f"the line is not JSON ({error})."
            raise broken(
                path, number, why, "Write one complete JSON object on each line, or one array of them."
            ) from error


def _array(path: Path) -> Iterator[tuple[int, Any]]:
    with _opened(path) as file:
        window = _Window(path, file)
        window.skip(" \t\r\n")
        window.skip("[", most=1)
        while (sign := window.skip(", \t\r\n")) != "]":
            if not sign:
                raise broken(path, window.line, "the array does not end: the file was cut off.", "Get it once more.")
            yield window.value()


class _Window:
    """The part of a JSON file that is being looked at."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self.line = 1

    def _more(self) -> bool:
        """Read on; False at the end of the file."""
        raw = self._file.read(_CHUNK)
        try:
            read = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            ahead = self._text.count("\n", self._at) + raw.count(b"\n", 0, error.start)
            raise broken(self._path, self.line + ahead, "the file is not UTF-8.", _UTF8) from error
        self._text, self._at = self._text[self._at :] + read, 0
        return bool(raw)

    def skip(self, signs: str, most: int = 0) -> str:
        """Pass over these signs; the sign that comes next, empty at the end of the file."""
        passed = 0
        while self._at < len(self._text) or self._more():
            if self._text[self._at : self._at + 1] not in signs or (most and passed == most):
                return self._text[self._at : self._at + 1]
            self.line += self._text[self._at : self._at + 1] == "\n"
            self._at += 1
            passed += 1
        return ""

    def value(self) -> tuple[int, Any]:
        """The JSON value that begins here, and its line."""
        begun = self.line
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
                if end < len(self._text) or not self._more():  # a number could go on
                    break
                continue
            except (ValueError, RecursionError) as error:
                ahead = error.doc.count("\n", self._at, error.pos) if isinstance(error, json.JSONDecodeError) else 0
                if len(self._text) - self._at > LONGEST_RECORD or not self._more():
                    why = f"the record that begins on line {begun} is not JSON."
                    raise broken(self._path, begun + ahead, why, "Correct it, or leave it out.") from error
        written, self._at = self._text[self._at : end], end
        self.line += written.count("\n")
        return begun, _sound(value, written)


def _sound(value: Any, written: str = "\\ud") -> Any:
    """A value without lone surrogates, which JSON can write as an escape and no file can hold."""
    if "\\ud" not in written and "\\uD" not in written:
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_sound(key): _sound(one) for key, one in value.items()}
    return [_sound(one) for one in value] if isinstance(value, list) else value


def csv_records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file (RFC 4180; comma, semicolon, tab or bar) by the names in its first line, lower case.

    Raises:
        DatasetError: as `text_lines`, two columns have one name, or a row has more or fewer cells than there are.
    """
    rows = _csv_rows(path)
    names = [name.strip().lower() for _, header in islice(rows, 1) for name in header]
    if twice := [name for name in names if names.count(name) > 1]:
        raise broken(path, 1, f"two columns are called {twice[0]}.", "Give each column a name of its own.")
    for line, cells in rows:
        if len(cells) != len(names):
            why = f"the row has {len(cells)} cells, the first line {len(names)}."
            raise broken(path, line, why, "Put cells that hold a delimiter or a line break in quotation marks.")
        yield line, dict(zip(names, cells, strict=True))


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty; the delimiter is the one that the first line has most of."""
    header = next((text for _, text in text_lines(path)), "")
    delimiter = max(_DELIMITERS, key=header.count)
    csv.field_size_limit(LONGEST_RECORD)
    rows = csv.reader((text for _, text in text_lines(path)), delimiter=delimiter, strict=True)
    while True:
        begins = rows.line_num + 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            raise broken(path, begins, f"the row is not CSV ({error}).", "Check its quotation marks.") from error
        if cells is None:
            return
        if cells:
            yield begins, cells
