"""A question with its answer cut out of the passages, so that who learns to answer also learns when to hold back.

People correct answers that are wrong far more often than they confirm that nothing could be said. Whoever learns from
their corrections alone learns that there is always an answer. A counterpart with the same question, and the passages
without the sentences that answered it, shows what the answer hung on (contrast sets: Gardner et al. 2020,
arXiv:2004.02709).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from agent.prompts import REFUSAL
from finetune.schema import Example

_MOST_BESIDE = 4  # passages beside those that were changed; how many there are must not tell that there is no answer
_MOST_CUTS = 8  # for each sentence of an answer; what so many passages repeat is not worth a counterpart
_BARE = frozenset({"yes", "true", "false"})  # answers whose words say nothing about where they are from


def counterparts(examples: Sequence[Example], share: float) -> list[Example]:
    """So many counterparts that about `share` of the questions about passages have no answer; fewer where few can be.

    Args:
        examples: what is learned from; those about no passages are left alone.
        share: in [0, 1).
    """
    asked = [one for one in examples if _about_passages(one)]
    silent = sum(_is_silent(one) for one in asked)
    wanted = round((share * len(asked) - silent) / (1 - share))
    made: list[Example] = []
    for example in sorted(asked, key=_order):
        if len(made) >= wanted:
            break
        made += filter(None, [unanswered(example)])
    return made


def unanswered(example: Example) -> Example | None:
    """The counterpart; None where one would teach what may not be true.

    That is so where the answer says that there is none, where the passages do not support each of its sentences, where
    what is left of them still holds its words or numbers, and where something was said before that may hold it.
    """
    from finetune.evaluation.answer_metrics import without_markers

    if not _about_passages(example) or _is_silent(example):
        return None
    *before, asked, reply = example.messages
    if any(one["role"] != "system" for one in before):
        return None
    passages, answer = list(asked["passages"]), without_markers(str(reply["content"]))
    left = _without(answer, passages)
    shown = _shown(passages, left, 1 + int(example.key[:4], 16) % _MOST_BESIDE)
    if not shown or _still_holds(left, answer, str(asked["content"])):
        return None
    said = (*before, {**asked, "passages": shown}, {"role": "assistant", "content": REFUSAL})
    return Example(said, example.tools, example.source, example.group)


def _shown(passages: Sequence[str], left: Sequence[str], beside: int) -> list[str]:
    """What was changed and some of the others, in their order: all would take as long to learn as the question does."""
    changed = [at for at, text in enumerate(passages) if left[at] != text]
    others = [at for at in range(len(passages)) if at not in changed][:beside]
    return [left[at] for at in sorted((*changed, *others)) if left[at]] if changed else []


def _without(answer: str, passages: Sequence[str]) -> list[str]:
    """The passages without what supports the answer; as they were where a sentence has no support, or too much."""
    from knowledge.spans import sentences_of

    sentences = [answer[span.start : span.end] for span in sentences_of(answer)]
    if any(_support(sentence, passages) is None for sentence in sentences):
        return list(passages)
    left = list(passages)
    for sentence in sentences:
        for _ in range(_MOST_CUTS):
            if (place := _support(sentence, left)) is None:
                break
            at, start, end = place
            left[at] = _cut(left[at], start, end)
        else:
            return list(passages)
    return left


def _cut(text: str, start: int, end: int) -> str:
    """The text without a part of it, its lines and paragraphs as they were: a gap would give the counterpart away."""
    before, after = text[:start].rstrip(), text[end:].lstrip()
    gaps = text[len(before) : start], text[end : len(text) - len(after)]
    gap = max(gaps, key=lambda one: (one.count("\n"), len(one)))
    return f"{before}{gap}{after}" if before and after else before or after


def _support(sentence: str, passages: Sequence[str]) -> tuple[int, int, int] | None:
    """Passage, start and end of the sentence that supports one of an answer best, if only in part."""
    from agent.grounding import Evidence
    from finetune.evaluation.answer_metrics import as_passages
    from knowledge.claims import content_words
    from knowledge.spans import sentences_of

    judgement = Evidence(as_passages(passages)).judge(sentence)
    if judgement is None:
        return next(_holding(sentence, passages), None)
    if judgement.grade == "not" or judgement.nearest is None:
        return None
    at, span = judgement.nearest
    within = [one for one in sentences_of(passages[at]) if span.start <= one.start and one.end <= span.end] or [span]
    nearest = max(within, key=lambda one: len(one.words & content_words(sentence)))  # a span may be two sentences
    return at, nearest.start, nearest.end


def _holding(words: str, passages: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """The sentences that hold an answer too short to be judged word for word."""
    from finetune.evaluation.answer_metrics import holds
    from knowledge.claims import content_words
    from knowledge.spans import sentences_of

    if not content_words(words) - _BARE:
        return
    for at, text in enumerate(passages):
        for span in sentences_of(text):
            if holds(text[span.start : span.end], words):
                yield at, span.start, span.end


def _still_holds(left: Sequence[str], answer: str, question: str) -> bool:
    """Whether a number of the answer is still there, or a sentence with all that it says beyond the question."""
    from knowledge.claims import content_words
    from knowledge.spans import sentences_of

    new = content_words(answer) - content_words(question)
    numbers = {word for word in new if any(letter.isdigit() for letter in word)}
    sentences = [span.words for text in left for span in sentences_of(text)]
    return any(numbers & words or new <= words for words in sentences)


def _about_passages(example: Example) -> bool:
    if len(example.messages) < 2:  # noqa: PLR2004 - a question and its answer
        return False
    asked, reply = example.messages[-2:]
    answered = reply["role"] == "assistant" and reply.get("content") and not reply.get("tool_calls")
    return bool(asked["role"] == "user" and asked.get("passages") and answered and reply.get("weight", 1))


def _is_silent(example: Example) -> bool:
    from finetune.evaluation.answer_metrics import abstains

    return abstains(str(example.messages[-1]["content"]))


def _order(example: Example) -> str:
    """By chance, and the same in every run."""
    return hashlib.sha256(f"counterpart {example.key}".encode()).hexdigest()
