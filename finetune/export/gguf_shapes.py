"""What is in a GGUF file, without its numbers and its vocabulary: single values, and the shapes of the tensors.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The `gguf` package makes an array of every word of
the vocabulary first, which takes seconds; here they are stepped over.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from knowledge.header import Value

_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


def read_shapes(path: Path) -> tuple[dict[str, Value], dict[str, tuple[int, ...]]]:
    """The file's single values by key, and the shape of each tensor by name, rows first.

    Raises:
        ValueError: the file does not follow the format.
        OSError: it cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _Cursor(data).read()
        except (struct.error, UnicodeDecodeError, IndexError) as error:
            raise ValueError("the file ends within its header") from error


class _Cursor:
    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 8

    def read(self) -> tuple[dict[str, Value], dict[str, tuple[int, ...]]]:
        tensors, keys = self._number("Q"), self._number("Q")
        values: dict[str, Value] = {}
        for _ in range(keys):
            key = self._string()
            value = self._value(self._number("I"))
            if value is not None:
                values[key] = value
        shapes = {}
        for _ in range(tensors):
            name = self._string()
            shapes[name] = tuple(reversed([self._number("Q") for _ in range(self._number("I"))]))
            self._at += 12  # type and offset
        return values, shapes

    def _value(self, kind: int) -> Value | None:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            if kind not in _FORMATS:
                raise ValueError(f"unknown value type {kind}")
            return self._number(_FORMATS[kind])
        inner, count = self._number("I"), self._number("Q")
        if inner in _FORMATS:
            self._at += count * struct.calcsize("<" + _FORMATS[inner])
        elif inner == _STRING:
            self._step_over(count)
        else:
            raise ValueError(f"unknown type of list {inner}")
        return None

    def _step_over(self, count: int) -> None:
        length = struct.Struct("<Q").unpack_from
        at = self._at
        for _ in range(count):
            at += 8 + length(self._data, at)[0]
        self._at = at

    def _number(self, code: str) -> int:
        value: int = struct.unpack_from("<" + code, self._data, self._at)[0]
        self._at += struct.calcsize("<" + code)
        return value

    def _string(self) -> str:
        length = self._number("Q")
        self._at += length
        if self._at > len(self._data):
            raise ValueError("the file ends within its header")
        return self._data[self._at - length : self._at].decode("utf-8")
