"""Our own dialogues, from the templates of talk.toml: deterministic from a seed, each of them different.

Conversation, plain knowledge, forms of an answer, persons to play, requests to decline, and what tools gave, over one
call, several at once, or one after the other. `python -m finetune.default.talk` prints one of each template.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from agent import prompts
from finetune.default.arguments import Argument, parse_argument, plain
from finetune.default.pools import FILE as POOLS
from finetune.default.pools import Pools, Said, read_pools
from finetune.errors import DatasetError
from finetune.schema import Example, ToolSchema

FILE = Path(__file__).with_name("talk.toml")
PLACE = re.compile(r"\{(\w+)(?:\|(\w+))?\}")
PLAIN, FORMED = 15, 20  # examples of each fact alone, and of each form
NEEDS_NO_TOOL = ("small_talk", "identity", "knowledge", "unknown", "refusal", "harmless")
_IDLE_SHARE, _IDLE_RUN = 4, 8  # one in four of those is put before tools; eight in a row share them
_TRIES = 40  # drawings for each example that is wanted, before a template is held to be exhausted
_IN_SYSTEM = 0.6  # share of instructions that stand in the system message; the others end the question
_SYSTEM = ("", "You are a helpful assistant. ", "You are Ratchet, a helpful assistant. ")
_ARGUMENT = re.compile(r"(?:(integer|number|\w+(?:\|\w+)+): ?)?(.*)")
_SENTENCE_START = re.compile(r"(?:^|(?<=[!.?] ))[a-z]")

Values = dict[str, Said]
Draft = tuple[list[dict[str, Any]], tuple[ToolSchema, ...]]


@dataclass(frozen=True, slots=True)
class Template:
    """Something that dialogues are drawn from.

    Attributes:
        count: how many are wanted; fewer where it runs out of different ones.
        draw: one dialogue; None where the values that were drawn do not go together.
    """

    kind: str
    name: str
    count: int
    draw: Callable[[Random], Draft | None]


def examples(seed: int = 0, path: Path = FILE) -> list[Example]:
    """All dialogues; those with the same tools stand next to each other. No two have the same `key`.

    Raises:
        DatasetError: the file is no TOML, or a template in it is wrong.
    """
    book = _Book(path)
    numbers: Counter[str] = Counter()
    seen: set[str] = set()
    made: list[Example] = []
    for template in book.templates():
        drawn: list[Example] = []
        for attempt in range(_TRIES * template.count):
            if len(drawn) == template.count:
                break
            draft = template.draw(Random(f"{seed} {template.name} {attempt}"))  # noqa: S311 - to be repeatable
            if draft is None:
                continue
            source = f"talk:{template.kind}#{numbers[template.kind] + 1}"
            example = Example(tuple(draft[0]), draft[1], source, f"talk:{template.name}")
            if example.key not in seen:
                seen.add(example.key)
                numbers[template.kind] += 1
                drawn.append(example)
        made += book.idle(drawn, seed) if template.kind in NEEDS_NO_TOOL else drawn
    return made


def chat_requests(seed: int = 0, path: Path = FILE) -> list[str]:
    """What people say that no tool at all is needed for."""
    alone = [one for one in examples(seed, path) if one.source[5:].partition("#")[0] in NEEDS_NO_TOOL]
    return [str(one.messages[0]["content"]) for one in alone]


class _Book:
    """The templates of a file, and the words and tools that they share."""

    def __init__(self, path: Path) -> None:
        general, self._table = _toml(POOLS), _toml(path)
        self._where = path.name
        # All as general ones, since facts to remember have values of other pools in them.
        self._pools = Pools(read_pools(general, POOLS.name) | read_pools(self._table["pools"], path.name))
        self._tools = {name: _schema(name, dict(tool)) for name, tool in self._table["tools"].items()}

    def templates(self) -> Iterator[Template]:
        """In the order in which the dialogues come."""
        for fact in self._table["fact"]:
            yield Template("knowledge", fact["name"], PLAIN, partial(self._plain, fact))
        for form in self._table["form"]:
            yield Template("form", form["name"], FORMED, partial(self._formed, form))
        for talk in self._table["talk"]:
            yield Template(talk["kind"], talk["name"], talk["count"], partial(self._said, talk))
        for use in self._table["use"]:
            yield Template("tools", f"use_{use['name']}", use["count"], partial(self._used, use))

    def idle(self, drawn: Sequence[Example], seed: int) -> list[Example]:
        """The same, some of them before tools that have nothing to do with them."""
        first = len(drawn) - len(drawn) // _IDLE_SHARE
        made = list(drawn[:first])
        for start in range(first, len(drawn), _IDLE_RUN):
            rng = Random(f"{seed} {drawn[start].source}")  # noqa: S311 - to be repeatable, not to be secret
            box = self._box(rng.choice(self._table["idle_boxes"]))
            made += [replace(one, tools=box) for one in drawn[start : start + _IDLE_RUN]]
        return made

    def _box(self, names: Sequence[str]) -> tuple[ToolSchema, ...]:
        return tuple(self._tools[name] for name in names)

    def _values(self, template: Mapping[str, Any], rng: Random) -> Values:
        """A row of each table that the template names, and a value for each of its slots, none of them twice."""
        values: Values = {}
        for name in template.get("tables", [template["table"]] if "table" in template else []):
            table = self._table["tables"][name]
            row = rng.choice(table["rows"])
            values |= {column: Said(one, str(one)) for column, one in zip(table["columns"], row, strict=True)}
        used: set[tuple[str, str]] = set()
        for name, slot in template.get("slots", {}).items():
            if "product" in slot:
                values[name] = _product([values[factor].value for factor in slot["product"]])
                continue
            argument = parse_argument(name, slot, self._pools, f"{self._where}, {template['name']}")
            values[name] = _another(argument, self._pools, rng, used)
        return values

    def _plain(self, fact: Mapping[str, Any], rng: Random) -> Draft:
        values = self._fact(fact, rng)
        return [_user(values["question"].text), _reply(values["sentence"].text)], ()

    def _fact(self, fact: Mapping[str, Any], rng: Random) -> Values:
        """Values of a fact: its row, question, short answer, answer in a sentence, and the row as JSON."""
        opener = self._pools.draw("opener", rng)
        values = self._values(fact, rng)
        columns = {name: said.value for name, said in values.items()}
        values["opener"] = opener
        values["row"] = _text(json.dumps(columns, ensure_ascii=False))
        values["columns"] = _text(", ".join(list(columns)[:-1]) + " and " + list(columns)[-1])
        values["question"] = _text(_started(filled(rng.choice(fact["questions"]), values)))
        for name in ("short", "sentence"):
            values[name] = _text(filled(fact[name], values))
        return values

    def _formed(self, form: Mapping[str, Any], rng: Random) -> Draft | None:
        values = self._fact(rng.choice(self._table["fact"]), rng)
        short, sentence = (len(values[name].text.split()) for name in ("short", "sentence"))
        if form["name"] == "one_word" and (short > 1 or "-" in values["short"].text):
            return None
        values |= {name: self._pools.draw(name, rng) for name in ("ending", "opening", "key")}
        most, few = sentence + rng.randrange(6), max(2, short + rng.randrange(3))
        values |= {"n": Said(most, str(most)), "few": Said(few, str(few))}
        told = filled(rng.choice(form["told"]), values)
        return _instructed(told, values["question"].text, filled(form["reply"], values), rng), ()

    def _said(self, talk: Mapping[str, Any], rng: Random) -> Draft:
        values = self._values(talk, rng)
        user, reply = _pair(talk, rng)
        asked = _started(filled(user, values))
        messages: list[dict[str, Any]] = []
        if "told" in talk:
            return _instructed(filled(rng.choice(talk["told"]), values), asked, filled(reply, values), rng), ()
        if "system" in talk:
            messages.append({"role": "system", "content": filled(rng.choice(talk["system"]), values)})
        for turn in talk.get("before", ()):
            messages += [_user(filled(turn["user"], values)), {**_reply(filled(turn["reply"], values)), "weight": 0}]
        if "facts" in talk:
            facts = "\n".join(f"- {filled(fact, values)}" for fact in talk["facts"])
            asked = f"{prompts.FACTS.format(facts=facts)}\n\n{asked}"
        return [*messages, _user(asked), _reply(filled(reply, values))], ()

    def _used(self, use: Mapping[str, Any], rng: Random) -> Draft:
        values = self._values(use, rng)
        outcome = rng.choice(use["outcomes"])
        messages = [_user(_started(filled(rng.choice(use["user"]), values)))]
        last = {"calls": use["calls"], "results": outcome["results"]}
        for turn in (*use.get("first", ()), last):
            calls = [{"name": call["name"], "arguments": given(call["with"], values)} for call in turn["calls"]]
            messages.append({"role": "assistant", "content": "", "tool_calls": calls})
            for call, result in zip(calls, turn["results"], strict=True):
                found = given(result, values) if not isinstance(result, str) else filled(result, values)
                text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
                messages.append({"role": "tool", "name": call["name"], "content": text})
        messages.append(_reply(filled(rng.choice(outcome["reply"]), values)))
        return messages, self._box(use["box"])


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path.name}: {error}") from error


def filled(template: str, values: Values) -> str:
    """The template with what was drawn, as it is said.

    Raises:
        DatasetError: it names something that was not drawn.
    """
    return PLACE.sub(lambda match: _as_text(match[1], match[2] or "", values), template).strip()


def given(template: Any, values: Values) -> Any:
    """A structure with what was drawn, as values: `"{n}"` becomes a number where `n` is one."""
    if isinstance(template, Mapping):
        return {name: given(one, values) for name, one in template.items()}
    if isinstance(template, list):
        return [given(one, values) for one in template]
    if not isinstance(template, str):
        return template
    match = PLACE.fullmatch(template)
    if match and match[1] in values and match[2] in (None, "value"):
        return values[match[1]].value
    return filled(template, values)


def _as_text(name: str, how: str, values: Values) -> str:
    if name not in values:
        raise DatasetError(f"talk.toml: nothing named {name} was drawn; known are {', '.join(values)}.")
    said = values[name]
    match how:
        case "":
            return said.text
        case "lower" | "upper":
            return str(getattr(said.text, how)())
        case "capital":
            return said.text[:1].upper() + said.text[1:]
        case "of":
            return values[said.text].text
        case "value" | "text":
            return said.value if isinstance(said.value, str) else plain(said.value)
    raise DatasetError(f"talk.toml: {{{name}|{how}}} is not known.")


def _another(argument: Argument, pools: Pools, rng: Random, used: set[tuple[str, str]]) -> Said:
    """A value that no slot of the same kind has yet."""
    kind = repr(argument.spec)
    said = argument.draw(rng, pools)
    for _ in range(_TRIES):
        if (kind, said.text) not in used:
            break
        said = argument.draw(rng, pools)
    used.add((kind, said.text))
    return said


def _product(factors: Sequence[float]) -> Said:
    product: float = 1
    for factor in factors:
        product *= factor
    product = round(product, 6)
    value = int(product) if product == int(product) else product
    return Said(value, plain(value))


def _pair(talk: Mapping[str, Any], rng: Random) -> tuple[str, str]:
    if "pairs" in talk:
        user, reply = rng.choice(talk["pairs"])
        return user, reply
    return rng.choice(talk["user"]), rng.choice(talk["reply"])


def _instructed(told: str, asked: str, reply: str, rng: Random) -> list[dict[str, Any]]:
    """The instruction in a system message, or behind the question."""
    if rng.random() < _IN_SYSTEM:
        return [{"role": "system", "content": rng.choice(_SYSTEM) + told}, _user(asked), _reply(reply)]
    return [_user(f"{asked} {told}"), _reply(reply)]


def _started(text: str) -> str:
    """With a capital where a sentence begins."""
    return _SENTENCE_START.sub(lambda match: match[0].upper(), text)


def _text(text: str) -> Said:
    return Said(text, text)


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _reply(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def _schema(name: str, tool: dict[str, str]) -> ToolSchema:
    """A tool in OpenAI's form; its arguments are written "type: description" or "one|other: description"."""
    about = tool.pop("about")
    properties: dict[str, Any] = {}
    for argument, written in tool.items():
        match = _ARGUMENT.fullmatch(written)
        kind, described = (match[1] or "string", match[2]) if match else ("string", written)
        properties[argument] = {"type": "string", "enum": kind.split("|")} if "|" in kind else {"type": kind}
        if described:
            properties[argument]["description"] = described
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


def main() -> int:
    """Print the first dialogue of each template, and how many there are."""
    made = examples()
    shown: set[str] = set()
    for example in made:
        if example.group in shown:
            continue
        shown.add(example.group)
        print(f"\n{example.source} {example.group}")
        for message in example.messages:
            calls = "; ".join(json.dumps(call, ensure_ascii=False) for call in message.get("tool_calls", ()))
            print(f"  {message['role']}: {message['content']}{calls}")
    print(f"\n{len(made)} dialogues")
    return 0


if __name__ == "__main__":
    sys.exit(main())
