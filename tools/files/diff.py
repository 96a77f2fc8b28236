"""A difference of two texts, for a person who is to approve it: bounded, and with nothing in it hidden."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from itertools import islice, takewhile

MAX_LINES = 200
MAX_LINE = 300
_CONTEXT = 3
_MOST_COMPARED = 2_000  # lines; comparing takes time that grows with the square
# What `knowledge.text.sanitize` removes, and every space and joiner that looks like another or like nothing.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ud800-\udfff\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    """The text with characters that act on a terminal or cannot be seen written as "<U+202E>"."""
    return _HIDDEN.sub(lambda match: f"<U+{ord(match.group()):04X}>", text)


def unified(before: str, after: str, path: str, *, new: bool = False, gone: bool = False) -> str:
    """A unified diff, at most `MAX_LINES` long; what is left out is counted in its last line.

    Args:
        before: the present text.
        after: what it would become.
        path: how to call the file.
        new: the file does not exist yet.
        gone: the file would be removed.
    """
    if before == after and not new and not gone:
        return f"{path}: no change"
    head = [f"--- {'(no file)' if new else path}", f"+++ {'(no file)' if gone else path}"]
    old, fresh = _lines(before), _lines(after)
    body = _hunks(old, fresh)
    shown = [_cut(line) for line in islice(body, MAX_LINES)]
    left = sum(1 for _ in body)
    rest = [f"… {left:,} further lines of this difference are not shown"] if left else []
    return "\n".join(head + shown + rest)


def _lines(text: str) -> list[str]:
    lines = visible(text.replace("\r\n", "<CR>\n")).split("\n") if text else []
    if lines and lines[-1] == "":
        return lines[:-1]
    return [*lines[:-1], lines[-1] + " (no line end)"] if lines else []


def _hunks(old: list[str], new: list[str]) -> Iterator[str]:
    same = _alike(old, new)
    tail = _alike(old[same:][::-1], new[same:][::-1])
    removed, added = old[same : len(old) - tail], new[same : len(new) - tail]
    if len(removed) * len(added) <= _MOST_COMPARED**2 // 4:
        start, behind = max(0, same - _CONTEXT), max(0, tail - _CONTEXT)
        near = old[start : len(old) - behind], new[start : len(new) - behind]
        for line in islice(difflib.unified_diff(*near, n=_CONTEXT, lineterm=""), 2, None):
            yield _moved(line, start) if line.startswith("@@") else line
        return
    yield f"@@ -{same + 1},{len(removed)} +{same + 1},{len(added)} @@"
    for before, after in zip(removed, added, strict=False):
        yield "-" + before
        yield "+" + after
    yield from ("-" + line for line in removed[len(added) :])
    yield from ("+" + line for line in added[len(removed) :])


def _alike(old: list[str], new: list[str]) -> int:
    """How many lines the two begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _moved(header: str, lines: int) -> str:
    """A hunk's header with line numbers of the whole file."""
    return re.sub(r"(?<=[-+])\d+", lambda match: str(int(match.group()) + lines), header)


def _cut(line: str) -> str:
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}… ({len(line) - MAX_LINE:,} more characters)"
