"""Questions about passages of our own making: what a thing costs, weighs, takes; and what the passages do not say."""

from __future__ import annotations

from random import Random
from typing import Any

from agent.prompts import REFUSAL
from finetune.schema import Example

_MAKERS = (
    "Heron Alder Basalt Comet Delta Ember Fjord Gannet Harbor Ibis Juniper Kestrel Lumen Marlin Onyx Pioneer Quartz "
    "Raven Sable Tundra Umber Vesper Willow Xenia Yarrow Zephyr"
).split()
_THINGS = (
    *("pump", "kettle", "drill", "router", "tent", "lamp", "scale", "camera", "heater", "printer", "saw", "bike"),
    *("mower", "freezer", "radio", "ladder", "trailer", "oven", "fan", "sprayer", "scooter", "projector", "sander"),
)
_PLACES = ("Porto", "Leipzig", "Turin", "Aarhus", "Gdansk", "Lyon", "Osaka", "Tampere", "Cork", "Brno", "Utrecht")
_PEOPLE = ("Ada Moreau", "Jonas Lind", "Mira Okafor", "Petr Havel", "Sofia Reyes", "Tomas Berg", "Yuki Tanaka")
_COLOURS = ("dark green", "silver", "orange", "matt black", "cream", "sky blue", "wine red")
_MATERIALS = ("cast iron", "oak", "stainless steel", "recycled plastic", "aluminium", "brass", "bamboo")
Values = tuple[int, int, str] | tuple[str, ...]
# What is said of a thing, how one asks for it, and its values: the range of a number and its unit, or words.
_FACTS: tuple[tuple[str, tuple[str, ...], Values], ...] = (
    (
        "The {thing} weighs {value}.",
        ("How much does the {thing} weigh?", "weight of the {thing}?"),
        (2, 90, "kilograms"),
    ),
    (
        "Its warranty lasts {value}.",
        ("How long is the warranty of the {thing}?", "For how long is the {thing} under warranty?"),
        (6, 60, "months"),
    ),
    ("The {thing} costs {value}.", ("What does the {thing} cost?", "Price of the {thing}?"), (20, 900, "euros")),
    (
        "A full charge takes {value}.",
        ("How long does the {thing} take to charge?", "When is the {thing} charged again?"),
        (2, 12, "hours"),
    ),
    (
        "It is serviced every {value}.",
        ("How often is the {thing} serviced?", "When is the {thing} due for service?"),
        (2, 52, "weeks"),
    ),
    ("The cable of the {thing} is {value} long.", ("How long is the cable of the {thing}?",), (2, 25, "metres")),
    (
        "The tank holds {value}.",
        ("How much does the tank of the {thing} hold?", "How big is the {thing}'s tank?"),
        (2, 80, "litres"),
    ),
    (
        "The {thing} was first sold in {value}.",
        ("When was the {thing} first sold?", "In which year did the {thing} come out?"),
        (1962, 2024, ""),
    ),
    ("It is made in {value}.", ("Where is the {thing} made?", "Which town does the {thing} come from?"), _PLACES),
    ("The {thing} was designed by {value}.", ("Who designed the {thing}?", "Whose design is the {thing}?"), _PEOPLE),
    ("It is sold in {value}.", ("What colour is the {thing}?", "Which colour does the {thing} come in?"), _COLOURS),
    ("Its frame is of {value}.", ("What is the frame of the {thing} made of?",), _MATERIALS),
    (
        "The {thing} makes a noise of {value}.",
        ("How loud is the {thing}?", "How many decibels does the {thing} make?"),
        (30, 98, "decibels"),
    ),
    ("It draws {value}.", ("How much power does the {thing} draw?", "How strong is the {thing}?"), (40, 2400, "watts")),
    (
        "Delivery takes {value}.",
        ("How long does delivery of the {thing} take?", "When would I get the {thing}?"),
        (2, 30, "days"),
    ),
)
_UNANSWERED = 0.4  # share of questions that the passages do not answer
_ASKED = 2  # of each set of passages


def lookups(seed: int, count: int) -> list[Example]:
    """Examples with two or three passages each; those that share passages stand next to each other.

    Args:
        seed: another one draws other things and values.
        count: how many.
    """
    made: list[Example] = []
    number = 0
    while len(made) < count:
        made += _about(Random(f"lookups {seed} {number}"), f"lookups:{seed}-{number}")  # noqa: S311 - repeatable
        number += 1
    return made[:count]


def paired_lookups(seed: int, count: int) -> list[Example]:
    """Examples in pairs about the same passages, which answer one of the two questions and not the other."""
    groups: dict[str, list[Example]] = {}
    for example in lookups(seed, 4 * count + 2):  # nearly half of all groups are such pairs
        groups.setdefault(example.group, []).append(example)
    pairs = (pair for pair in groups.values() if [one.messages[-1]["content"] for one in pair].count(REFUSAL) == 1)
    return [example for pair in pairs for example in pair][:count]


def _about(rng: Random, group: str) -> list[Example]:
    makers, things = rng.sample(_MAKERS, 3), rng.sample(_THINGS, 3)
    names = [f"{maker} {rng.randint(2, 9)} {thing}" for maker, thing in zip(makers, things, strict=True)]
    told: list[tuple[str, list[tuple[Any, str]]]] = []
    for name in names[: rng.randint(2, 3)]:
        facts = [(fact, _value(fact[2], rng)) for fact in rng.sample(_FACTS, 3)]
        told.append((name, facts))
    passages = [" ".join(_said(fact[0], name, value) for fact, value in facts) for name, facts in told]
    return [_example(rng, told, passages, f"{group}.{place}", group) for place in range(_ASKED)]


def _example(
    rng: Random, told: list[tuple[str, list[tuple[Any, str]]]], passages: list[str], source: str, group: str
) -> Example:
    name, facts = rng.choice(told)
    fact, answer = rng.choice(facts)
    if rng.random() < _UNANSWERED:
        fact, answer = rng.choice([one for one in _FACTS if one not in [known for known, _ in facts]]), REFUSAL
    asked = {"role": "user", "content": rng.choice(fact[1]).format(thing=name), "passages": passages}
    return Example((asked, {"role": "assistant", "content": answer}), (), source, group)


def _value(values: Values, rng: Random) -> str:
    low, high, *unit = values
    if isinstance(low, int) and isinstance(high, int):
        return " ".join([str(rng.randint(low, high)), *unit]).strip()
    return str(rng.choice(values))


def _said(template: str, name: str, value: str) -> str:
    text = template.format(thing=name, value=value)
    return text if name in text else text.replace("Its ", f"The {name}'s ", 1) if "Its " in text else f"{name}: {text}"
