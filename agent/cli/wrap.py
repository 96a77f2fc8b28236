"""Prints an answer while it is being written: whole words, wrapped, markers and code coloured."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_SPACE = re.compile(r"([ \t]+|\n)")
_STYLED = re.compile(r"(\[\d{1,2}\]|`+)")
_MARKER = re.compile(r"\[\d{1,2}\]")
_MARKER_STYLE = "bold cyan"
_CODE_STYLE = "green"
_SIGN_STYLE = "dim yellow"


class AnswerWriter:
    """Writes pieces of text in order; a word waits until its end is known, at most one token.

    Off a terminal the text is written unchanged. Fenced code keeps its lines.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._wrapping = console.is_terminal
        self._word = ""
        self._space = ""
        self._column = 0
        self._code = False
        self._fence = False

    def feed(self, text: str) -> None:
        """Write what is complete of the text so far."""
        from rich.cells import cell_len

        from knowledge.text import sanitize

        clean = sanitize(text)
        if not self._wrapping:
            self._write(clean)
            return
        *done, self._word = _SPACE.split(self._word + clean)
        for word, space in zip(done[::2], done[1::2], strict=True):
            self._place(word)
            self._advance(space)
        if cell_len(self._word) > len(self._word):  # scripts without spaces break anywhere
            self._place(self._word)
            self._word = ""

    def mark(self, sign: str) -> None:
        """Put a sign behind the last word; off a terminal, where the text stays as it is, none."""
        if self._wrapping:
            self._place(self._word)
            self._word = ""
            self._space = " "
            self._place(sign, _SIGN_STYLE)

    def finish(self) -> None:
        """Write the last word and end the line."""
        self._place(self._word)
        self._word = ""
        if self._column or not self._wrapping:
            self._advance("\n")

    def _place(self, word: str, style: str = "") -> None:
        from rich.cells import cell_len

        if not word:
            return
        width = cell_len(word)
        if word.startswith("```") and self._column == 0:
            self._fence = not self._fence
        elif self._column and not self._fence:
            if self._column + cell_len(self._space) + width > self._console.width:
                self._advance("\n")
        self._write(self._space)
        self._column += cell_len(self._space) + width
        self._space = ""
        if style:
            self._write(word, style)
        else:
            self._write_styled(word)

    def _advance(self, space: str) -> None:
        if space != "\n":
            self._space += space
            return
        self._write("\n")
        self._column, self._space, self._code = 0, "", False

    def _write_styled(self, word: str) -> None:
        for part in _STYLED.split(word):
            ticks = part.startswith("`") and not self._fence
            inside = self._code or self._fence or ticks
            marker = _MARKER.fullmatch(part) is not None and not inside
            self._write(part, _MARKER_STYLE if marker else _CODE_STYLE if inside else "")
            if ticks:
                self._code = not self._code

    def _write(self, text: str, style: str = "") -> None:
        from rich.text import Text

        if text:
            self._console.print(Text(text, style=style), end="", soft_wrap=True)
