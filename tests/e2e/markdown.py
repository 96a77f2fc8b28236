"""The code blocks of a Markdown file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and where it stands, as in "models.md:31"."""

    name: str
    language: str
    code: str


def blocks(path: Path, *languages: str) -> list[Block]:
    """The blocks of a file in the given languages, in order."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(f"{path.name}:{text.count(chr(10), 0, match.start()) + 1}", match[1], match[2])
        for match in _BLOCK.finditer(text)
        if match[1] in languages
    ]
