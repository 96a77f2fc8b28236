"""Examples of function calling from our own tool families, deterministic from a seed.

Examples come in boxes: one to eight tools in a fixed order, and five to nine requests behind them. A request needs
one call, several of the same tool, two different tools, or none of the box, though often one that is much like them.

`python -m finetune.default.families --show 20` prints some; `--check` reads every file and says what is wrong.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from finetune.default.asking import Call, Request, ask
from finetune.default.pools import general_pools
from finetune.default.sources.boxes import related
from finetune.default.surface import Style, joined, worded
from finetune.default.tool_files import FOLDER, ToolFamily, load_families, load_file
from finetune.errors import DatasetError
from finetune.schema import Example

SIZES = ((1, 30), (2, 14), (3, 14), (4, 12), (5, 9), (6, 8), (7, 7), (8, 6))  # tools in a box, and their weight
FEWEST_REQUESTS, MOST_REQUESTS = 5, 9
# What a request needs, by weight; a box of one tool cannot have two different ones and makes up with refusals.
NEEDS_ALONE = {"one": 53, "same": 15, "none": 32}
NEEDS = {"one": 56, "same": 15, "two": 14, "none": 15}
ALIKE = 0.25  # cosine of descriptions from which two tools of different files are never offered together
CHAT_SHARE = 0.4  # of the requests that need no tool, when the caller has some that need none at all
_CHAT_TRIES = 8  # before a box is held to be too near to what people chat about
THIRD = 0.15  # of the requests for several calls get a further one
_FILLERS = frozenset("a an the of for to in on at by and or with from get its it is given as that be per into".split())


@dataclass(frozen=True, slots=True)
class Box:
    """The tools that are offered, in order, and how their schemas are written."""

    tools: tuple[ToolFamily, ...]
    style: Style

    def schemas(self) -> tuple[dict[str, Any], ...]:
        """In OpenAI's form."""
        return tuple(self.style.schema(tool) for tool in self.tools)


class Likeness:
    """Which tools of different files could stand for one another, by the words of their names and descriptions."""

    def __init__(self, tools: Sequence[ToolFamily]) -> None:
        words = {tool.name: _content(tool) for tool in tools}
        spread = Counter(word for found in words.values() for word in found)
        weights = {word: math.log(1 + len(tools) / count) for word, count in spread.items()}
        self._vectors = {name: {word: weights[word] for word in sorted(found)} for name, found in words.items()}
        self._lengths = {name: math.hypot(*vector.values()) for name, vector in self._vectors.items()}
        pairs = ((one, other) for at, one in enumerate(tools) for other in tools[at + 1 :] if one.file != other.file)
        self._alike = {frozenset((one.name, other.name)) for one, other in pairs if self.cosine(one, other) >= ALIKE}

    def cosine(self, one: ToolFamily, other: ToolFamily) -> float:
        """Between 0 and 1."""
        first, second = self._vectors[one.name], self._vectors[other.name]
        shared = sum(weight * weight for word, weight in first.items() if word in second)
        return shared / (self._lengths[one.name] * self._lengths[other.name])

    def clash(self, one: ToolFamily, other: ToolFamily) -> bool:
        """Whether a request for one could as well be for the other; files keep their own tools apart."""
        return frozenset((one.name, other.name)) in self._alike


def _content(tool: ToolFamily) -> set[str]:
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tool.name).replace("_", " ") + " " + tool.description
    words = re.findall(r"[a-z]{3,}", text.lower())
    return {re.sub(r"(ing|es|s|e)$", "", word) for word in words if word not in _FILLERS} or {tool.name}


def generate(tools: Sequence[ToolFamily], seed: int, count: int, chat: Sequence[str] = ()) -> Iterator[Example]:
    """Examples in boxes; those of one box follow each other, with the same tools in the same order.

    Args:
        tools: at least two; hold some back to make an evaluation set of tools that were never trained on.
        seed: the same seed gives the same examples; a smaller count gives the first of them.
        count: how many.
        chat: requests that no tool at all is needed for, used beside those for tools that are not in the box.

    Raises:
        DatasetError: fewer than two tools.
    """
    if len(tools) < 2:
        raise DatasetError("Boxes need at least two tools: one to offer, one to ask for in vain.")
    likeness, turn, seen = Likeness(tools), list[ToolFamily](), set[str]()
    made = number = 0
    while made < count:
        rng = Random(f"{seed} {number}")  # noqa: S311 - to be repeatable, not to be secret
        if not turn:
            turn = list(tools)
            rng.shuffle(turn)
        box = _box(turn.pop(), tools, likeness, rng)
        for example in _examples(box, tools, likeness, chat, rng):
            if example.key not in seen and made < count:
                seen.add(example.key)
                made += 1
                source = f"{example.source}#{seed}-{number}"
                yield Example(example.messages, example.tools, source, f"box:{seed}-{number}")
        number += 1


def _box(wanted: ToolFamily, tools: Sequence[ToolFamily], likeness: Likeness, rng: Random) -> Box:
    """The wanted tool among others, half of them from its own file."""
    size = rng.choices([size for size, _ in SIZES], [weight for _, weight in SIZES])[0]
    inside = [wanted]
    near = [tool for tool in tools if tool.file == wanted.file and tool is not wanted]
    far = [tool for tool in tools if tool.file != wanted.file]
    rng.shuffle(near)
    for _ in range(20 * size):
        if len(inside) >= size:
            break
        source = near if near and (rng.random() < 0.5 or not far) else far
        if not source:
            break
        candidate = near.pop() if source is near else rng.choice(far)
        if candidate not in inside and not any(likeness.clash(candidate, other) for other in inside):
            inside.append(candidate)
    rng.shuffle(inside)
    return Box(tuple(inside), Style.draw(rng))


