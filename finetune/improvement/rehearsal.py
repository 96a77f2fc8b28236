"""Against forgetting: examples of what the model could do before, and items that show whether it still can.

Both are made here and need no data beside the program. Items ask for tools that no training of ours ever offers, and
are drawn with a seed that none uses.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import cache

from finetune.dataset.splits import held_out_in
from finetune.default import mix
from finetune.default.families import generate
from finetune.default.lookups import lookups, paired_lookups
from finetune.default.tool_files import load_families
from finetune.evaluation.items import EvaluationItem
from finetune.schema import Example
from finetune.suites import BUILT_IN, load_suite
from finetune.suites.own import own_suite

FEWEST = 64
_CALLS = 0.4  # share of examples about tools; the others are conversation
_LOOKUPS = 0.3  # and answers from passages, which most feedback is about
SILENT = 0.25  # share of the user's own questions about passages that must have no answer
# Of each kind of dialogue so many in a round: who learns one form of short answers keeps other forms, and long ones.
_TALK = {
    "talk:form": 8,
    "talk:role": 1,
    "talk:refusal": 5,  # who learns to answer questions soon answers all of them
    "talk:harmless": 1,
    "everyday:twins": 2,
    "everyday:requests": 4,
    "everyday:howtos": 2,
    "everyday:knowledge": 2,
    "talk:small_talk": 1,
}
_OWN_SEED = 1_000_003  # rehearsal's; the default adapter's training uses small ones
_TEST_SEED = 7_000_003
TOOLS, LOOKUPS = "tools", "lookups"
GUARDS = (*BUILT_IN, TOOLS, LOOKUPS)


def rehearsal(count: int, seed: int, held_out: Collection[str]) -> tuple[Example, ...]:
    """Examples of what the packaged adapter was trained for.

    Args:
        count: how many, about.
        seed: another one draws others.
        held_out: keys of the items of the evaluation; none of them is among the examples.
    """
    if not count:
        return ()
    calls, passages = round(count * _CALLS), round(count * _LOOKUPS)
    found = list(generate([tool for tool in load_families() if not mix.is_held_out(tool)], _OWN_SEED + seed, calls))
    found += paired_lookups(_OWN_SEED + seed, passages)
    found += _talk(_OWN_SEED + seed, count - calls - passages)
    spoiled = {example.key for example in held_out_in(found, held_out)}
    return tuple(example for example in found if example.key not in spoiled)


def guard_items(tools: int, suites: Collection[str] = GUARDS) -> tuple[EvaluationItem, ...]:
    """What both adapters are asked besides the user's own questions, the same in every run.

    Args:
        tools: how many items about tools; the other suites have three quarters as many, or all they have.
        suites: of `GUARDS`.
    """
    others = max(2, tools * 3 // 4)
    items = [item for name in BUILT_IN if name in suites for item in load_suite(name, others)]
    if TOOLS in suites:
        items += _tool_items(tools)
    if LOOKUPS in suites:
        items += _lookup_items(others)
    return tuple(items)


def _lookup_items(count: int) -> list[EvaluationItem]:
    """As many that the passages answer as that they do not: each of the two is guarded."""
    items = own_suite(lookups(_TEST_SEED, 4 * count), LOOKUPS)
    silent = [item for item in items if not item.expected["answers"]]
    said = [item for item in items if item.expected["answers"]]
    return said[: count - count // 2] + silent[: count // 2]


@cache
def _tool_items(count: int) -> tuple[EvaluationItem, ...]:
    held = [tool for tool in load_families() if mix.is_held_out(tool)]
    return own_suite(generate(held, _TEST_SEED, count), TOOLS, count)


def _talk(seed: int, count: int) -> list[Example]:
    """Dialogues of all kinds, in the shares of `_TALK` however few they are."""
    kinds = talk_by_kind(seed)
    ranked: list[tuple[float, int, Example]] = []
    for kind, share in _TALK.items():
        found = _shuffled(kinds[kind], random.Random(f"rehearsal {kind} {seed}"))  # noqa: S311 - to be repeatable
        ranked += [((place + 0.5) / share, len(ranked) + place, one) for place, one in enumerate(found)]
    return [example for *_, example in sorted(ranked, key=lambda one: one[:2])][:count]


def talk_by_kind(seed: int) -> dict[str, list[Example]]:
    """All dialogues of our own making about which no tool is offered, by kind: "talk:form", "everyday:twins"."""
    from finetune.default import everyday, talk

    kinds: dict[str, list[Example]] = {}
    for example in (*talk.examples(seed), *everyday.examples(seed)):
        if not example.tools:
            kinds.setdefault(example.source.partition("#")[0], []).append(example)
    return kinds


def _shuffled(examples: list[Example], chance: random.Random) -> list[Example]:
    """In another order; a harmful request and the harmless one beside it stay together and come before lone ones."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.group, []).append(example)
    ordered = list(groups.values())
    chance.shuffle(ordered)
    return [example for group in sorted(ordered, key=len, reverse=True) for example in group]
