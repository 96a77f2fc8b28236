"""Questions about passages of our own making: what a thing costs, weighs, takes; and what the passages do not say."""

from __future__ import annotations

from random import Random
from typing import Any

from agent.prompts import REFUSAL
from finetune.schema import Example

_MAKERS = "Heron Alder Basalt Comet Delta Ember Fjord Gannet Harbor Ibis Juniper Kestrel Lumen Marlin Onyx".split()
_THINGS = ("pump", "kettle", "drill", "router", "tent", "lamp", "scale", "camera", "heater", "printer", "saw", "bike")
# What is said of a thing, how one asks for it, and the range and unit of its value.
_FACTS = (
    ("The {thing} weighs {value}.", "How much does the {thing} weigh?", (2, 90), "kilograms"),
    ("Its warranty lasts {value}.", "How long is the warranty of the {thing}?", (6, 60), "months"),
    ("The {thing} costs {value}.", "What does the {thing} cost?", (20, 900), "euros"),
    ("A full charge takes {value}.", "How long does the {thing} take to charge?", (1, 12), "hours"),
    ("It is serviced every {value}.", "How often is the {thing} serviced?", (2, 52), "weeks"),
    ("The cable of the {thing} is {value} long.", "How long is the cable of the {thing}?", (1, 25), "metres"),
    ("The tank holds {value}.", "How much does the tank of the {thing} hold?", (1, 80), "litres"),
    ("The {thing} was first sold in {value}.", "When was the {thing} first sold?", (1962, 2024), ""),
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


def _about(rng: Random, group: str) -> list[Example]:
    makers, things = rng.sample(_MAKERS, 3), rng.sample(_THINGS, 3)
    names = [f"{maker} {rng.randint(2, 9)} {thing}" for maker, thing in zip(makers, things, strict=True)]
    told: list[tuple[str, list[tuple[Any, str]]]] = []
    for name in names[: rng.randint(2, 3)]:
        facts = [(fact, _value(fact, rng)) for fact in rng.sample(_FACTS, 3)]
        told.append((name, facts))
    passages = [" ".join(_said(fact[0], name, value) for fact, value in facts) for name, facts in told]
    return [_example(rng, told, passages, f"{group}.{place}", group) for place in range(_ASKED)]


def _example(
    rng: Random, told: list[tuple[str, list[tuple[Any, str]]]], passages: list[str], source: str, group: str
) -> Example:
    name, facts = rng.choice(told)
    fact, answer = rng.choice(facts)
    if rng.random() < _UNANSWERED:
        known = {one[1] for one, _ in facts}
        fact, answer = rng.choice([one for one in _FACTS if one[1] not in known]), REFUSAL
    asked = {"role": "user", "content": fact[1].format(thing=name), "passages": passages}
    return Example((asked, {"role": "assistant", "content": answer}), (), source, group)


def _value(fact: Any, rng: Random) -> str:
    return f"{rng.randint(*fact[2])} {fact[3]}".strip()


def _said(template: str, name: str, value: str) -> str:
    text = template.format(thing=name, value=value)
    return text if name in text else text.replace("Its ", f"The {name}'s ", 1) if "Its " in text else f"{name}: {text}"
