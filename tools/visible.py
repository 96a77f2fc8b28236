"""Text as a person can check it before approving: nothing in it is invisible or shown out of order."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""The text with every character that cannot be seen, or reorders what is seen, as an escape such as `\u202e`."""
    return "".join(
        letter if letter == " " or letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
