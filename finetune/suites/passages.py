"""The suite "squad": questions about one to three passages, every other one without an answer in them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from finetune.default.public_data import chance_of, read_json
from finetune.default.sources.squad import first_sentences
from finetune.evaluation.items import EvaluationItem

_SEVERAL = 0.4  # of the paragraphs are shown among others
_OTHER = 420  # characters of a passage that is only there to be passed over


def items(name: str, data: Path, seed: int) -> list[EvaluationItem]:
    """As many questions with an answer as without."""
    articles = read_json(data / "dev" / "squad" / "dev_articles.json")["data"]
    chance = chance_of(f"{name}-{seed}")
    answered: list[EvaluationItem] = []
    unanswered: list[EvaluationItem] = []
    for article in articles:
        for paragraph in article["paragraphs"]:
            passages = _passages(article, paragraph, articles, chance)
            for item in _items(name, paragraph["qas"], passages):
                (answered if item.expected["answers"] else unanswered).append(item)
    size = min(len(answered), len(unanswered))
    return list(chain(chance.sample(answered, size), chance.sample(unanswered, size)))


def _items(name: str, questions: Sequence[Mapping[str, Any]], passages: tuple[str, ...]) -> Iterator[EvaluationItem]:
    for question in questions:
        said = ({"role": "user", "content": question["question"].strip(), "passages": passages},)
        answers = [] if question["is_impossible"] else list(dict.fromkeys(question["answers"]))
        if answers or question["is_impossible"]:
            yield EvaluationItem(f"{name}-{question['id']}", name, said, (), {"answers": answers})


def _passages(
    article: Mapping[str, Any],
    paragraph: Mapping[str, Any],
    articles: Sequence[Mapping[str, Any]],
    chance: random.Random,
) -> tuple[str, ...]:
    """The paragraph, at times with beginnings of other articles' paragraphs, which cannot hold its answers."""
    passages = [paragraph["context"]]
    if chance.random() < _SEVERAL:
        others = [other for other in articles if other is not article]
        for other in chance.sample(others, chance.randint(1, 2)):
            passages.append(first_sentences(chance.choice(other["paragraphs"])["context"], _OTHER))
        chance.shuffle(passages)
    return tuple(passages)
