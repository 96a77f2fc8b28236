"""A text in a few sentences: written by the model, part by part where it is long; quoted where the model is small."""

from __future__ import annotations

import math
from collections import Counter

from tools.text_tasks.reading import MOST_PARTS, Reader, sentences

MOST_SENTENCES = 20
PART_SENTENCES = 4  # that stand for one part of a long text
ROUNDS = 3  # of summarizing summaries
LONGEST_SENTENCE = 400  # characters; what is longer is a list or a table, not a sentence to quote
_OPENING = 0.3  # what the first sentence counts more: news and reports begin with what matters
_PROMPT = "Summarize the following text in {wanted}. Write only the summary, in the language of the text.\n\n{text}"
_TOGETHER = (
    "These are summaries of consecutive parts of one text. Summarize the whole in {wanted}. "
    "Write only the summary, in their language.\n\n{text}"
)
_LOST = "(The model wrote so much about the parts that not all of it could be taken into account.)"
_CUT = "(The model reached its limit of tokens, so the summary may lack its end.)"


def summarized(reader: Reader, text: str, wanted: int) -> str:
    """The summary, in at most `wanted` sentences, and remarks about what it does not cover.

    Raises:
        ToolException: the user asked to stop.
        ModelError: the model failed.
    """
    if reader.small:
        return _quoted(text, wanted)
    parts = reader.parts(text)
    if len(parts) == 1:
        return _finished(*reader.say(_PROMPT.format(wanted=_count(wanted), text=text)), wanted)
    chosen = _spread(parts, MOST_PARTS)
    notes, lost = _condensed(reader, chosen)
    said, cut = reader.say(_TOGETHER.format(wanted=_count(wanted), text=notes))
    summary = _finished(said, cut, wanted)
    if len(chosen) < len(parts):
        summary += f"\n\n(Read {len(chosen)} of {len(parts)} parts, spread evenly; the others were left out.)"
    return f"{summary}\n\n{_LOST}" if lost else summary


def _condensed(reader: Reader, parts: list[str]) -> tuple[str, bool]:
    """Summaries of the parts, again and again until they fit into one call; and whether some had to be left out."""
    for _ in range(ROUNDS):
        prompts = [_PROMPT.format(wanted=_count(PART_SENTENCES), text=part) for part in parts]
        notes = "\n\n".join(" ".join(sentences(reader.say(prompt)[0])[: 2 * PART_SENTENCES]) for prompt in prompts)
        parts = reader.parts(notes)
        if len(parts) <= 1:
            break
    return (parts[0] if parts else ""), len(parts) > 1


def _finished(said: str, cut: bool, wanted: int) -> str:
    kept = sentences(said)
    text = said if len(kept) <= wanted else " ".join(kept[:wanted])
    return f"{text}\n\n{_CUT}" if cut and len(kept) <= wanted else text


def _count(number: int) -> str:
    return "one sentence" if number == 1 else f"at most {number} sentences"


def _spread(parts: list[str], most: int) -> list[str]:
    """All parts, or `most` of them at even distances, the first and the last among them."""
    if len(parts) <= most:
        return parts
    return [parts[round(i * (len(parts) - 1) / (most - 1))] for i in range(most)]


def _quoted(text: str, wanted: int) -> str:
    """The sentences that say most of what the text keeps saying, each time without what was said already.

    After Nenkova and Vanderwende, "The impact of frequency on summarization" (2005), in reading order.
    """
    from knowledge.claims import content_words

    said = [sentence for sentence in sentences(text) if len(sentence) <= LONGEST_SENTENCE]
    said = [each for each in said if each[-1] in ".!?\"'”)"] or said or [text[:LONGEST_SENTENCE]]
    words = [content_words(sentence) for sentence in said]
    frequency = Counter(word for found in words for word in found)
    covered: set[str] = set()
    chosen: list[int] = []

    def merit(at: int) -> float:
        weight = sum(math.log1p(frequency[word]) * (0.2 if word in covered else 1.0) for word in words[at])
        return weight / math.sqrt(len(words[at]) + 4) * (1 + _OPENING * (at == 0))

    while len(chosen) < min(wanted, len(said)):
        best = max((at for at in range(len(said)) if at not in chosen), key=merit)
        chosen.append(best)
        covered |= words[best]
    lines = " ".join(said[at] for at in sorted(chosen))
    return f"{lines}\n\n({len(chosen)} of {len(said)} sentences, quoted: this model is too small to summarize.)"
