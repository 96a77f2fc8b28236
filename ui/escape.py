"""Text that others wrote, as HTML text: nothing in it is markup, is invisible, or reorders the page."""

from __future__ import annotations

import html
import re
import unicodedata
from itertools import groupby
from operator import itemgetter

from tools.visible import visible

_UNUSUAL = re.compile("[^\n\t\x20-\x7e\xa1-\xac\xae-\u02ff]+")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\x85]")
_SPACES = frozenset("\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000")
_JOINERS = frozenset("\u200c\u200d")
_STYLES = frozenset("\ufe0e\ufe0f")  # text or emoji, of the symbol before
_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f")
_EMOJI = range(0x1F000, 0x1FB00)


def escaped(text: str) -> str:
    """HTML of a text; what cannot be seen, or reorders what is seen, stands as `<span class="r-hidden">` escapes."""
    return _written(text, '<span class="r-hidden">', "</span>")


def attribute(text: str) -> str:
    """A text for the inside of a quoted attribute, on one line."""
    return " ".join(_written(text).split())


def exposed(text: str) -> str:
    r"""The text itself with what cannot be seen as escapes such as `\u202e`; not HTML yet."""
    text = _LINE_ENDS.sub("\n", text)
    return _UNUSUAL.sub(lambda run: "".join(piece for piece, _ in _pieces(text, run)), text)


def _written(text: str, before: str = "", after: str = "") -> str:
    text = _LINE_ENDS.sub("\n", text)
    written, end = [], 0
    for run in _UNUSUAL.finditer(text):
        written.append(html.escape(text[end : run.start()]))
        for piece, hidden in _pieces(text, run):
            written.append(f"{before}{piece}{after}" if hidden else piece)
        end = run.end()
    return "".join(written) + html.escape(text[end:])


def _pieces(text: str, run: re.Match[str]) -> list[tuple[str, bool]]:
    """A run of unusual characters, in pieces to show as they are (False) and escapes that stand for them (True)."""
    whole = run.group()
    if visible(whole) == whole:
        return [(whole, False)]
    letters = []
    for at, letter in enumerate(whole, run.start()):
        escape = visible(letter)
        hidden = escape != letter and not _belongs(letter, text[max(0, at - 1) : at], text[at + 1 : at + 2])
        letters.append((escape if hidden else letter, hidden))
    return [("".join(letter for letter, _ in alike), hidden) for hidden, alike in groupby(letters, itemgetter(1))]


def _belongs(letter: str, before: str, after: str) -> bool:
    """Whether an invisible character does there what it is made for: join, style or space what stands beside it."""
    if letter in _SPACES or unicodedata.category(letter) == "Co" or ord(letter) in _EMOJI:
        return True
    if not before:
        return False
    if letter in _STYLES:
        return _is_symbol(before)
    if letter in _JOINERS:
        return bool(after) and (_is_joined(before) and _is_joined(after) or _is_symbol(before) and _is_symbol(after))
    if letter in _DIRECTION_MARKS:
        return _is_right_to_left(before) or bool(after) and _is_right_to_left(after)
    return letter == "\xad" and before.isalpha() and after.isalpha()


def _is_symbol(letter: str) -> bool:
    return unicodedata.category(letter) in {"So", "Sk", "Sm"} or ord(letter) in _EMOJI or letter in "\ufe0f#*0123456789"


def _is_joined(letter: str) -> bool:
    """A letter of the scripts from Arabic to Myanmar and Khmer, whose shapes depend on joiners."""
    return 0x0600 <= ord(letter) < 0x1800 and unicodedata.category(letter)[0] in "LM"


def _is_right_to_left(letter: str) -> bool:
    return unicodedata.bidirectional(letter) in {"R", "AL", "AN"}
