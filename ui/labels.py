"""Texts of others as labels of buttons and menus, which Streamlit reads as Markdown."""

from __future__ import annotations

import re

from tools.visible import visible

LABEL_CHARS = 80
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def label_of(text: str, limit: int = LABEL_CHARS) -> str:
    r"""A text as a label that shows it as it is: one line, nothing hidden, and no Markdown that could load an image.

    Args:
        text: a title, a question, the name of a file or model.
        limit: longest label in characters; what is longer ends with "…".
    """
    line = shortened(visible(" ".join(text.split())), limit)
    return _PUNCTUATION.sub(r"\\\1", line)


def shortened(text: str, limit: int = LABEL_CHARS) -> str:
    """The first characters of a text, at most `limit` with the "…" that stands for the rest."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
