"""Sentences with a known verdict, made from questions with known answers.

A question and its answer make a statement; the paragraph they were asked about supports it. The same statement
with another answer, another number, a negation, an opposite or its names exchanged is not supported. Sentences
of the paragraph itself are changed in the same ways, and stand unchanged too. A question that the paragraph does
not answer makes an unsupported statement with any answer of the right kind.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_WH = re.compile(
    r"\b((?:in|on|at|by|to|from|of|for|with|during|under|through)\s+)?"
    r"(what|which|whose|whom|who|when|where|why|how many|how much|how old|how long|how)\b",
    re.IGNORECASE,
)
_AUX = re.compile(
    r"\b(did|does|do|is|are|was|were|has|have|had|can|could|will|would|should|may|might|must)\b", re.IGNORECASE
)
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)")
_NAMED = re.compile(r"(?<=[a-z,;] )(?:[A-Z][\w'-]+)(?: [A-Z][\w'-]+)*")
_VERB = re.compile(r"\b(is|are|was|were|has|have|had|can|could|will|would|should|must)\b(?! not\b)")
_DENIALS = (
    (re.compile(r"\b(?:not|never) "), ""),
    (re.compile(r"\bcannot\b"), "can"),
    (re.compile(r"n't\b"), ""),
    (re.compile(r"\bwithout\b"), "with"),
    (re.compile(r"\b([Nn])o (?=[a-z])"), "the "),
)
# Half of these stand in the list that the model's features know (knowledge/antonyms.py), half do not.
_OPPOSITES = dict(
    pair.split("/")
    for pair in (
        "increased/decreased increase/decrease rise/fall before/after early/late first/last large/small high/low "
        "higher/lower larger/smaller northern/southern north/south eastern/western east/west old/new won/lost many/few "
        "most/few more/less internal/external public/private male/female positive/negative direct/indirect "
        "expanded/contracted expensive/cheap advantage/disadvantage approved/vetoed praised/criticized hired/fired "
        "wealthy/poor popular/unpopular temporary/permanent famous/obscure abundant/scarce voluntary/compulsory "
        "similar/unlike appointed/dismissed improved/worsened protected/endangered victory/surrender civilian/military "
        "religious/secular flexible/rigid local/global main/minor major/minor successful/unsuccessful near/far "
        "together/separately oxidized/reduced majority/handful entire/half century/decade year/month"
    ).split()
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


@dataclass(frozen=True)
class Example:
    """A sentence to be judged.

    Attributes:
        group: an article or question; examples of one group never stand on both sides of a split.
        kind: how it was made.
        supported: whether the first of the passages supports it.
    """

    group: str
    kind: str
    sentence: str
    passages: tuple[str, ...]
    supported: bool


def kind_of(answer: str) -> str:
    """What sort of answer: number, name or words."""
    if any(char.isdigit() for char in answer):
        return "number"
    return "name" if answer[:1].isupper() else "words"


def statement(question: str, answer: str) -> str:
    """A question and its answer as one sentence; its grammar may limp, its content words do not."""
    text = " ".join(question.split()).rstrip("?. ")
    found = _WH.search(text)
    if not found:
        return f"{text} {answer}."
    rest = text[found.end() :].strip()
    if text[: found.start()].strip():  # "… was described by whom"
        lead = f"{text[: found.start()]}{found.group(1) or ''}".strip()
        return f"{lead} {answer} {rest}".strip() + "."
    word, preposition = found.group(2).lower(), found.group(1) or ""
    verb = _AUX.search(rest)
    if verb is None:  # "who discovered oxygen"
        return f"{answer} {rest}."
    if (
        word.startswith(("who", "what", "which"))
        and verb.start() == 0
        and verb.group().lower() not in ("did", "do", "does")
    ):
        return f"{answer} {rest}."
    tail = rest[verb.end() :].strip()
    if word.startswith("how m"):
        return f"{tail} {answer} {rest[: verb.start()].strip()}."
    joint = preposition or ("in " if word in ("when", "where") else "because of " if word == "why" else "")
    return f"{tail} {joint}{answer}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def changed_number(text: str, chance: random.Random) -> str | None:
    """One of its numbers replaced by one close to it."""
    numbers = list(_NUMBER.finditer(text))
    if not numbers:
        return None
    spot = chance.choice(numbers)
    digits = spot.group().replace(",", "")
    if "." in digits:
        new = f"{float(digits) * chance.choice((0.5, 1.1, 2, 3)):.{len(digits.partition('.')[2])}f}"
    else:
        value = int(digits)
        new = str(max(0, value + chance.choice((-20, -10, -3, -1, 1, 2, 7, 10, 30))) if value > 1 else value + 3)
    return None if new == digits else text[: spot.start()] + new + text[spot.end() :]


def changed_name(text: str, names: list[str], chance: random.Random) -> str | None:
    """One of its names replaced by another of the same article."""
    spots = list(_NAMED.finditer(text))
    others = [name for name in names if name not in text]
    if not spots or not others:
        return None
    spot = chance.choice(spots)
    return text[: spot.start()] + chance.choice(others) + text[spot.end() :]


def swapped_names(text: str, chance: random.Random) -> str | None:
    """Two of its names exchanged."""
    spots = list(_NAMED.finditer(text))
    if len({spot.group() for spot in spots}) < 2:
        return None
    one, two = sorted(chance.sample(spots, 2), key=lambda spot: spot.start())
    if one.group() == two.group():
        return None
    between = text[one.end() : two.start()]
    if not re.search(r"[a-z]{4}", between):  # a list: its order says nothing
        return None
    return text[: one.start()] + two.group() + between + one.group() + text[two.end() :]


def affirmed(text: str) -> str | None:
    """The same with its negation taken away."""
    for denial, instead in _DENIALS:
        if denial.search(text):
            return denial.sub(instead, text, count=1)
    return None


def negated(text: str, chance: random.Random) -> str | None:
    """The same with a negation."""
    verb = _VERB.search(text)
    if verb is None or affirmed(text):
        return None
    return f"{text[: verb.end()]} {chance.choice(('not', 'never'))}{text[verb.end() :]}"


def opposite(text: str, chance: random.Random) -> str | None:
    """One of its words replaced by its opposite."""
    spots = [match for match in re.finditer(r"\b[a-z]+\b", text) if match.group() in _OPPOSITES]
    if not spots:
        return None
    spot = chance.choice(spots)
    return text[: spot.start()] + _OPPOSITES[spot.group()] + text[spot.end() :]


def shortened(text: str, chance: random.Random) -> str | None:
    """The same without what stands in brackets, before or after a comma."""
    bare = re.sub(r"\s*\([^()]*\)", "", text)
    parts = bare.rstrip(".").split(", ")
    if len(parts) < 2:
        return bare if bare != text else None
    kept = parts[:-1] if chance.random() < 0.5 else parts[1:]
    short = ", ".join(kept)
    return _capital(short) + "." if len(short.split()) >= 5 else None


def squad(path: Path, seed: int = 0, per_paragraph: int = 4) -> Iterator[Example]:
    """Examples from a file in SQuAD 2.0's form."""
    chance = random.Random(seed)
    for article in json.loads(path.read_text("utf-8"))["data"]:
        paragraphs = article["paragraphs"]
        contexts = [part["context"] for part in paragraphs]
        answers: dict[str, list[str]] = {"number": [], "name": [], "words": []}
        for item in (item for part in paragraphs for item in part["qas"] if item["answers"]):
            answers[kind_of(item["answers"][0])].append(item["answers"][0])
        for part in paragraphs:
            others = [text for text in contexts if text != part["context"]]
            passages = (part["context"], *chance.sample(others, min(2, len(others))))
            for example in _paragraph(part, answers, per_paragraph, chance):
                kind, sentence, supported = example
                yield Example(article["title"], kind, _capital(sentence), passages, supported)


