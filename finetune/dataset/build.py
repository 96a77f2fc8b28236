"""The one way from sources to a data set: check, read, hold out, scrub, drop duplicates, split, write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from finetune.dataset.card import SourceFacts, card_of
from finetune.dataset.duplicates import Deduplicated, deduplicate
from finetune.dataset.privacy import PiiReport, Scrubber
from finetune.dataset.sources import Source
from finetune.dataset.splits import check_held_out, held_out_in, split
from finetune.dataset.store import DatasetFolder, save
from finetune.errors import DatasetError
from finetune.schema import Example

FEWEST = 2
_TELL_EVERY = 500
_MORE = "Give more feedback, more documents, or a file of examples."


class BuildSettings(BaseModel):
    """How a data set is built; the same settings and sources give the same bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=0, ge=0, description="Of the order of groups and of the hash functions.")
    dev: float = Field(default=0.1, ge=0, lt=0.5, description="Share of the examples for development.")
    test: float = Field(default=0.1, ge=0, lt=0.5, description="Share of the examples for the last measurement.")
    near: float | None = Field(default=0.8, ge=0.7, le=1, description="Likeness of near duplicates; null keeps them.")
    scrub: bool = Field(default=True, description="Take personal data and secrets out.")
    limit: int = Field(default=0, ge=0, description="Examples at most, drawn group by group; 0 for all.")
    leave_out_held_out: bool = Field(default=False, description="Drop evaluation items rather than refuse to build.")


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is: `done` examples in this stage; `source` is the one that is being read."""

    stage: Literal["check", "read", "duplicates", "split", "write"]
    done: int = 0
    source: str = ""


OnProgress = Callable[[BuildProgress], None]


def build_dataset(
    sources: Sequence[Source],
    folder: Path,
    settings: BuildSettings | None = None,
    *,
    held_out: Collection[str] = (),
    on_progress: OnProgress | None = None,
) -> DatasetFolder:
    """Build a data set from sources.

    Every source is checked before any is read. An interrupted build leaves nothing behind.

    Args:
        sources: in the order of preference; of duplicates the first is kept.
        folder: a new or empty one.
        settings: default: `BuildSettings()`.
        held_out: `Example.key` of every item that models are evaluated with: none may be in the data set.
        on_progress: told how far it is.

    Raises:
        DatasetError: a source cannot be used, nothing or too little remains, an evaluation item is among the
            examples, or the folder cannot be written.
    """
    settings, tell = settings or BuildSettings(), on_progress or (lambda progress: None)
    if not sources:
        raise DatasetError("There is nothing to build a data set from.", fix=_MORE)
    for source in sources:
        tell(BuildProgress("check", source=source.name))
        source.check()
    gathered = _Gathered(settings, frozenset(held_out), tell)
    facts = tuple(gathered.take(source) for source in sources)
    tell(BuildProgress("duplicates", len(gathered.examples)))
    distinct = deduplicate(gathered.examples, near=settings.near, seed=settings.seed)
    _check_enough(gathered, distinct)
    tell(BuildProgress("split", len(distinct.kept)))
    chosen = _chosen(distinct.kept, settings)
    splits = split(chosen, dev=settings.dev, test=settings.test, seed=settings.seed)
    check_held_out((*splits.train, *splits.dev, *splits.test), held_out)
    pii = gathered.pii
    card = card_of(
        splits,
        sources=facts,
        dropped=_dropped(distinct, gathered, len(chosen)),
        pii=dict(pii.kinds),
        pii_examples=len(pii.examples),
        settings=settings.model_dump(),
    )
    tell(BuildProgress("write", len(chosen)))
    return save(folder, splits, card, pii)


class _Gathered:
    """The examples of all sources, scrubbed, without those held out."""

    def __init__(self, settings: BuildSettings, held_out: frozenset[str], tell: OnProgress) -> None:
        self._settings = settings
        self._held_out = held_out
        self._tell = tell
        self._scrubber = Scrubber()
        self._shared: dict[str, tuple[Any, ...]] = {}
        self.examples: list[Example] = []
        self.held_out = 0

    @property
    def pii(self) -> PiiReport:
        return self._scrubber.report

    def take(self, source: Source) -> SourceFacts:
        before = len(self.examples)
        for example in self._allowed(source.read()):
            self.examples.append(self._with_shared_tools(example))
            if len(self.examples) % _TELL_EVERY == 0:
                self._tell(BuildProgress("read", len(self.examples), source.name))
        self._tell(BuildProgress("read", len(self.examples), source.name))
        left_out = dict(sorted(source.reading.left_out.items()))
        return SourceFacts(source.name, source.reading.facts, len(self.examples) - before, left_out)

    def _allowed(self, examples: Iterable[Example]) -> Iterator[Example]:
        """Held out is looked for before and after scrubbing: an item may have been scrubbed, or not."""
        for raw in examples:
            example = self._scrubber(raw) if self._settings.scrub else raw
            if not held_out_in((raw, example), self._held_out):
                yield example
            elif self._settings.leave_out_held_out:
                self.held_out += 1
            else:
                check_held_out((raw, example), self._held_out)

    def _with_shared_tools(self, example: Example) -> Example:
        """Equal tools are one object, so that a thousand examples of one box take the memory of one."""
        if not example.tools:
            return example
        written = json.dumps(example.tools, ensure_ascii=False)
        return replace(example, tools=self._shared.setdefault(written, example.tools))


def _check_enough(gathered: _Gathered, distinct: Deduplicated) -> None:
    given, kept = len(gathered.examples), len(distinct.kept)
    if not given:
        held = f": all {gathered.held_out} are evaluation items" if gathered.held_out else ""
        raise DatasetError(f"The sources hold no example{held}.", kept="Nothing was built.", fix=_MORE)
    if kept < FEWEST:
        what = "There is only one example."
        if given > 1:
            what = f"The {given:,} examples say the same, or contradict each other: {kept} remains of them."
        what += " A model that learned from it could only repeat it."
        raise DatasetError(what, kept="Nothing was built.", fix=_MORE)


def _chosen(examples: Sequence[Example], settings: BuildSettings) -> Sequence[Example]:
    """As many as there may be, in their order; which ones depends on the seed alone."""
    if not settings.limit or len(examples) <= settings.limit:
        return examples

    def place(at: int) -> tuple[bytes, int]:
        name = f"limit {settings.seed}\n{examples[at].group or examples[at].key}"
        return hashlib.sha256(name.encode("utf-8", "replace")).digest(), at

    return [examples[at] for at in sorted(sorted(range(len(examples)), key=place)[: settings.limit])]


def _dropped(distinct: Deduplicated, gathered: _Gathered, chosen: int) -> dict[str, int]:
    counts = {
        "the same as another": distinct.exact,
        "nearly the same as another": distinct.near,
        "wanted in one, unwanted in another": distinct.contradictory,
        "held out for evaluation": gathered.held_out,
        "more than were asked for": len(distinct.kept) - chosen,
    }
    return {reason: count for reason, count in counts.items() if count}
