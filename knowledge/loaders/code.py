"""Source code: the file's own lines, with an outline of the symbols declared in it."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence

from knowledge.loaders.extract import MB, File, Part
from knowledge.loaders.languages import LANGUAGES, declaration
from knowledge.text import decode, sanitize

MAX_BYTES = 16 * MB
MAX_LEVEL = 4
_LONGEST_LINE = 400  # a declaration is shorter, and a pattern tried on less cannot take long
_TAB = 4
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]{1,40})", re.MULTILINE)
_Entry = tuple[int, int, str]


def load(file: File) -> Iterator[Part]:
    """A source file as one part: lines as they are, `outline` one entry per type, function and method."""
    data = file.read(MAX_BYTES)
    declared = _CODING.search(data[:200]) if file.suffix in (".py", ".pyi", ".rb") else None
    text = sanitize(decode(data, file.name, declared.group(1).decode("ascii") if declared else ""))
    lines = text.split("\n")
    outline = python_outline(text) if file.suffix in (".py", ".pyi") else None
    if outline is None:
        outline = scanned_outline(lines, declaration(file.suffix), LANGUAGES[file.suffix][1])
    yield Part(text, markup="code", outline=tuple(outline))


def python_outline(text: str) -> list[_Entry] | None:
    """Classes and functions of a module, methods below their class; None when it is no valid Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a doubtful escape in someone's string is not our matter
            module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last: nested beyond the parser's stack
        return None
    entries: list[_Entry] = []
    waiting: list[tuple[ast.AST, int]] = [(module, 1)]
    while waiting:
        node, level = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                line = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                kind = "class" if isinstance(child, ast.ClassDef) else "def"
                entries.append((line, min(level, MAX_LEVEL), f"{kind} {child.name}"))
                if kind == "class":
                    waiting.append((child, level + 1))
            elif isinstance(child, ast.If | ast.Try | ast.With):
                waiting.append((child, level))
    return sorted(entries)


def scanned_outline(lines: Sequence[str], declares: re.Pattern[str], comments: tuple[str, ...]) -> list[_Entry]:
    """Declarations found line by line; indentation tells which lies in which.

    Args:
        lines: the file's lines.
        declares: matches at the start of a declaring line; its groups named `name…` hold the symbol.
        comments: what a comment or annotation line starts with; those right above a symbol belong to it.
    """
    entries: list[_Entry] = []
    open_at: list[int] = []  # indentation of the symbols around the present line
    last = 0
    for number, line in enumerate(lines, start=1):
        code = line.strip()
        if not code or code.startswith(comments) or len(line) > _LONGEST_LINE:
            continue
        found = declares.match(code)
        if not found:
            continue
        indentation = len(line.expandtabs(_TAB)) - len(line.expandtabs(_TAB).lstrip())
        while open_at and open_at[-1] >= indentation:
            open_at.pop()
        open_at.append(indentation)
        start = number
        while start - 1 > last and lines[start - 2].strip().startswith(comments):
            start -= 1
        end = max(found.end(group) for group in found.groupdict())
        entries.append((start, min(len(open_at), MAX_LEVEL), " ".join(code[:end].split())))
        last = number
    return entries
