"""What the model is shown: each part has a token budget, and what does not fit is said, never cut silently."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent import prompts
from agent.config import Settings
from agent.models.conversation import FREE
from knowledge.claims import content_words
from knowledge.schema import Passage
from knowledge.spans import Span, sentences_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AnyMessage, BaseMessage

SMALL_MODEL = "local:default"
DEFAULT_CONTEXT = 8192  # tokens, for a model that does not say
MAX_QUOTE_CHARS = 400
MIN_SENTENCE_WORDS = 3  # content words; shorter lines are captions and leftovers of markup

_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKUP = re.compile(r"^\s*(?:[-*+>]|\d+[.)]|#+|/{3,})\s+|\*\*|`+|\{[^}]*\}|<[^>]+>", re.MULTILINE)

# A question that leans on what was said before: a pronoun without a noun, a bare continuation, or talk of
# the speaker's own affairs ("what is my name"). "How do I …" asks about the documents, not about the speaker.
_LEANS = re.compile(
    r"\b(?:it|its|this|that|these|those|they|them|their|he|she|him|her|one|ones|same|above|former|latter|previous|"
    r"earlier|again|instead|my|me|mine|you said|we)\b|^\s*(?:and|but|so|then|also|or|why|what about|how about|else|"
    r"more|ok(?:ay)?|yes|no|really|continue|go on|explain)\b",
    re.IGNORECASE,
)
_ASKING_FOR_ONESELF = re.compile(r"\b(?:give|show|tell|help|let)\s+me\b|\bmy\s+(?:own\s+)?(?:documents?|docs|files)\b")


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens per part of a prompt.

    `small` marks a model that reads slowly and loses its thread in long prompts: it is shown the sentences
    that matter instead of whole passages, and earlier turns only when the question leans on them.
    """

    context: int
    answer: int
    passages: int
    history: int
    facts: int
    small: bool