def _examples(
    box: Box, tools: Sequence[ToolFamily], likeness: Likeness, chat: Sequence[str], rng: Random
) -> Iterator[Example]:
    schemas = box.schemas()
    needs = NEEDS if len(box.tools) > 1 else NEEDS_ALONE
    outside = _outside(box, tools, likeness)
    for _ in range(rng.randint(FEWEST_REQUESTS, MOST_REQUESTS)):
        need = rng.choices(list(needs), list(needs.values()))[0]
        if need == "none" and chat and rng.random() < CHAT_SHARE:
            free = (one for one in rng.choices(chat, k=_CHAT_TRIES) if not related(one, schemas))
            yield from (_example(one, (), schemas, box, "chat") for one in islice(free, 1))
            continue
        request = _request(need, box, outside, rng)
        if request is None:
            continue
        family = request.calls[0][0]
        text = worded(request.pieces, rng, family.pools)
        calls = () if need == "none" else request.calls
        yield _example(text, calls, schemas, box, f"family:{family.file}.{family.name}")


def _outside(box: Box, tools: Sequence[ToolFamily], likeness: Likeness) -> tuple[list[ToolFamily], list[ToolFamily]]:
    """Tools that the box lacks and cannot stand for: of the files of its tools, and of others."""
    files = {tool.file for tool in box.tools}
    lacking = [tool for tool in tools if tool not in box.tools]
    free = [tool for tool in lacking if not any(likeness.clash(tool, other) for other in box.tools)]
    return [tool for tool in free if tool.file in files], [tool for tool in free if tool.file not in files]


def _request(need: str, box: Box, outside: tuple[list[ToolFamily], list[ToolFamily]], rng: Random) -> Request | None:
    date = box.style.date
    if need == "none":
        near, far = outside
        source = near if near and (rng.random() < 0.5 or not far) else far
        if not source:
            return None
        family = rng.choice(source)
        return _several(family, rng, date) if rng.random() < 0.1 else _single(family, rng, date)
    if need == "two":
        first, second = rng.sample(box.tools, 2)
        more = _several if rng.random() < THIRD else _single
        return _both(more(first, rng, date), _single(second, rng, date), rng)
    family = rng.choice(box.tools)
    return _single(family, rng, date) if need == "one" else _several(family, rng, date)


def _single(family: ToolFamily, rng: Random, date: str) -> Request | None:
    return ask(family, rng.choice(family.questions), rng, date)


def _several(family: ToolFamily, rng: Random, date: str) -> Request | None:
    """One request that needs the tool more than once; at times two questions put together."""
    if family.pairs and rng.random() < 0.8:
        pair = ask(family, rng.choice(family.pairs), rng, date)
        return _both(pair, _single(family, rng, date), rng) if rng.random() < THIRD else pair
    return _both(_single(family, rng, date), _single(family, rng, date), rng)


def _both(first: Request | None, second: Request | None, rng: Random) -> Request | None:
    if first is None or second is None or any(call in first.calls for call in second.calls):
        return None
    return Request(joined(first.pieces, second.pieces, rng), (*first.calls, *second.calls))


def _example(text: str, calls: Sequence[Call], schemas: tuple[dict[str, Any], ...], box: Box, source: str) -> Example:
    answer: dict[str, Any] = {"role": "assistant", "content": ""}
    if calls:
        style = box.style
        answer["tool_calls"] = [{"name": style.tool(one), "arguments": style.arguments(given)} for one, given in calls]
    return Example(({"role": "user", "content": text}, answer), schemas, source)


def check(folder: Path = FOLDER) -> list[str]:
    """What is wrong with the files of a folder, one line for each file that cannot be used."""
    wrong = []
    pools = general_pools()
    for path in sorted(folder.glob("*.toml")):
        try:
            load_file(path, pools)
        except DatasetError as error:
            wrong.append(str(error))
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Print examples, or what is wrong with the files."""
    parser = argparse.ArgumentParser(prog="python -m finetune.default.families", description="Our own tool families.")
    parser.add_argument("--show", type=int, default=20, metavar="N", help="print N examples")
    parser.add_argument("--seed", type=int, default=0, help="of the examples (default: %(default)s)")
    parser.add_argument(
        "--file", action="append", default=[], metavar="NAME", help="only tools of this file; repeatable"
    )
    parser.add_argument("--check", action="store_true", help="only say what is wrong with the files")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            wrong = check()
            print("\n".join(wrong) or f"{len(load_families())} tools, all well formed.")
            return 1 if wrong else 0
        shown: Any = None
        for example in generate(load_families(only=options.file), options.seed, options.show):
            if example.tools is not shown:
                shown = example.tools
                print("\n" + "\n".join(_line(tool["function"]) for tool in shown))
            print(f"  > {example.messages[0]['content']}")
            for call in example.messages[1].get("tool_calls", ()):
                print(f"    {call['name']} {json.dumps(call['arguments'], ensure_ascii=False)}")
    except DatasetError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _line(function: dict[str, Any]) -> str:
    arguments = ", ".join(
        f"{name}: {one['type']}" + ("" if name in function["parameters"]["required"] else "?")
        for name, one in function["parameters"]["properties"].items()
    )
    return f"# {function['name']}({arguments}): {function['description']}"


if __name__ == "__main__":
    sys.exit(main())
