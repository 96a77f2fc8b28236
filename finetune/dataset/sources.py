"""What a data set is built from: anything that can be checked quickly and then read example by example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from finetune.schema import Example


@dataclass(slots=True)
class Reading:
    """What became of the material of one source, for the data card.

    Attributes:
        facts: what was found out about the source before it was read, in one line.
        left_out: how many records were left out, by reason.
    """

    facts: str = ""
    left_out: Counter[str] = field(default_factory=Counter)


class Source(Protocol):
    """Where examples come from. `check` is quick beside what becomes of what `read` gives."""

    @property
    def name(self) -> str:
        """For people: "records", the name of a file."""

    @property
    def reading(self) -> Reading:
        """What became of it; complete once `read` has ended."""

    def check(self) -> None:
        """Find out whether it can be read, and fill in `reading.facts`.

        Raises:
            DatasetError: it cannot.
        """

    def read(self) -> Iterator[Example]:
        """The examples, in a fixed order, each with `source` and `group`.

        Raises:
            DatasetError: it turns out to be broken.
        """


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples that are at hand already, as a source."""

    name: str
    examples: tuple[Example, ...]
    reading: Reading = field(default_factory=Reading)

    def check(self) -> None:
        """Nothing can be wrong with them."""
        self.reading.facts = f"{len(self.examples):,} examples"

    def read(self) -> Iterator[Example]:
        """The examples as they were given."""
        yield from self.examples
