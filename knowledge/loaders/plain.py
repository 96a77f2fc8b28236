"""Text files whose lines are taken as they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from knowledge.loaders.extract import MB, File, Part
from knowledge.text import decode, sanitize

MAX_BYTES = 64 * MB
_ADORNMENTS = frozenset("=-~^\"'`#*+<>_:.")
_SHORTEST = 3


def load_text(file: File) -> Iterator[Part]:
    """A plain text file; its lines are the file's."""
    yield Part(decode(file.read(MAX_BYTES), file.name))


def load_markdown(file: File) -> Iterator[Part]:
    """A Markdown file; its lines are the file's."""
    yield Part(decode(file.read(MAX_BYTES), file.name), markup="markdown")


def load_structured_text(file: File) -> Iterator[Part]:
    """A reStructuredText file; its lines are the file's, its section titles the outline."""
    text = sanitize(decode(file.read(MAX_BYTES), file.name))
    yield Part(text, outline=tuple(section_titles(text.split("\n"))))


def section_titles(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(line, level, title) of underlined titles; levels by the order in which their styles first appear.

    reStructuredText specification, "Sections": a title is underlined with one punctuation character for at
    least its own length, and may have the same line above.
    """
    styles: list[str] = []
    for number, (title, under) in enumerate(zip(lines, lines[1:], strict=False), start=1):
        if not _adorns(under) or not title.strip() or _adorns(title) or len(under.rstrip()) < len(title.rstrip()):
            continue
        over = number > 1 and lines[number - 2].rstrip() == under.rstrip()
        if title[0].isspace() and not over:
            continue
        style = under[0] * (2 if over else 1)
        if style not in styles:
            styles.append(style)
        yield number - over, styles.index(style) + 1, title.strip()


def _adorns(line: str) -> bool:
    line = line.rstrip()
    return len(line) >= _SHORTEST and line[0] in _ADORNMENTS and line == line[0] * len(line)
