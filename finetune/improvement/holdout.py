"""The part of the user's feedback that is never trained on, by which the gate judges.

What belongs together stays together: a conversation, the same question, a question that is nearly the same, and one
that another answer leans on. What an earlier run has learned from is not held out later, and what was once held out is
not learned from: the adapter that is served now may go back to that run.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from finetune.dataset.splits import families_of, questions_of
from finetune.improvement.feedback import LEAST_LEARNED, LEAST_TESTED, without_groups
from finetune.improvement.folder import RunFolder
from finetune.improvement.measuring import measure_of, most_measured
from finetune.schema import Example
from finetune.suites.own import items_of

SHARE = 1 / 3  # of what can be asked; less where there is much
MOST_TESTED = 150  # items, about; each is answered by two adapters
ALIKE = 0.75  # Jaccard similarity of their content words from which two questions are nearly the same
_TOO_LARGE = 1.5


@dataclass(frozen=True, slots=True)
class Earlier:
    """Keys of what runs before this one learned from, and of what they held out."""

    learned: frozenset[str] = frozenset()
    tested: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Divided:
    """What is learned from and what is measured with; `notes` are for people."""

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    notes: tuple[str, ...] = ()


def earlier_runs(runs: Iterable[RunFolder]) -> Earlier:
    """What the runs before this one learned and held out, as far as their data sets are still there.

    Raises:
        DatasetError: a data set is damaged.
    """
    from finetune.dataset.example_files import read_examples

    keys: dict[str, set[str]] = {"train": set(), "test": set()}
    for run in runs:
        for part, found in keys.items():
            if (path := run.dataset / f"{part}.jsonl").is_file():
                found |= {key for example in read_examples(path) for key in questions_of(example)}
    return Earlier(frozenset(keys["train"]), frozenset(keys["test"]))


def hold_out(examples: Sequence[Example], earlier: Earlier | None = None) -> Divided:
    """Divide examples, the same way every time.

    Args:
        examples: scrubbed and without duplicates.
        earlier: what runs before this one did.
    """
    earlier = earlier or Earlier()
    if found := _held_out(examples, _families(examples, grouped=True), earlier):
        return found
    # All in a few conversations: questions are then kept apart rather than conversations.
    apart = without_groups(examples)
    found = _held_out(apart, _families(apart, grouped=False), earlier)
    note = "Too few conversations to hold out whole ones: questions were held out that are unlike the others."
    return replace(found, notes=(note, *found.notes)) if found else Divided(tuple(apart), (), (note,))


def _held_out(examples: Sequence[Example], families: list[list[int]], earlier: Earlier) -> Divided | None:
    """The parts; None where too little would be on one side, whichever questions are held out."""
    return _divided(examples, families, earlier) or _divided(examples, families, earlier, spare=True)


def _divided(
    examples: Sequence[Example], families: list[list[int]], earlier: Earlier, *, spare: bool = False
) -> Divided | None:
    """The parts; None where too little would be on one side.

    What is held out must be enough of one kind for the gate, which judges by the metric that most questions have;
    those of the other kind come along in proportion, or with `spare` as few as possible.
    """
    asked = [list(items_of(example, "yours")) for example in examples]
    metric, most = most_measured([item for items in asked for item in items])
    judged = [sum(measure_of(item) == metric for item in items) for items in asked]
    cap = MOST_TESTED * most // max(1, sum(map(len, asked)))
    target = max(LEAST_TESTED, min(math.ceil(most * SHARE), cap))

    def order(family: list[int]) -> tuple[bool, str]:
        keys = {examples[at].key for at in family}
        name = min(examples[at].group or examples[at].key for at in family)
        return keys.isdisjoint(earlier.tested), hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()

    tested: set[int] = set()
    count = 0
    known = [questions_of(example) for example in examples]
    for family in sorted(families, key=order):
        items = sum(judged[at] for at in family)
        others = sum(len(asked[at]) for at in family)
        wanted = items > 0 or (not spare and 0 < others <= target)
        was_learned = any(not known[at].isdisjoint(earlier.learned) for at in family)
        if wanted and not was_learned and count < target and count + items <= _TOO_LARGE * target:
            tested.update(family)
            count += items
    once = earlier.tested - earlier.learned
    spoiled = {at for at, keys in enumerate(known) if at not in tested and not keys.isdisjoint(once)}
    learned = [at for at in range(len(examples)) if at not in tested and at not in spoiled]
    if count < LEAST_TESTED or sum(len(asked[at]) for at in learned) < LEAST_LEARNED:
        return None
    note = f"{len(spoiled):,} questions that an earlier run held out are not learned from."
    train, test = (tuple(examples[at] for at in part) for part in (learned, sorted(tested)))
    return Divided(train, test, (note,) if spoiled else ())


def _families(examples: Sequence[Example], *, grouped: bool) -> list[list[int]]:
    """The numbers of the examples that must stay together."""
    groups = [[("group", example.group)] if grouped and example.group else [] for example in examples]
    questions = [[("question", question) for question in _questions(example)] for example in examples]
    marks = [[*asked, *group] for asked, group in zip(questions, groups, strict=True)]
    return families_of(marks, _alike([_words(example) for example in examples]))


def _questions(example: Example) -> list[str]:
    """All that the user says in it: what an answer leans on is a question of its own elsewhere."""
    said = (str(message.get("content") or "") for message in example.messages if message["role"] == "user")
    return [" ".join(text.split()).casefold() for text in said]


def _words(example: Example) -> frozenset[str]:
    from knowledge.analysis import terms

    return frozenset(terms(_questions(example)[-1] if _questions(example) else ""))


def _alike(worded: Sequence[frozenset[str]]) -> Iterator[tuple[int, int]]:
    """Pairs that share most of their words, found by their rarest ones (prefix filtering; Chaudhuri et al., 2006)."""
    spread = Counter(word for words in worded for word in words)
    seen: dict[str, list[int]] = defaultdict(list)
    for at, words in enumerate(worded):
        ordered = sorted(words, key=lambda word: (spread[word], word))
        rarest = ordered[: len(words) - math.ceil(ALIKE * len(words)) + 1]
        for other in {other for word in rarest for other in seen[word]}:
            if len(words & worded[other]) >= ALIKE * len(words | worded[other]):
                yield at, other
        for word in rarest:
            seen[word].append(at)
