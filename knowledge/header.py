"""The first bytes of a GGUF file: what kind of model it is, without loading it.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The `gguf` package reads the whole
vocabulary before it tells anything, which takes a second; this stops at the keys that are asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Container
from pathlib import Path
from typing import BinaryIO

_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LONGEST_STRING = 2**24

Value = str | int | float | bool


def read_header(path: Path, suffixes: Container[str]) -> dict[str, Value]:
    """Values of the keys whose last dotted part is in `suffixes`, and of `general.architecture`.

    Reading ends at the tokenizer's keys, which every writer puts after the model's own.

    Raises:
        ValueError: the file does not follow the format.
        OSError: the file cannot be read.
    """
    found: dict[str, Value] = {}
    with path.open("rb") as file:
        file.seek(16)  # magic, version, tensor count
        for _ in range(_number(file, "Q")):
            key = _string(file)
            if key.startswith("tokenizer."):
                break
            value = _value(file, _number(file, "I"))
            if value is not None and (key == "general.architecture" or key.rpartition(".")[2] in suffixes):
                found[key] = value
    return found


def _value(file: BinaryIO, kind: int) -> Value | None:
    if kind == _STRING:
        return _string(file)
    if kind in _FORMATS:
        return _number(file, _FORMATS[kind])
    if kind != _ARRAY:
        raise ValueError(f"unknown value type {kind}")
    inner, count = _number(file, "I"), _number(file, "Q")
    if inner in _FORMATS:
        file.seek(count * struct.calcsize("<" + _FORMATS[inner]), 1)
    else:
        for _ in range(count):
            _value(file, inner)
    return None


def _number(file: BinaryIO, code: str) -> int:
    size = struct.calcsize("<" + code)
    data = file.read(size)
    if len(data) < size:
        raise ValueError("the file ends within its header")
    value: int = struct.unpack("<" + code, data)[0]
    return value


def _string(file: BinaryIO) -> str:
    length = _number(file, "Q")
    if length > _LONGEST_STRING:
        raise ValueError("a string in the header is too long")
    return file.read(length).decode("utf-8")
