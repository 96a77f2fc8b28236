"""Examples that say the same: exactly, by what is asked and answered, or nearly, by MinHash over word shingles.

Broder, "On the resemblance and containment of documents", 1997; candidates by bands of the signature (Indyk and
Motwani, 1998), each then compared in full, so that nothing is dropped on an estimate.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.schema import Example, Message

SHINGLE_WORDS = 3
FEWEST_SHINGLES = 6  # of a shorter text, one other word can change everything
_HASHES, _BANDS = 128, 16  # candidates above a similarity of about (1/16)^(1/8) = 0.71
_AT_ONCE = 4096
_WORD = re.compile(r"\w+(?:[.,:/-]\w+)*")


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """Examples of which no two say the same, and how many others there were.

    Attributes:
        kept: in their order; of those that say the same, the first.
        exact: dropped, same question and same answer.
        near: dropped, nearly the same question and answer with the same numbers in them.
        contradictory: dropped, the same answer wanted in one and unwanted in another.
    """

    kept: tuple[Example, ...]
    exact: int = 0
    near: int = 0
    contradictory: int = 0


def deduplicate(examples: Iterable[Example], *, near: float | None = 0.8, seed: int = 0) -> Deduplicated:
    """Drop the examples that say what another says.

    Args:
        examples: in the order of preference.
        near: Jaccard similarity of word shingles from which two are nearly the same; None for exact ones only. Below
            0.7 not all are found.
        seed: of the hash functions.
    """
    given = list(examples)
    wanted: dict[str, set[bool]] = defaultdict(set)
    for example in given:
        wanted[_identity(example)].add(example.label is not False)
    agreed = [example for example in given if len(wanted[_identity(example)]) == 1]
    first: dict[str, Example] = {}
    for example in agreed:
        first.setdefault(_identity(example), example)
    distinct = list(first.values())
    kept = distinct if near is None else _without_near(distinct, near, seed)
    contradictory, exact = len(given) - len(agreed), len(agreed) - len(distinct)
    return Deduplicated(tuple(kept), exact, len(distinct) - len(kept), contradictory)


def _identity(example: Example) -> str:
    """What is asked and what is answered, folded as `Example.key` folds; another box of tools is another decision."""
    rejected = _answer(example.rejected) if example.rejected else ""
    return f"{example.key} {_answer(example.messages[-1])} {rejected} {sorted(_offered(example))}"


def _offered(example: Example) -> frozenset[str]:
    return frozenset(str(tool["function"]["name"]) for tool in example.tools)


def _answer(message: Message) -> str:
    said = " ".join(str(message.get("content") or "").split()).casefold()
    calls = json.dumps(message.get("tool_calls") or [], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(f"{said}\n{calls}".encode("utf-8", "replace")).hexdigest()


def _without_near(examples: Sequence[Example], limit: float, seed: int) -> list[Example]:
    texts = [_text(example) for example in examples]
    shingled = [_shingles(text) for text in texts]
    numbers = [frozenset(word for word in _WORD.findall(text) if any(map(str.isdigit, word))) for text in texts]
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    kept: list[Example] = []
    for at, bands in enumerate(_bands(shingled, seed)):
        candidates = dict.fromkeys(other for key in bands for other in buckets[key])
        same = (
            numbers[at] == numbers[other]
            and _comparable(examples[at], examples[other])
            and jaccard(shingled[at], shingled[other]) >= limit
            for other in candidates
        )
        if any(same):
            continue
        kept.append(examples[at])
        for key in bands:
            buckets[key].append(at)
    return kept


def _comparable(one: Example, other: Example) -> bool:
    """Whether two that say nearly the same teach the same: not where the very same question has other tools."""
    alike = one.label == other.label and (one.rejected is None) == (other.rejected is None)
    return alike and (_offered(one) == _offered(other) or one.key != other.key)


def _text(example: Example) -> str:
    """What the user said and what is to be answered, without passages and what is context only."""
    parts = [str(one.get("content") or "") for one in example.messages if one["role"] == "user"]
    for message in example.messages:
        if message["role"] == "assistant" and message.get("weight", 1):
            parts.append(str(message.get("content") or ""))
            parts += [json.dumps(call, ensure_ascii=False) for call in message.get("tool_calls") or ()]
    return "\n".join(parts).casefold()


def _shingles(text: str) -> np.ndarray:
    """The distinct hashes of the word shingles, uint64 [n], sorted; none for a text of too few words."""
    words = _WORD.findall(text)
    runs = {" ".join(words[at : at + SHINGLE_WORDS]) for at in range(len(words) - SHINGLE_WORDS + 1)}
    if len(runs) < FEWEST_SHINGLES:
        return np.zeros(0, dtype=np.uint64)
    digests = b"".join(hashlib.blake2b(run.encode("utf-8", "replace"), digest_size=8).digest() for run in runs)
    return np.unique(np.frombuffer(digests, dtype="<u8"))


def _bands(shingled: Sequence[np.ndarray], seed: int) -> Iterator[list[tuple[int, bytes]]]:
    """The buckets of each text; none for one without shingles."""
    chance = np.random.default_rng(seed)
    factors = chance.integers(1, 2**63, size=_HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    offsets = chance.integers(0, 2**63, size=_HASHES, dtype=np.uint64)
    rows = _HASHES // _BANDS
    for hashes in shingled:
        if not len(hashes):
            yield []
            continue
        signature = np.full(_HASHES, np.iinfo(np.uint32).max, dtype=np.uint32)
        for begin in range(0, len(hashes), _AT_ONCE):
            # Multiply-shift: the upper half of a·x + b modulo 2^64.
            mixed = (hashes[begin : begin + _AT_ONCE, None] * factors + offsets) >> np.uint64(32)
            signature = np.minimum(signature, mixed.min(axis=0).astype(np.uint32))
        yield [(band, signature[band * rows : (band + 1) * rows].tobytes()) for band in range(_BANDS)]


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Shared members over all members of two sets, each given as sorted distinct values; 0 for empty ones."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / max(1, len(one) + len(other) - shared)