def budget_for(settings: Settings, model: BaseChatModel) -> Budget:
    """How a model's context is shared out; settings that are 0 are fitted to the model."""
    profile = getattr(model, "profile", None) or {}
    context = settings.model.context_tokens or profile.get("max_input_tokens") or DEFAULT_CONTEXT
    small = settings.model.name == SMALL_MODEL
    answer = min(settings.model.max_tokens, context // 2)
    room = max(0, context - answer - 300)
    return Budget(
        context=context,
        answer=answer,
        passages=settings.knowledge.passage_tokens or (prompts.SMALL_PASSAGES if small else min(4000, room // 2)),
        history=settings.agent.history_tokens or (600 if small else min(8000, room // 3)),
        facts=60 if small else 400,
        small=small,
    )


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent, the honest asides about what is not, and the sentence nearest to the question.

    `nearest` is the index of a passage and a span of its text; None where whole passages were sent.
    """

    messages: list[AnyMessage]
    notes: tuple[str, ...]
    nearest: tuple[int, Span] | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """Everything a prompt may draw on; plain data from the graph's state.

    `query` is the question as it was searched for, which names what a follow-up leaves out; `files` names the file
    of each passage, for questions about several; `open` is what the question goes on with (`agent.open_requests`).
    """

    question: str
    passages: Sequence[Passage] = ()
    relevant: bool = False
    searched: bool = False
    facts: Sequence[str] = ()
    summary: str = ""
    history: Sequence[AnyMessage] = ()
    open: Sequence[AnyMessage] = ()
    draft: Sequence[AnyMessage] = ()
    query: str = ""
    files: bool = False


def leans_on_history(question: str) -> bool:
    """Whether a question is likely to need the turns before it."""
    return bool(_LEANS.search(_ASKING_FOR_ONESELF.sub("", question.lower())))


def build_prompt(material: Material, budget: Budget, count: Callable[[str], int]) -> Prompt:
    """Assemble the messages of one model call.

    The stable part comes first, so that a server which caches prompt prefixes computes only what is new.

    Args:
        material: the parts to choose from.
        budget: tokens per part.
        count: tokens of a text, as the model counts them.
    """
    from langchain_core.messages import HumanMessage, SystemMessage

    notes: list[str] = []
    system: list[AnyMessage] = [SystemMessage(prompts.SYSTEM if budget.small else prompts.SYSTEM_FULL)]
    history = _history(material, budget, count, notes)
    blocks = _facts(material.facts, budget.facts, count, notes)
    passages = _passages(material, budget, count, notes)
    if passages:
        layout = prompts.SENTENCES if budget.small else prompts.PASSAGES
        blocks.append(layout.format(passages=passages, question=material.question, mark=mark_of(passages)))
    elif material.searched and not budget.small:
        blocks.append(prompts.NOTHING_FOUND.format(question=material.question))
    else:
        blocks.append(material.question)
    free = {FREE: material.question} if blocks[-1] == material.question else {}
    human = HumanMessage("\n\n".join(blocks), additional_kwargs=free)
    nearest = (
        nearest_quote(material.query or material.question, material.passages) if budget.small and passages else None
    )
    return Prompt([*system, *history, human, *material.draft], tuple(notes), nearest)


def mark_of(text: str) -> str:
    """Eight hex digits to put around a text that others wrote: it cannot hold its own hash, so it cannot end itself."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _history(material: Material, budget: Budget, count: Callable[[str], int], notes: list[str]) -> list[AnyMessage]:
    from langchain_core.messages import HumanMessage

    if budget.small:  # the last turn is what a question leans on; more would only slow and confuse it
        last = material.history[-2:] if leans_on_history(material.question) else []
        return list(material.open or last)
    kept: list[AnyMessage] = []
    used = count(material.summary) if material.summary else 0
    for message in reversed(material.history):
        used += count(str(message.content)) + 8
        if used > budget.history:
            break
        kept.insert(0, message)
    if kept and kept[0].type == "ai":  # never an answer without its question
        kept.pop(0)
    if len(kept) < len(material.history):
        notes.append(prompts.NOTE_HISTORY_LEFT_OUT.format(count=len(material.history) - len(kept)))
    if material.summary:
        kept.insert(0, HumanMessage(prompts.SUMMARY.format(summary=material.summary)))
    return kept


def _facts(facts: Sequence[str], limit: int, count: Callable[[str], int], notes: list[str]) -> list[str]:
    kept: list[str] = []
    used = 0
    for fact in facts:
        used += count(fact) + 2
        if used > limit:
            notes.append(prompts.NOTE_FACTS_LEFT_OUT.format(count=len(facts) - len(kept)))
            break
        kept.append(f"- {fact}")
    return [prompts.FACTS.format(facts="\n".join(kept))] if kept else []


def _passages(material: Material, budget: Budget, count: Callable[[str], int], notes: list[str]) -> str:
    if not (material.relevant and material.passages):
        return ""
    if budget.small:
        question = material.query or material.question
        texts = nearest_sentences(question, material.passages, budget.passages, count)
    else:
        texts = _whole_passages(material, budget.passages, count)
    shown = sum(bool(text) for text in texts)
    if shown < len(texts):
        note = prompts.NOTE_SHOWN.format(shown=shown, found=len(texts), budget=budget.passages)
        notes.append(note)
    if budget.small:
        return "\n".join(filter(None, texts))
    return "\n".join(
        f"[{number}] {f'{Path(passage.source).name}, ' * material.files}{_label(passage)}: {text}"
        for number, (passage, text) in enumerate(zip(material.passages, texts, strict=True), 1)
        if text
    )


def _label(passage: Passage) -> str:
    return passage.heading.rsplit(" › ", 1)[-1] or Path(passage.source).stem


def _whole_passages(material: Material, limit: int, count: Callable[[str], int]) -> list[str]:
    texts: list[str] = []
    used = 0
    for passage in material.passages:
        used += count(passage.text) + 12
        texts.append(passage.text if used <= limit else "")
    return texts


def nearest_sentences(question: str, passages: Sequence[Passage], limit: int, count: Callable[[str], int]) -> list[str]:
    """From each passage the sentences nearest to the question, best first until the budget is spent.

    Args:
        question: what they should be near to.
        passages: the first ones before others.
        limit: tokens of all of them.
        count: tokens of a text.

    Returns:
        A text for each passage, in its own order; empty where none of its sentences is among them.
    """
    chosen: dict[int, list[Span]] = {}
    used = 0
    for index, span in ranked_sentences(question, passages):
        passage = passages[index]
        cost = count(_unmarked(passage.text[span.start : span.end])) + 1
        if used + cost <= limit:
            used += cost
            chosen.setdefault(index, []).append(span)
    return [_joined(passage.text, chosen.get(index, [])) for index, passage in enumerate(passages)]


def ranked_sentences(question: str, passages: Sequence[Passage]) -> list[tuple[int, Span]]:
    """The sentences of the passages (by index), those that share the rarest words with the question first.

    A passage's own rank counts too, and so does what comes early in it: a hit is often announced before it
    is explained.
    """
    candidates = [
        (index, place, span) for index, passage in enumerate(passages) for place, span in enumerate(_sentences(passage))
    ]
    wanted = content_words(question)
    weights = {word: 1 / (1 + sum(word in span.words for _, _, span in candidates)) for word in wanted}
    whole = sum(weights.values()) or 1.0

    def merit(item: tuple[int, int, Span]) -> float:
        index, place, span = item
        shared = sum(weights[word] for word in wanted & span.words)
        return shared / whole - 0.1 * index - 0.01 * place

    return [(index, span) for index, _, span in sorted(candidates, key=merit, reverse=True)]


def nearest_quote(question: str, passages: Sequence[Passage]) -> tuple[int, Span] | None:
    """The sentence nearest to the question, with the one after it where nothing stands between them."""
    ranked = ranked_sentences(question, passages)
    if not ranked:
        return None
    index, best = ranked[0]
    text = passages[index].text
    after = next((span for span in _sentences(passages[index]) if span.start >= best.end), None)
    if after is None or text[best.end : after.start].strip() or after.end - best.start > MAX_QUOTE_CHARS:
        return index, best
    return index, Span(best.start, after.end, best.words | after.words)


def _sentences(passage: Passage) -> list[Span]:
    return [
        span
        for span in sentences_of(passage.text)
        if len(span.words) >= MIN_SENTENCE_WORDS and not passage.text[span.start : span.end].startswith("#")
    ]


def _unmarked(text: str) -> str:
    """A sentence without the markup around its words, which a small model would only imitate."""
    return " ".join(_MARKUP.sub("", _LINK.sub(r"\1", text)).split())


def _joined(text: str, spans: list[Span]) -> str:
    ordered = sorted(spans, key=lambda span: span.start)
    return " ".join(_unmarked(text[span.start : span.end]) for span in ordered)


def digest(question: str, answer: str) -> str:
    """One line that keeps the gist of a turn in the words that were used: it cannot make anything up."""
    first = re.split(r"(?<=[.!?])\s", answer.strip(), maxsplit=1)[0]
    return f"The user asked: {question.strip()[:160]} Answer: {first[:240]}"


def to_compact(history: Sequence[BaseMessage], budget: Budget, count: Callable[[str], int]) -> int:
    """How many of the oldest messages no longer fit; always whole turns (an even number)."""
    used = 0
    for position in range(len(history) - 1, -1, -1):
        used += count(str(history[position].content)) + 8
        if used > budget.history:
            return min(len(history), position + 1 + (position + 1) % 2)
    return 0
