"""The model that judges how far a span supports a sentence, and the reason when it does not."""

from __future__ import annotations

from pathlib import Path

from knowledge.amounts import at_odds
from knowledge.antonyms import antonyms
from knowledge.boosted_trees import BoostedTrees, load_trees
from knowledge.claims import Claim, denies, written

MODEL = Path(__file__).with_name("support_model.json")


def support_model() -> BoostedTrees:
    """Trained by `benchmarks/train_groundedness.py`; its limits are "supported" and "partly"."""
    return load_trees(MODEL)


def contradicts(claim: Claim, span: Claim, passage: str) -> bool:
    """Whether numbers, what they measure, code or negations rule out that the span supports the claim."""
    unlike = any(piece not in passage for piece in claim.code) or bool(claim.numbers - span.words)
    return unlike or at_odds(claim.amounts, span.amounts) is not None or denies(claim, span) or denies(span, claim)


def reason_for(sentence: str, claim: Claim, span: Claim, passage: str) -> str:
    """What keeps a sentence from being supported, in a few words, the gravest first."""
    unlike = [piece for piece in claim.code if piece not in passage]
    if unlike:
        return f"the passage does not hold `{unlike[0]}` as it is written here"
    if numbers := written(sentence, claim.numbers - span.words):
        return f"number not found: {', '.join(numbers)}"
    if (amount := at_odds(claim.amounts, span.amounts)) is not None:
        return f"the number stands there, but not as “{amount.written}”"
    if denies(claim, span) or denies(span, claim):
        return "one says “not”, the other does not"
    table = antonyms()
    against = [word for word in claim.spoken - span.spoken if table.get(word, frozenset()) & span.spoken]
    if against:
        return f"the passage says the opposite of “{written(sentence, against)[0]}”"
    missing = claim.names - span.words or claim.words - span.words
    if missing:
        return f"not found: {', '.join(written(sentence, missing)[:4])}"
    return "its words stand there, but not in this connection"
