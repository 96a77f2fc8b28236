"""The services of Schema-Guided Dialogue as tools, and the values of their calls as they were said."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.default.sources.boxes import content_words, occurs, words
from finetune.default.sources.said_values import said_date, said_time
from finetune.schema import Message

TODAY = datetime.date(2019, 3, 1)  # the day on which all these dialogues take place
# Fields whose services can be taken for one another.
ALIKE = (
    {"Media", "Movies"}, {"Media", "Music"}, {"Homes", "Hotels"}, {"Travel", "Events"}, {"Events", "Movies"},
    {"Events", "Music"}, {"Events", "Calendar"}, {"Buses", "Flights"}, {"RideSharing", "RentalCars"},
    {"Buses", "Travel"},
)  # fmt: skip
_INTEGERS = frozenset({"number_of_days", "year", "number_of_rooms", "number_of_tickets"})
_NUMBERS = frozenset({"amount", "rating"})
_SHOWN = 5  # fields of a result


@dataclass(frozen=True, slots=True)
class Slot:
    """An argument: its JSON type, its meaning, and the values to choose from, if any."""

    kind: str
    told: str
    values: tuple[str, ...] = ()

    def schema(self, described: bool) -> dict[str, Any]:
        """As a JSON schema."""
        schema: dict[str, Any] = {"type": self.kind}
        if self.values:
            schema["enum"] = [int(value) for value in self.values] if self.kind == "integer" else list(self.values)
        if described:
            schema["description"] = self.told
        return schema


@dataclass(frozen=True, slots=True)
class Method:
    """What a service can do; `defaults` are values that hold where nothing is said."""

    name: str
    told: str
    slots: Mapping[str, Slot]
    required: tuple[str, ...]
    defaults: Mapping[str, str]

    def properties(self, described: bool) -> dict[str, Any]:
        """The schemas of its arguments."""
        return {name: slot.schema(described) for name, slot in self.slots.items()}


def methods(schema: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Method]]:
    """Service → name → method."""
    found: dict[str, dict[str, Method]] = {}
    for service in schema:
        slots = {slot["name"]: _slot(slot) for slot in service["slots"]}
        found[service["service_name"]] = {
            intent["name"]: Method(
                intent["name"],
                intent["description"],
                {name: slots[name] for name in (*intent["required_slots"], *intent["optional_slots"])},
                tuple(intent["required_slots"]),
                intent["optional_slots"],
            )
            for intent in service["intents"]
        }
    return found


def _slot(slot: Mapping[str, Any]) -> Slot:
    name, told, values = slot["name"], slot["description"], slot["possible_values"]
    if values and set(values) <= {"True", "False"}:
        return Slot("boolean", told)
    if values and all(value.isdigit() for value in values):
        return Slot("integer", told, tuple(values))
    if values and slot["is_categorical"]:
        return Slot("string", told, tuple(values))
    return Slot("integer" if name in _INTEGERS else "number" if name in _NUMBERS else "string", told)


def said_arguments(method: Method, given: Mapping[str, Any], said: Sequence[Message]) -> dict[str, Any] | None:
    """The arguments as they were said, or None where one was not; what was left open is left out."""
    text = "\n".join(message["content"] for message in reversed(said))  # what was said last counts first
    spoken = "\n".join(message["content"] for message in said if message["role"] == "user")
    arguments: dict[str, Any] = {}
    for name, value in given.items():
        if value == "dontcare" or name not in method.slots:
            continue
        as_said = _as_said(name, method.slots[name], str(value), text, spoken)
        if as_said is not None:
            arguments[name] = as_said
        elif method.defaults.get(name) != value:
            return None
    return arguments if arguments and all(name in arguments for name in method.required) else None


def _as_said(name: str, slot: Slot, value: str, text: str, spoken: str) -> Any:
    if slot.kind == "boolean":
        return _truth(name, value, spoken)
    if slot.kind in ("integer", "number"):
        return _number(slot, value, text)
    if slot.values:
        return value if value in slot.values and occurs(value, text) else None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return said_date(value, text, TODAY) or None
    if re.fullmatch(r"\d\d:\d\d", value):
        return said_time(value, text) or None
    match = re.search(rf"(?i)(?<!\w){re.escape(value)}(?!\w)", text)
    return match[0] if match else None


def _truth(name: str, value: str, spoken: str) -> bool | None:
    """True where the user named the thing without a no near it, False where with one."""
    about = content_words(" ".join(words(name)))
    for sentence in re.split(r"[.?!\n]", spoken):
        if about & content_words(sentence):
            denied = bool(re.search(r"(?i)\b(no|not|without|never)\b|n't", sentence))
            return (value == "True") if denied == (value == "False") else None
    return None


def _number(slot: Slot, value: str, text: str) -> int | float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    typed = int(number) if number.is_integer() else number
    if slot.values and value not in slot.values:
        return None
    clean = re.sub(r"(?i)\d{1,2}(:\d\d)?\s*([ap]\.?m\b|o'?clock)|\d{1,2}:\d\d|(?:march|mar) \d+", " ", text)
    return typed if occurs(typed, clean) else None


def answer_from(results: Sequence[Mapping[str, str]], reply: str, said: Sequence[Message]) -> tuple[str, str]:
    """A result cut to what matters, and the reply, where the reply uses it and nothing else; else two empty texts."""
    used = [result for result in results if _used(result, reply, said)][:1]
    if not used:
        return "", ""
    result = used[0]
    fields = _used(result, reply, said) + [
        name for name, value in result.items() if value in ("True", "False") and _about(name, reply)
    ]
    others = [name for name in result if name not in fields][: max(0, _SHOWN - len(fields))]
    told = json.dumps({name: result[name] for name in result if name in fields or name in others}, ensure_ascii=False)
    known = told + " " + " ".join(message["content"] for message in said)
    made_up = [number for number in re.findall(r"\d+", reply) if number not in known]
    return ("", "") if made_up else (told, reply)


def _about(name: str, text: str) -> bool:
    return bool(content_words(" ".join(words(name))) & content_words(text))


def _used(result: Mapping[str, str], reply: str, said: Sequence[Message]) -> list[str]:
    """The fields whose values are news to the user and stand in the reply."""
    before = " ".join(message["content"] for message in said)
    return [
        name for name, value in result.items() if len(value) > 2 and occurs(value, reply) and not occurs(value, before)
    ]
