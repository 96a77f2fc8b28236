"""Dolly's open questions with short answers: general questions before tools, none of which they need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from finetune.default.public_data import chance_of, lines, seal_schema, seal_specifications
from finetune.default.sources.boxes import answered, chunks, related
from finetune.schema import Example

_LONGEST = 40  # words of an answer
_ANSWERED = 0.5  # of the questions come with their answer, the others teach the choice alone
_TURN = re.compile(r"### Human: (.*?) ### Assistant: (.*)", re.DOTALL)


def examples(data: Path, seed: int) -> Iterator[Example]:
    """Six to nine questions a box of one to six tools."""
    chance = chance_of(f"dolly-{seed}")
    specifications = list(seal_specifications(data).values())
    usable = []
    for number, line in enumerate(lines(data / "train" / "dolly_open_qa" / "chinkara-open_qa.jsonl"), 1):
        match = _TURN.fullmatch(line["text"].strip())
        if match and _usable(*match.groups()):
            usable.append((number, match[1].strip(), re.sub(r"\s+", " ", match[2]).strip()))
    chance.shuffle(usable)
    for number, group in enumerate(chunks(usable, 6, 9, chance)):
        box = tuple(map(seal_schema, chance.sample(specifications, chance.randint(1, 6))))
        for line_number, question, answer in group:
            if not related(question, box):
                said = answer if chance.random() < _ANSWERED else ""
                yield answered(question, said, box, f"dolly:train#{line_number}", f"dolly:box{number}")


def _usable(question: str, answer: str) -> bool:
    own = not re.search(r"(?i)\b(i|my|me|we|our)\b|http|\[\d", answer)  # of an annotator, not of an assistant
    return own and len(question) <= 160 and 0 < len(answer.split()) <= _LONGEST and "###" not in answer
