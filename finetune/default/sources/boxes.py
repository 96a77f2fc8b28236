"""What the converters share: Examples before a box of tools, and whether their values can be copied from what was said.

A *box* is a tuple of tools (or of passages) that several Examples in a row share, so that training pays for it once.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from finetune.schema import Example, Message, ToolSchema

Call = tuple[str, Mapping[str, Any]]
Box = tuple[ToolSchema, ...]
Item = TypeVar("Item")

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_STOP = frozenset(
    "a about all an and any are as at be by can could do does for from get give has have help how i if in it its is"
    " information like list make me my need of on or our please provide should some tell that the their there this to"
    " up use user using want was we what when where which who will with would you your".split()
)
_STOPPED = frozenset(word[:6].rstrip("s") for word in _STOP)
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()


def words(name: str) -> list[str]:
    """The words of a name in any style, in small letters."""
    return [word.lower() for word in _WORD.findall(name)]


def snake(name: str) -> str:
    """`likeThis` becomes `like_this`."""
    return "_".join(words(name))


def camel(name: str) -> str:
    """`like_this` becomes `likeThis`."""
    first, *others = words(name)
    return first + "".join(word.capitalize() for word in others)


def pascal(name: str) -> str:
    """`like_this` becomes `LikeThis`."""
    return "".join(word.capitalize() for word in words(name))


STYLES = (snake, snake, camel, pascal)  # snake_case is the most usual


@functools.lru_cache(maxsize=50_000)
def content_words(text: str) -> frozenset[str]:
    """Words that carry meaning, cut to six letters so that plural and singular agree."""
    return frozenset(_stem(word) for word in words(text) if len(word) > 2) - _STOPPED


def _stem(word: str) -> str:
    return word[:6].rstrip("s")


def related(question: str, box: Iterable[ToolSchema]) -> bool:
    """Whether a question shares a word with what one of the tools says of itself, so that it may be meant for it."""
    said = content_words(question)
    return any(said & content_words(f"{tool['function']['name']} {tool['function']['description']}") for tool in box)


@functools.lru_cache(maxsize=10_000)
def _folded(text: str) -> str:
    return " ".join(text.replace(",", "").casefold().split())


def _inside(mark: str) -> bool:
    """Whether a character is part of a word."""
    return mark.isalnum() or mark == "_"


def occurs(value: Any, text: str) -> bool:
    """Whether a value can be read off a text: its words as they are, a number as digits or as a word."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(occurs(one, text) for one in value)
    folded = _folded(text)
    if isinstance(value, bool):
        return str(value).casefold() in folded
    if isinstance(value, (int, float)):
        shown = f"{value:g}" if abs(value) < 1e6 else str(value).removesuffix(".0")
        spoken = NUMBERS[int(value)] if value in range(len(NUMBERS)) else shown
        if shown not in folded and spoken not in folded:
            return False
        return bool(re.search(rf"(?<![\w.])({re.escape(shown)}|{spoken})(?!\.?\d)(?!(?:st|nd|rd|th)\b)", folded))
    wanted = _folded(str(value))
    place = folded.find(wanted) if wanted else -1
    while place >= 0 and (_inside(folded[place - 1 : place]) or _inside(folded[place + len(wanted) :][:1])):
        place = folded.find(wanted, place + 1)
    return place >= 0


def called(said: Sequence[Message], calls: Sequence[Call], box: Box, source: str, group: str) -> Example:
    """An Example whose reply is calls, or none; arguments in the order of the schema."""
    order = {tool["function"]["name"]: list(tool["function"]["parameters"]["properties"]) for tool in box}
    reply: dict[str, Any] = {"role": "assistant", "content": ""}
    if calls:
        reply["tool_calls"] = [
            {"name": name, "arguments": {key: arguments[key] for key in order[name] if key in arguments}}
            for name, arguments in calls
        ]
    return Example((*said, reply), box, source, group)


def asked(question: str) -> tuple[Message, ...]:
    """One message of the user."""
    return ({"role": "user", "content": question},)


def answered(question: str, answer: str, box: Box, source: str, group: str) -> Example:
    """A question and what is said in reply, no tool called."""
    return Example((*asked(question), {"role": "assistant", "content": answer}), box, source, group)


def chunks(items: Iterable[Item], least: int, most: int, chance: random.Random) -> Iterator[list[Item]]:
    """The items in runs of `least` to `most`, in their order."""
    left = iter(items)
    while run := list(itertools.islice(left, chance.randint(least, most))):
        yield run


def spread(questions: Sequence[str], chance: random.Random) -> str:
    """Several requests as one."""
    first, *others = [question.strip().rstrip(".?!,") for question in questions]
    joined = first
    for other in others:
        link = chance.choice((" and ", ", and ", ". Also, ", ", then ", " and also ", ". And "))
        lowered = other[0].lower() + other[1:] if not re.match(r"I\b|[A-Z]{2}", other) else other
        joined += link + lowered
    return joined + chance.choice((".", "", "?" if re.match(r"(?i)(what|how|is|are|can|could|will)\b", first) else "."))
