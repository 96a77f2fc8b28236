"""SQuAD 2.0: questions about passages; the answer is the shortest that people marked, or that there is none."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.prompts import REFUSAL
from finetune.default.public_data import chance_of, read_json
from finetune.schema import Example

_MOST_UNANSWERED = 0.4
_LONGEST_ANSWER = 90  # characters
_LONGEST_PASSAGE = 1400
_OTHER = 420  # characters of a passage that is only there to be passed over
_SEVERAL = 0.3  # of the boxes have two to four passages
_MOST = 10  # questions a box
_STRAY = 0.35  # of the boxes get a question about another article

Question = Mapping[str, Any]


def examples(data: Path, seed: int) -> Iterator[Example]:
    """The questions of one paragraph a box, ten at most."""
    chance = chance_of(f"squad-{seed}")
    articles = read_json(data / "train" / "squad" / "train_articles.json")["data"]
    places = [(article, paragraph) for article in articles for paragraph in article["paragraphs"]]
    chance.shuffle(places)
    for article, paragraph in places:
        if len(paragraph["context"]) > _LONGEST_PASSAGE:
            continue
        questions = _chosen(paragraph["qas"], chance)
        if not questions:
            continue
        passages = _passages(article, paragraph, articles, chance)
        if stray := _stray(article, articles, passages, chance):
            questions.append(stray)
        for question in _capped(questions):
            answer = shortest(question["answers"], paragraph["context"]) or REFUSAL
            asked = {"role": "user", "content": question["question"].strip(), "passages": passages}
            reply = {"role": "assistant", "content": answer}
            yield Example((asked, reply), (), f"squad:train#{question['id']}", f"squad:{article['title']}")


def shortest(answers: Sequence[str], context: str) -> str:
    """The shortest marked answer that stands in the passage; empty where there is none."""
    return min((answer for answer in answers if answer in context), key=len, default="").strip(" ,;")


def _chosen(questions: Sequence[Question], chance: random.Random) -> list[Question]:
    """Those worth asking: well-formed, with a short answer or none."""
    usable = [
        question
        for question in questions
        if len(question["question"].split()) > 3
        and (question["is_impossible"] or 0 < len(min(question["answers"], key=len, default="")) <= _LONGEST_ANSWER)
    ]
    return chance.sample(usable, min(len(usable), _MOST - 1))


def _capped(questions: Sequence[Question]) -> list[Question]:
    """At most four in ten without an answer."""
    answered = sum(bool(question["answers"]) for question in questions)
    room = int(answered * _MOST_UNANSWERED / (1 - _MOST_UNANSWERED))
    kept: list[Question] = []
    for question in questions:
        if not question["answers"]:
            room -= 1
            if room < 0:
                continue
        kept.append(question)
    return kept


def _passages(
    article: Question, paragraph: Question, articles: Sequence[Question], chance: random.Random
) -> tuple[str, ...]:
    """The paragraph, at times among others, which are cut after a sentence; from elsewhere if answers are missing."""
    if chance.random() >= _SEVERAL:
        return (paragraph["context"],)
    unanswered = any(question["is_impossible"] for question in paragraph["qas"])
    passages = [paragraph["context"]]
    for _ in range(chance.randint(1, 3)):
        other = chance.choice(articles) if unanswered or chance.random() < 0.3 else article
        if unanswered and other is article:
            continue
        passages.append(first_sentences(chance.choice(other["paragraphs"])["context"], _OTHER))
    passages = list(dict.fromkeys(passages))
    chance.shuffle(passages)
    return tuple(passages)


def first_sentences(text: str, most: int) -> str:
    """As many whole sentences from the beginning as fit into `most` characters, but at least one."""
    kept = ""
    for sentence in re.split(r"(?<=[.?!]) (?=[A-Z])", text):
        if kept and len(kept) + len(sentence) >= most:
            break
        kept = f"{kept} {sentence}".strip()
    return kept


def _stray(
    article: Question, articles: Sequence[Question], passages: Sequence[str], chance: random.Random
) -> Question | None:
    """A question about another article, whose answer the passages do not have."""
    other = chance.choice(articles)
    question = chance.choice(chance.choice(other["paragraphs"])["qas"])
    answers = question["answers"]
    foreign = other is not article and answers and chance.random() < _STRAY
    if not foreign or any(answer in passage for answer in answers for passage in passages):
        return None
    return {**question, "answers": [], "is_impossible": True}
