"""Text as a person can check it before approving: nothing in it is invisible or shown out of order."""

from __future__ import annotations

import re

# Letters and marks by their category, yet nothing is seen of them: fillers, joiners, and the variation selectors, of
# which a row can carry a hidden text.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    r"""The text with every character that cannot be seen, or reorders what is seen, as an escape such as `\u202e`."""
    return "".join(
        letter.encode("unicode_escape").decode("ascii") if not letter.isprintable() or _BLANK.match(letter) else letter
        for letter in text
    )
