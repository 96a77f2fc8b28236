from __future__ import annotations

import base64
import random
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from knowledge.chunking import embedded_text, estimate_tokens, split
from knowledge.chunking.tokens import cut_line
from knowledge.embedders.minilm import MiniLMEmbeddings

MODEL_TAKES = 512
VOWELS, CONSONANTS = "aeiou", "bcdfghjklmnprstvwz"


def made_up(kind: str, chance: random.Random) -> str:
    """A long text of words that no language has."""
    if kind == "base64":
        return base64.b64encode(chance.randbytes(3000)).decode()
    if kind == "hashes":
        return " ".join(chance.randbytes(20).hex() for _ in range(150))
    words = []
    for _ in range(800):
        length = chance.randint(2, 12)
        letters = [string.ascii_lowercase] * length if kind == "letters" else [VOWELS, CONSONANTS] * length
        words.append("".join(chance.choice(each) for each in letters[:length]))
    return " ".join(words)


@pytest.mark.parametrize("kind", ["base64", "hashes", "letters", "syllables"])
def test_made_up_words_still_fit_the_model(kind: str, embeddings: MiniLMEmbeddings) -> None:
    text = made_up(kind, random.Random(3))
    found = list(split([Document(text)], "/a.txt"))
    assert len(found) > 5
    assert max(embeddings.count_tokens(p.text) for p in found) <= MODEL_TAKES - 2


def test_estimates_hold_for_real_text(embeddings: MiniLMEmbeddings, shared_data: Path) -> None:
    folder = shared_data / "text" / "fastapi_docs" / "tutorial"
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))[:12]]
    texts += [
        (shared_data / "dev" / "chunking" / f"{name}.md").read_text("utf-8")[:30_000] for name in ("pubmed", "finance")
    ]
    documents = [Document(text, metadata={"markup": "markdown"}) for text in texts]
    sample = [embedded_text(passage) for passage in split(documents, "/docs")][::4]
    assert len(sample) > 60
    counts = [embeddings.count_tokens(text) for text in sample]
    assert max(counts) <= MODEL_TAKES // 2
    estimated = sum(map(estimate_tokens, sample))
    assert 0.7 * estimated < sum(counts) < estimated


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("the cat", 2), ("understanding", 3), ("xqzk", 3), ("1234567", 3), ("a-b", 3), ("한", 3), ("é", 2)],
)
def test_what_units_cost(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_pieces_are_about_equally_long_and_end_with_a_sentence() -> None:
    line = " ".join(f"This is the sentence with number {number}." for number in range(50))
    pieces = list(cut_line(line, 150))
    costs = list(map(estimate_tokens, pieces))
    assert " ".join(pieces) == line
    assert all(piece.endswith(".") for piece in pieces)
    assert max(costs) <= 150
    assert min(costs) > 0.6 * max(costs)


def test_a_line_a_little_over_budget_leaves_no_crumb() -> None:
    line = "Seven plain words make one short sentence. " * 22
    first, second = cut_line(line.strip(), 180)
    assert estimate_tokens(second) > 60


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=600), st.text(alphabet="ab .!?漢", max_size=600)), st.integers(1, 60))
def test_cutting_loses_nothing_but_blanks(line: str, budget: int) -> None:
    pieces = list(cut_line(line, budget))
    assert "".join("".join(pieces).split()) == "".join(line.split())
    # One unit may cost more than the budget; then it is a piece of its own.
    assert all(estimate_tokens(piece) <= budget or len(piece) <= 48 for piece in pieces)
