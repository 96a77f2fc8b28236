"""Bytes to text that is safe to show: decoding, and removal of what could drive a terminal."""

from __future__ import annotations

import codecs
import re

from knowledge.errors import DocumentError

# The longest first: the UTF-16 mark is a prefix of the UTF-32 one.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 200_000
# ECMA-48: control sequences, then strings (title, clipboard, hyperlink) up to their terminator, then
# two-character escapes. The bound keeps an unterminated string from swallowing the document.
_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,2048}(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]*[0-~]"
)
_LINE_ENDS = re.compile("\r\n?")
_SPACES = re.compile("[\x0b\x0c\x85\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")
# C0 and C1 controls, bidirectional overrides and isolates (they reorder what is shown), the byte order
# mark, and the invisible tag characters that can hide instructions from a reader.
_HIDDEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
# What a label means in practice (WHATWG Encoding Standard, section 4.2): the wider encoding that its users write.
_MEANT = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "johab": "cp949",
}
# Written in seven bits, so that they look like ASCII to whoever does not know.
_SHIFTING = ("iso2022", "hz", "utf-7")
# Codecs of Python that are no encodings of documents; some of them take the square of the length.
_NO_ENCODINGS = frozenset({"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
_TERMINAL = b"\x07\x08\x1b\x7f"
_CONTROLS = re.compile("[\x00-\x06\x0e-\x1a\x1c-\x1f]")  # those no terminal session records


def sanitize(text: str) -> str:
    r"""The text without terminal escapes, control characters and direction overrides.

    Keeps `\n` and `\t`; other line ends become `\n`, other breaks a space, lone surrogates U+FFFD.
    Applying it twice changes nothing more.
    """
    text = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text))
    text = _SPACES.sub(" ", text)
    return _HIDDEN.sub("", _SURROGATES.sub("\ufffd", text))


def decode(data: bytes, name: str, declared: str = "") -> str:
    """Text of a file, by its byte order mark, as UTF-8, as declared, or as its bytes suggest.

    Args:
        data: the whole file.
        name: what to call it in an error.
        declared: an encoding named inside the file, such as HTML's `charset`.

    Raises:
        DocumentError: the file is empty, binary, or in an encoding that cannot be recognised.
    """
    if not data.strip():
        raise DocumentError(f"{name} is empty.")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strictly(data, encoding, name)
    if data.count(0) > len(data) // 1000 + 1:  # a single one may have slipped into any text
        raise DocumentError(f"{name} is a binary file, not text.")
    shifted = as_declared(data, declared) if _codec(declared).startswith(_SHIFTING) else ""
    text = shifted or _as_utf8(data) or as_declared(data, declared) or _guessed(data, name)
    if len(_CONTROLS.findall(text)) > len(text) // 20 + 4:
        raise DocumentError(f"{name} is a binary file, not text.")
    return text


def _strictly(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is wrong"
        raise DocumentError(f"{name} announces {encoding} but is not: {reason}.") from error


def _as_utf8(data: bytes) -> str:
    """The text when it is UTF-8, give or take a damaged character; else an empty string."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", errors="replace")
    damaged = text.count("\ufffd")
    foreign = len(data) - sum(map(len, re.findall(rb"[\x00-\x7f]+", data))) if damaged else 0
    return text if damaged * 100 <= foreign else ""


def as_declared(data: bytes, declared: str) -> str:
    """The text in the encoding that a document or server names; empty when it is not in that, or there is no such."""
    for encoding in (_MEANT.get(_codec(declared), ""), _codec(declared)):
        try:
            if encoding:
                return data.decode(encoding)
        except (LookupError, UnicodeError):
            continue
    return ""


def _codec(declared: str) -> str:
    """Python's name of an encoding; empty when it has none, or it is none that documents are written in."""
    try:
        name = codecs.lookup(declared).name if declared else ""
    except (LookupError, ValueError):
        return ""
    return "" if name.replace("-", "_") in _NO_ENCODINGS else name


def _guessed(data: bytes, name: str) -> str:
    from charset_normalizer import from_bytes

    # Bells and the like are no sign of an encoding, but a short text is given up for them.
    best = from_bytes(_telling(data).translate(None, _TERMINAL)).best()
    if best is None:
        raise DocumentError(
            f"{name} is neither UTF-8 nor in an encoding that could be recognised.",
            fix="Save it as UTF-8.",
        )
    return data.decode(best.encoding, errors="replace")


def _telling(data: bytes) -> bytes:
    """A sample that shows the encoding: the beginning, unless what is not ASCII stands behind it."""
    start = data[:_SAMPLE_BYTES]
    if len(start) == len(data) or not start.isascii():
        return start
    lines = (line for line in data[_SAMPLE_BYTES:].splitlines(keepends=True) if not line.isascii())
    return b"".join(lines)[:_SAMPLE_BYTES]
