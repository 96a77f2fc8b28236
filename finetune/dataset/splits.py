"""Training, development and test parts that share neither a group nor a question, the same for the same seed.

Groups are ordered by a hash of their names, so that a group mostly stays in its part as a data set grows.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from finetune.errors import DatasetError
from finetune.schema import DatasetSplits, Example

_SHOWN = 3


def split(examples: Sequence[Example], *, dev: float = 0.1, test: float = 0.1, seed: int = 0) -> DatasetSplits:
    """Divide examples by group; examples that ask the same question count as one group.

    Args:
        examples: with `group` set; one without is a group of its own.
        dev: share in [0, 1) of the examples; a part has at least one group where there are three or more.
        test: the same; with `dev` below 1.
        seed: another seed gives other parts.

    Raises:
        ValueError: the shares make no sense.
    """
    if not (0 <= dev < 1 and 0 <= test < 1 and dev + test < 1):
        raise ValueError(f"shares of {dev} and {test} leave nothing to train on")
    families = sorted(_families(examples), key=lambda family: _order(examples, family, seed))
    parts = _assigned(families, {"test": test * len(examples), "dev": dev * len(examples)})
    train, dev_part, test_part = (
        tuple(examples[at] for at in sorted(parts[name])) for name in ("train", "dev", "test")
    )
    result = DatasetSplits(train, dev_part, test_part)
    check_apart(result)
    return replace(result, notes=_notes(result, len(families), dev, test))


def _assigned(families: Sequence[list[int]], targets: Mapping[str, float]) -> dict[str, list[int]]:
    """The numbers of the examples of each part, filled family by family up to about its target."""
    waiting, parts = list(families), {name: list[int]() for name in ("test", "dev", "train")}
    for name, target in targets.items():
        for family in list(waiting):
            there = len(parts[name])
            if len(waiting) > 1 and there < target and there + len(family) <= 1.5 * target:
                parts[name] += family
                waiting.remove(family)
        if not parts[name] and target and len(waiting) > 1 and len(families) > len(targets):
            smallest = min(waiting, key=len)  # all are large beside the target: a part too large beats none
            parts[name] += smallest
            waiting.remove(smallest)
    parts["train"] = [at for family in waiting for at in family]
    return parts


def _order(examples: Sequence[Example], family: Sequence[int], seed: int) -> str:
    name = min(examples[at].group or examples[at].key for at in family)
    return hashlib.sha256(f"{seed}\n{name}".encode("utf-8", "replace")).hexdigest()


def _families(examples: Sequence[Example]) -> list[list[int]]:
    """The numbers of the examples that must stay together, because of a group or a question."""
    names = ((("key", example.key), ("group", example.group)) for example in examples)
    return families_of([[name for name in both if name[1]] for both in names])


def families_of(marks: Sequence[Iterable[tuple[str, str]]], alike: Iterable[tuple[int, int]] = ()) -> list[list[int]]:
    """The numbers of what hangs together, directly or through others.

    Args:
        marks: of each item; two items with a mark in common hang together.
        alike: pairs of numbers that do so besides.
    """
    parent = list(range(len(marks)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    first: dict[tuple[str, str], int] = {}
    for at, own in enumerate(marks):
        for mark in own:
            parent[root(at)] = root(first.setdefault(mark, at))
    for one, other in alike:
        parent[root(one)] = root(other)
    families: dict[int, list[int]] = defaultdict(list)
    for at in range(len(marks)):
        families[root(at)].append(at)
    return list(families.values())


def _notes(splits: DatasetSplits, families: int, dev: float, test: float) -> tuple[str, ...]:
    empty = [name for name, share in (("dev", dev), ("test", test)) if share and not getattr(splits, name)]
    if not empty:
        return ()
    why = "all examples belong together" if families == 1 else f"there are only {families} groups of examples"
    return (f"No examples for {' and '.join(empty)}: {why}.",)


def check_apart(splits: DatasetSplits) -> None:
    """Make sure that no group and no question is in two parts.

    Raises:
        DatasetError: one is.
    """
    seen: dict[tuple[str, str], str] = {}
    for name in ("train", "dev", "test"):
        for example in getattr(splits, name):
            for mark in (("question", example.key), ("group", example.group)):
                if mark[1] and seen.setdefault(mark, name) != name:
                    raise DatasetError(
                        f"The {mark[0]} of {example.source or 'an example'} stands in {seen[mark]} and in {name}.",
                        kept="Nothing was trained.",
                        fix="Build the data set anew with `build_dataset`, which keeps them apart.",
                    )


def questions_of(example: Example) -> frozenset[str]:
    """The keys of everything an example teaches an answer to: each assistant's message with what precedes it."""
    ends = [at for at, one in enumerate(example.messages) if one["role"] == "assistant" and one.get("weight", 1)] or [
        len(example.messages) - 1
    ]
    return frozenset(replace(example, messages=example.messages[: at + 1]).key for at in ends)


def held_out_in(examples: Iterable[Example], held_out: Collection[str]) -> list[Example]:
    """The examples that teach an answer to a question whose key is held out for evaluation."""
    return [example for example in examples if not questions_of(example).isdisjoint(held_out)] if held_out else []


def without_held_out(splits: DatasetSplits, held_out: Collection[str]) -> DatasetSplits:
    """The same parts without what is evaluated with, and a note that says how much that was.

    Args:
        splits: to train on; of the development part a model is chosen by, so it is looked through, too.
        held_out: `Example.key` of every evaluation item.
    """
    kept, notes = dict[str, Any](), list(splits.notes)
    for name, part in (("train", splits.train), ("dev", splits.dev)):
        kept[name] = tuple(example for example in part if questions_of(example).isdisjoint(held_out))
        if left := len(part) - len(kept[name]):
            told = ("1 example asks", "is") if left == 1 else (f"{left:,} examples ask", "are")
            notes.append(f"{told[0]} what models are evaluated with and {told[1]} left out of {name}.")
    return replace(splits, **kept, notes=tuple(notes))


def check_held_out(train: Iterable[Example], held_out: Collection[str]) -> None:
    """Make sure that nothing is trained on that is evaluated with.

    Args:
        train: what a model is to learn from.
        held_out: `Example.key` of every evaluation item.

    Raises:
        DatasetError: an evaluation item is among them; the first few are named.
    """
    found = held_out_in(train, held_out)
    if found:
        named = ", ".join(example.source or "(no source)" for example in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise DatasetError(
            f"Evaluation items stand among the training examples: {named}{more}.",
            kept="Nothing was built, so no figure is spoiled.",
            fix="Leave them out of the sources; with leave_out_held_out the build does that and counts them.",
        )
