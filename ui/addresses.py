"""Which addresses in foreign text may be followed, and what a reader is told of where they lead."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_WEB = re.compile(r"https?://[^/?#\\@\s]+(?:[/?#][^\\\s]*)?", re.ASCII | re.IGNORECASE)
_MAIL = re.compile(r"mailto:[^\\\s]+", re.ASCII | re.IGNORECASE)
_SHORT_PATH = 40  # characters; a longer one may carry what was read, so it is shown


def followable(address: str) -> bool:
    """Whether an address leads to a web page or to a letter, and to nothing that runs or loads by itself."""
    if not address.isascii() or not address.isprintable():
        return False
    if _MAIL.fullmatch(address):
        return True
    return bool(_WEB.fullmatch(address)) and bool(_host(address))


def note_of(address: str, words: str) -> str:
    """Where a followable address leads, when the words of its link do not say so; else an empty string.

    The host of a web page, or its whole address where that could carry more than a place; the recipient of a letter
    with all that would stand in it.
    """
    bare = re.sub("^(?:https?://|mailto:)", "", address, flags=re.IGNORECASE)
    if words.strip().rstrip("/") in {address.rstrip("/"), bare.rstrip("/")}:
        return ""
    if address[:7].lower() == "mailto:":
        return bare
    parts = urlsplit(address)
    return bare if parts.query or parts.fragment or len(parts.path) > _SHORT_PATH else parts.netloc


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:  # a broken IPv6 address
        return ""
