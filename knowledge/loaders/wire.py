"""Messages between a reader and its worker: a length of four bytes, big-endian, then that much JSON."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

LONGEST = 512 * 2**20
_LENGTH = struct.Struct(">I")


def send(stream: BinaryIO, message: dict[str, Any], *, flush: bool = True) -> int:
    """Write one message; the number of bytes it took."""
    data = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    stream.write(_LENGTH.pack(len(data)) + data)
    if flush:
        stream.flush()
    return len(data) + _LENGTH.size


def receive(stream: BinaryIO, longest: int = LONGEST) -> dict[str, Any] | None:
    """The next message; None when the other side has closed, or sent what is no message of ours."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > longest:
        return None
    data = stream.read(length)
    if len(data) < length:
        return None
    try:
        message = json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
