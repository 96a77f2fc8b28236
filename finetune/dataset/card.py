"""What a data set holds, in figures: for people as Markdown, for programs as JSON; the same bytes for the same data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from finetune.schema import DatasetSplits, Example

PARTS = ("train", "dev", "test")
_MOST_TOOLS_LISTED = 30


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What one source gave: examples, and records left out by reason."""

    name: str
    facts: str = ""
    examples: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Card:
    """The statistics of a data set.

    Attributes:
        examples: by part.
        groups: by part.
        kinds: by what `Example.source` begins with ("turn", "file", "passage" …).
        teaches: how many examples hold an answer, a call, a decision for no tool, a refusal; and how many are
            preferences, wanted or unwanted. One example can count several times.
        characters: of what is said, passages included; `learned_characters` of what the assistant is taught to say.
        turns: how many assistant's messages are taught.
        tools: how many calls of each tool are taught.
        dropped: examples by why they were: exact, near, contradictory, held out.
        pii: pieces of personal data taken out, by kind; `pii_examples` from how many examples.
        settings: with which it was built.
        notes: what the reader should know.
    """

    sources: tuple[SourceFacts, ...] = ()
    examples: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    teaches: Mapping[str, int] = field(default_factory=dict)
    characters: int = 0
    learned_characters: int = 0
    turns: int = 0
    tools: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    pii: Mapping[str, int] = field(default_factory=dict)
    pii_examples: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Card:
        """The inverse of `to_json`."""
        sources = tuple(SourceFacts(**one) for one in data["sources"])
        return cls(**{**data, "sources": sources, "notes": tuple(data["notes"])})

    def to_markdown(self) -> str:
        """The card as a page to read."""
        parts = "\n".join(f"| {name} | {self.examples[name]:,} | {self.groups[name]:,} |" for name in PARTS)
        blocks = [
            "# Data set",
            "\n".join(self.notes),
            f"| part | examples | groups |\n|---|---:|---:|\n{parts}",
            f"{self.turns:,} messages of the assistant are taught: {self.learned_characters:,} of "
            f"{self.characters:,} characters.",
            *(
                _table(title, counts)
                for title, counts in (
                    ("Where the examples come from", self.kinds),
                    ("What they teach", self.teaches),
                    ("Calls by tool", dict(list(self.tools.items())[:_MOST_TOOLS_LISTED])),
                    ("Dropped", self.dropped),
                    (f"Personal data taken out of {self.pii_examples:,} examples", self.pii),
                )
            ),
            "## Sources\n\n" + "\n".join(map(_line, self.sources)) if self.sources else "",
            _table("Settings", self.settings),
        ]
        return "\n\n".join(filter(None, blocks)) + "\n"


def _table(title: str, counts: Mapping[str, Any]) -> str:
    rows = "\n".join(f"| {name} | {value:,} |" if isinstance(value, int) else f"| {name} | {value} |"
                     for name, value in counts.items())  # fmt: skip
    return f"## {title}\n\n| | |\n|---|---:|\n{rows}" if counts else ""


def _line(source: SourceFacts) -> str:
    left = "".join(f"\n  - left out: {reason}: {count:,}" for reason, count in source.left_out.items())
    return f"- {source.name} ({source.facts}): {source.examples:,} examples{left}"


def card_of(splits: DatasetSplits, **known: Any) -> Card:
    """Count what a data set holds.

    Args:
        splits: the data set.
        known: the fields of `Card` that cannot be counted: sources, dropped, pii, pii_examples, settings.
    """
    everything = [example for name in PARTS for example in getattr(splits, name)]
    return Card(
        examples={name: len(getattr(splits, name)) for name in PARTS},
        groups={name: len({one.group for one in getattr(splits, name)}) for name in PARTS},
        kinds=_counted(example.source.partition(":")[0] or "unnamed" for example in everything),
        teaches=_counted(what for example in everything for what in _taught(example)),
        characters=sum(_characters(message) for example in everything for message in example.messages),
        learned_characters=sum(_characters(one) for example in everything for one in _learned(example)),
        turns=sum(len(_learned(example)) for example in everything),
        tools=_counted(
            call["name"] for one in everything for said in _learned(one) for call in said.get("tool_calls") or ()
        ),
        notes=splits.notes,
        **known,
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    """The most frequent first, equals by name."""
    return dict(sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0])))


def _learned(example: Example) -> list[Mapping[str, Any]]:
    unwanted = example.label is False
    return [one for one in example.messages if one["role"] == "assistant" and one.get("weight", 1) and not unwanted]


def _taught(example: Example) -> Iterable[str]:
    from agent.prompts import REFUSAL

    if example.rejected is not None:
        yield "preference"
    if example.label is not None:
        yield "wanted" if example.label else "unwanted"
    for said in _learned(example):
        if calls := said.get("tool_calls"):
            yield "a call" if len(calls) == 1 else "several calls at once"
        elif example.tools:
            yield "no tool"
        if said["content"].strip():
            yield "refusal" if said["content"].strip() == REFUSAL else "answer"


def _characters(message: Mapping[str, Any]) -> int:
    calls = json.dumps(message["tool_calls"], ensure_ascii=False) if message.get("tool_calls") else ""
    return len(message["content"]) + sum(map(len, message.get("passages", ()))) + len(calls)