def _paragraph(
    part: dict, answers: dict[str, list[str]], most: int, chance: random.Random
) -> Iterator[tuple[str, str, bool]]:
    context = part["context"]
    local = {item["answers"][0] for item in part["qas"] if item["answers"]}
    for item in chance.sample(part["qas"], min(most, len(part["qas"]))):
        if item["answers"]:
            yield from _asked(item["question"], item["answers"], context, answers, chance)
        elif local:
            yield "unanswerable", statement(item["question"], chance.choice(sorted(local))), False
    whole = [text.strip() for text in _SENTENCE.split(context) if 6 <= len(text.split()) <= 40]
    for sentence in chance.sample(whole, min(2, len(whole))):
        yield "verbatim", sentence, True
        if short := shortened(sentence, chance):
            yield "shortened", short, True
        yield from _changes(sentence, answers["name"], context, chance, 2)


def _asked(
    question: str, right: list[str], context: str, answers: dict[str, list[str]], chance: random.Random
) -> Iterator[tuple[str, str, bool]]:
    said = statement(question, right[0])
    yield "answered", said, True
    kind = kind_of(right[0])
    far = [other for other in answers[kind] if other.lower() not in context.lower()]
    near = [other for other in answers[kind] if other.lower() in context.lower()]
    near = [other for other in near if not any(other in text or text in other for text in right)]
    if far and chance.random() < 0.5:
        yield f"wrong {kind}", statement(question, chance.choice(far)), False
    if near and chance.random() < 0.5:
        yield f"wrong {kind} from the passage", statement(question, chance.choice(near)), False
    yield from _changes(said, answers["name"], context, chance, 1)


def _changes(
    text: str, names: list[str], context: str, chance: random.Random, most: int
) -> Iterator[tuple[str, str, bool]]:
    made = [
        ("changed number", changed_number(text, chance)),
        ("changed name", changed_name(text, names, chance)),
        ("swapped names", swapped_names(text, chance)),
        ("negated", negated(text, chance)),
        ("affirmed", affirmed(text)),
        ("opposite", opposite(text, chance)),
    ]
    fitting = [(kind, changed) for kind, changed in made if changed and changed not in context]
    for kind, changed in chance.sample(fitting, min(most, len(fitting))):
        yield kind, changed, False


def halueval(folder: Path) -> Iterator[Example]:
    """The right and the wrong answer to each question of HaluEval, as statements.

    Answers of fewer than five words are put into the question first; "yes" and "no" cannot be and are left out.
    """
    for name in ("qa_one-turn_data.json", "qa_multi-turn_data.json"):
        lines = (folder / name).read_text("utf-8").splitlines()
        for line in filter(str.strip, lines):
            item = json.loads(line)
            knowledge = re.sub(r"(?<=[a-z0-9)\"])\.(?=[A-Z])", ". ", item["knowledge"])
            for key, supported in (("right_answer", True), ("hallucinated_answer", False)):
                answer = item[key].strip()
                if answer.lower().rstrip(".") in ("yes", "no") or (name.startswith("qa_multi") and supported):
                    continue  # the second file repeats the right answers of the first
                said = statement(item["question"], answer.rstrip(".")) if len(answer.split()) < 5 else answer
                yield Example(item["question"], key, _capital(said), (knowledge,), supported)


def balanced(examples: Iterable[Example], seed: int = 0) -> list[Example]:
    """As many supported examples as unsupported ones."""
    every = list(examples)
    chance = random.Random(seed)
    groups = [[one for one in every if one.supported == side] for side in (True, False)]
    size = min(map(len, groups))
    return [one for group in groups for one in chance.sample(group, size)]
