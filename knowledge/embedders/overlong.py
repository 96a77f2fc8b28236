"""Texts that a model refuses for their length: never cut off, but halved until every part fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# No model is that small: a text this short was refused for another reason.
_SHORTEST = 16


class TooLong(Exception):
    """At least one text of a request is longer than the model takes; `reason` is what the server said."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def embedded_in_parts(texts: Sequence[str], embed: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
    """Unit vectors by `embed`, float32 [len(texts), dimension]; those of overlong texts from their halves.

    A text's vector is the mean of its parts', weighted by their length. One overlong text fails a whole
    request, so the texts are then tried one by one.

    Args:
        texts: at least one.
        embed: one request; returns vectors of any length and raises `TooLong`.

    Raises:
        TooLong: even a few characters were refused.
    """
    import numpy as np

    try:
        return unit(embed(texts))
    except TooLong:
        if len(texts) > 1:
            return np.concatenate([embedded_in_parts([text], embed) for text in texts])
        if len(texts[0]) < _SHORTEST:
            raise
    halves = list(_halves(texts[0]))
    vectors = np.concatenate([embedded_in_parts([half], embed) for half in halves])
    weights = np.array([len(half) for half in halves], dtype=np.float32)
    return unit((weights @ vectors)[np.newaxis])


def unit(vectors: np.ndarray) -> np.ndarray:
    """The rows divided by their lengths: float32, same shape."""
    import numpy as np

    vectors = np.asarray(vectors, dtype=np.float32)
    scaled: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return scaled


def _halves(text: str) -> Iterator[str]:
    """Two parts of a text, parted at the blank nearest before the middle where there is one."""
    middle = len(text) // 2
    blank = text.rfind(" ", middle // 2, middle)
    cut = blank if blank > 0 else middle
    yield from (part for part in (text[:cut].strip(), text[cut:].strip()) if part)
