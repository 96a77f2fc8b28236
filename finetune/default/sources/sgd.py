"""Schema-Guided Dialogue: the calls of task dialogues, and the turns in which none is due yet.

A call is kept where each of its values was said in the request or the two messages before it; it is written as said.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.default.public_data import chance_of, lines, read_json, tool_schema
from finetune.default.sources.boxes import STYLES, Box, called, chunks
from finetune.default.sources.sgd_services import ALIKE, Method, answer_from, methods, said_arguments
from finetune.schema import Example, Message

_RESULTS = 0.35  # of the calls go on to their result and the answer from it
_ALONE = 0.7  # of the requests that say all values themselves stand without what was said before
_THANKS = 0.2  # of the dialogues give their small talk
_ASKS = re.compile(r"(?i)\b(what|which|where|when|how (?:many|much|long)|who|whose|do you have an?y?)\b")
_OFFERS = re.compile(
    r"(?i)\b(confirm|correct|anything else|help you|would you like|do you want|shall i|should i|okay)\b"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place in a dialogue: what was said, the calls due there, their result, and the words of the system."""

    said: tuple[Message, ...]
    method: str
    arguments: Mapping[str, Any] | None
    result: str
    reply: str
    source: str
    group: str


def examples(data: Path, seed: int) -> Iterator[Example]:
    """Six to nine places of dialogues about one service a box."""
    folder = data / "train" / "sgd"
    yield from boxes(folder / "train.schema.json", folder / "train.compact.jsonl.gz", "train", seed)


def boxes(schema: Path, dialogues: Path, part: str, seed: int) -> Iterator[Example]:
    """The Examples of one part of the data."""
    chance = chance_of(f"sgd-{part}-{seed}")
    services = methods(read_json(schema))
    found: dict[str, list[Candidate]] = defaultdict(list)
    for dialogue in lines(dialogues):
        for service, candidate in candidates(dialogue, services, part, chance):
            found[service].append(candidate)
    runs: list[tuple[str, list[Candidate]]] = []
    for service in sorted(found):
        chance.shuffle(found[service])
        runs += [(service, run) for run in chunks(found[service], 6, 9, chance)]
    chance.shuffle(runs)
    for service, run in runs:
        names, box = _box(service, services, chance)
        for candidate in run:
            yield _example(candidate, names, box)


def candidates(
    dialogue: Mapping[str, Any], services: Mapping[str, Mapping[str, Method]], part: str, chance: random.Random
) -> Iterator[tuple[str, Candidate]]:
    """The service and what happened, for each turn of the system that something can be learned from."""
    turns, group = dialogue["turns"], f"sgd:{dialogue['dialogue_id']}"
    asked = thanked = False
    for place, turn in enumerate(turns):
        if turn["speaker"] != "SYSTEM" or place == 0:
            continue
        said, source = _window(turns, place), f"sgd:{part}#{dialogue['dialogue_id']}.{place}"
        reply = turn["utterance"].strip()
        if len(turn.get("calls", ())) == 1:
            call = turn["calls"][0]
            method = services[call["service"]].get(call["method"])
            if method and chance.random() < _ALONE and said_arguments(method, call["parameters"], said[-1:]):
                said = said[-1:]
            if method and (arguments := said_arguments(method, call["parameters"], said)) is not None:
                told, answer = "", ""
                if chance.random() < _RESULTS:
                    told, answer = answer_from(call["results"], reply, said)
                yield call["service"], Candidate(said, method.name, arguments, told, answer, source, group)
            continue
        service = _service(turns[place - 1], dialogue["services"], services)
        if service and not asked and reply.endswith("?") and _ASKS.search(reply) and not _OFFERS.search(reply):
            asked = True
            yield service, Candidate(said, "", None, "", reply, source, group)
        elif service and not thanked and _is_thanks(turns[place - 1], reply) and chance.random() < _THANKS:
            thanked = True
            yield service, Candidate(said[-1:], "", None, "", reply, source, group)


def _window(turns: Sequence[Mapping[str, Any]], place: int) -> tuple[Message, ...]:
    """The user's message before the turn, and the two messages before that one."""
    said: list[Message] = []
    for turn in turns[max(0, place - 3) : place]:
        if turn["speaker"] == "USER":
            said.append({"role": "user", "content": turn["utterance"]})
        elif said:
            said.append({"role": "assistant", "content": turn["utterance"], "weight": 0})
    return tuple(said)


def _service(turn: Mapping[str, Any], named: Sequence[str], services: Mapping[str, Mapping[str, Method]]) -> str:
    """Which service of the dialogue the user's turn is about."""
    intents = turn.get("active_intent", ())
    return next((one for one in named if any(intent in services[one] for intent in intents)), named[0] if named else "")


def _is_thanks(turn: Mapping[str, Any], reply: str) -> bool:
    thanks = re.search(r"(?i)\b(thanks?|bye|that'?s all|that will be all)\b", turn["utterance"])
    return bool(thanks) and len(turn["utterance"]) < 70 and len(reply) < 60 and "?" not in reply


def _box(
    service: str, services: Mapping[str, Mapping[str, Method]], chance: random.Random
) -> tuple[Mapping[str, str], Box]:
    """The service's methods and those of up to two others, named in one style; name in the data → name in the box."""
    field = service.split("_")[0]
    fields = {field}
    chosen = list(services[service].values())
    for other in chance.sample(sorted(services), chance.randint(0, 2)):
        about = other.split("_")[0]
        if about not in fields and not any({about, one} <= pair for pair in ALIKE for one in fields):
            fields.add(about)
            chosen += services[other].values()
    style, described = chance.choice(STYLES), chance.random() < 0.5
    names = {method.name: style(method.name) for method in services[service].values()}
    tools = {style(method.name): method for method in reversed(chosen)}  # of two namesakes that of the service
    order = chance.sample(sorted(tools), len(tools))
    return names, tuple(
        tool_schema(name, tools[name].told, tools[name].properties(described), tools[name].required) for name in order
    )


def _example(candidate: Candidate, names: Mapping[str, str], box: Box) -> Example:
    if candidate.arguments is None:
        reply = {"role": "assistant", "content": candidate.reply}
        return Example((*candidate.said, reply), box, candidate.source, candidate.group)
    name = names[candidate.method]
    example = called(candidate.said, [(name, candidate.arguments)], box, candidate.source, candidate.group)
    if not candidate.result:
        return example
    told = {"role": "tool", "name": name, "content": candidate.result}
    answer = {"role": "assistant", "content": candidate.reply}
    return Example((*example.messages, told, answer), box, candidate.source, candidate.group)
