"""A question with its answer cut out of the passages, so that who learns to answer also learns when to hold back.

People correct answers that are wrong far more often than they confirm that nothing could be said. Whoever learns from
their corrections alone learns that there is always an answer. A counterpart with the same question, and passages that
differ in nothing but the sentences that answered it, shows what the answer hung on (contrast sets: Gardner et al. 2020,
arXiv:2004.02709).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from agent.prompts import REFUSAL
from finetune.schema import Example

_MOST_BESIDE = 3  # passages beside those that were changed; how many it is must not tell that there is no answer
_MOST_CUTS = 8  # for each sentence of an answer; what so many passages repeat is not worth a counterpart


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
    """The counterpart; None where the answer says that there is none, or its passages do not support it."""
    from finetune.evaluation.answer_metrics import without_markers

    if not _about_passages(example) or _is_silent(example):
        return None
    *before, asked, reply = example.messages
    passages = list(asked["passages"])
    left = _without(without_markers(str(reply["content"])), passages)
    shown = _shown(passages, left, 1 + int(example.key[:4], 16) % _MOST_BESIDE)
    if not shown:
        return None
    said = (*before, {**asked, "passages": shown}, {"role": "assistant", "content": REFUSAL})
    return Example(said, example.tools, example.source, example.group)


def _shown(passages: Sequence[str], left: Sequence[str], beside: int) -> list[str]:
    """What was changed and some of the others, in their order: all would take as long to learn as the question does."""
    changed = [at for at, text in enumerate(passages) if left[at] != text]
    others = [at for at in range(len(passages)) if at not in changed][:beside]
    return [left[at] for at in sorted((*changed, *others)) if left[at]] if changed else []


def _without(answer: str, passages: Sequence[str]) -> list[str]:
    """The passages without the sentences that support the answer; as they were where too many do."""
    from knowledge.spans import sentences_of

    left = list(passages)
    for sentence in (answer[span.start : span.end] for span in sentences_of(answer)):
        for _ in range(_MOST_CUTS):
            if (place := _support(sentence, left)) is None:
                break
            at, start, end = place
            left[at] = f"{left[at][:start].rstrip()} {left[at][end:].lstrip()}".strip()
        else:
            return list(passages)
    return left


def _support(sentence: str, passages: Sequence[str]) -> tuple[int, int, int] | None:
    """Passage, start and end of what supports a sentence of an answer best, if only in part."""
    from agent.grounding import Evidence
    from knowledge.schema import Passage

    shown = [Passage(str(n), str(n), text, 1, 1 + text.count("\n")) for n, text in enumerate(passages)]
    judgement = Evidence(shown).judge(sentence)
    if judgement is None:
        return next(_holding(sentence, passages), None)
    if judgement.grade == "not" or judgement.nearest is None:
        return None
    at, span = judgement.nearest
    return at, span.start, span.end


def _holding(words: str, passages: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """The sentences that hold an answer too short to be judged word for word."""
    from finetune.evaluation.answer_metrics import normalized
    from knowledge.spans import sentences_of

    bare = normalized(words)
    for at, text in enumerate(passages):
        for span in sentences_of(text):
            if bare and f" {bare} " in f" {normalized(text[span.start : span.end])} ":
                yield at, span.start, span.end


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
