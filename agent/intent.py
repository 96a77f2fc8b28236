"""What a question plainly asks for, where no model is needed to see it."""

from __future__ import annotations

import re

from agent.errors import QuestionError

_REMEMBER = re.compile(
    r"^\s*(?:please\s+)?(?:(?:can|could|will)\s+you\s+)?(?:please\s+)?(?:remember|note|keep in mind)"
    r"(?:\s*[:,]\s*|\s+that\s+|\s+(?=my\b|i\b|we\b|our\b))(?P<fact>.+?)\s*$",
    re.IGNORECASE | re.DOTALL,
)
_ABOUT_ONESELF = re.compile(r"\b(?:my|mine|i|me|am i|our)\b", re.IGNORECASE)
# "How do I deploy?" asks about the documents, not about the speaker.
_ASKING_HOW = re.compile(
    r"\b(?:how\s+(?:do|can|could|should|would|must)|can|could|should|may)\s+(?:i|we)\b"
    r"|\bdo\s+i\s+(?:need|have)\s+to\b|\b(?:give|show|tell|help|let)\s+me\b",
    re.IGNORECASE,
)
_SMALL_TALK = re.compile(
    r"^\s*(?:hi|hello|hey|good (?:morning|afternoon|evening)|thanks?(?: you)?|thank you(?: very much)?|bye|goodbye|"
    r"ok(?:ay)?|great|cool|nice|how are you|who are you|what can you do)(?: there| ratchet)?[\s!.?]*$",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"\W*(?:(?:no|nope|nah|not now|never\s*mind|forget (?:it|that|about it)|cancel(?: it| that)?|stop(?: it)?|leave it|"
    r"skip it|do(?: not|n['\u2019]t)(?: bother)?|nothing|none|i(?:['\u2019]ve| have)? changed my mind|thanks|thank you)"
    r"\b[\s,.!]*)+",
    re.IGNORECASE,
)

_SENTENCE_ENDS = re.compile(r"[.!;\n](?=\s)")
# What may follow a fact as a question of its own.
_ASKS = re.compile(
    r"(?:(?:and|so|but|now|ok(?:ay)?|please|then)\b[\s,]*)*(?:what|when|where|who|whom|whose|which|why|how|is|are|was|were|"
    r"do|does|did|can|could|should|would|will|has|have)\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"\?\s*$|^\s*(?:what|when|where|who|whom|whose|which|why|how|is|are|was|were|do|does|did|can|could|should|would|"
    r"will|has|have|tell me|explain|describe|list)\b",
    re.IGNORECASE,
)


def checked(question: str, most_chars: int) -> str:
    """The question without white space around it.

    Raises:
        QuestionError: it is empty, or longer than `most_chars`.
    """
    question = question.strip()
    if not question:
        raise QuestionError("The question is empty.", fix="Type a question.")
    if len(question) > most_chars:
        raise QuestionError(
            f"The question has {len(question):,} characters; the limit is {most_chars:,}.",
            kept="Nothing was sent.",
            fix="Save the long text as a file, `ratchet ingest` it and ask about it, or shorten the question.",
        )
    return question


def fact_to_remember(question: str) -> tuple[str | None, str]:
    """The fact in "remember that …" and the question that follows it: (fact, question).

    The fact is None when something else is asked for, the question empty when nothing but remembering is.
    """
    match = _REMEMBER.match(question)
    if match is None:
        return None, question
    fact = match.group("fact")
    for end in _SENTENCE_ENDS.finditer(fact):
        rest = fact[end.end() :].strip()
        if rest.endswith("?") and _ASKS.match(rest):
            return fact[: end.start() + 1].strip(), rest
    return fact.rstrip("?").strip(), ""


def is_small_talk(question: str) -> bool:
    """Greetings and thanks: nothing to look up."""
    return bool(_SMALL_TALK.match(question))


def is_question(question: str) -> bool:
    """Whether it asks for information, rather than for something to be written or done."""
    return bool(_QUESTION.search(question))


def declines(text: str) -> bool:
    """Whether it takes back what was asked for, and says nothing else."""
    return bool(_DECLINES.fullmatch(text))


def is_about_oneself(question: str) -> bool:
    """Whether it may ask for something the user said about themselves ("what is my name")."""
    return bool(_ABOUT_ONESELF.search(_ASKING_HOW.sub("", question)))
