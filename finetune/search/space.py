"""What a search may choose from: the options of a recipe, as ranges and choices that people can read and write.

    learning_rate=1e-4..3e-3:log     any number from 1e-4 to 3e-3, small and large ones equally likely
    warmup=0..0.1                    any number between
    rank=4..64:log                   a whole number, because the option is one
    rank=8|16|32                     one of these

Nothing here needs PyTorch or Optuna, so that a wrong space is found before anything is loaded.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from finetune.errors import RecipeError
from finetune.recipes import option_kind
from finetune.training.low_rank import SHAPE
from finetune.training.options import parse_options

_DEFAULTS = {
    "lora": "learning_rate=2e-4..5e-3:log rank=8|16|32 loraplus=1|4|16 step_targets=256|512|1024",
    "qlora": "learning_rate=5e-5..1e-3:log rank=8|16|32 loraplus=1|4|16 step_targets=256|512|1024",
    "full": "learning_rate=1e-5..5e-4:log weight_decay=0|0.01|0.1 step_targets=256|512|1024",
    "prompt_tuning": "learning_rate=1e-3..1e-1:log tokens=8|16|32|64 step_targets=256|512|1024",
    "prefix_tuning": "learning_rate=1e-3..1e-1:log tokens=8|16|32|64 step_targets=256|512|1024",
    "dpo": "learning_rate=1e-5..1e-3:log rank=8|16|32 step_targets=8|16|32",
    "kto": "learning_rate=1e-5..1e-3:log rank=8|16|32 step_targets=8|16|32",
}
_ELSEWHERE = "learning_rate=1e-5..1e-2:log"  # recipes of other packages

# Trials are compared by their loss on development data; an option that changes what that loss measures cannot be
# judged by it.
_MEASURE = {
    "": {
        "context": "decides which development examples are measured",
        "precision": "is settled by what the machine computes best with",
        "seed": "has no best value, only a lucky one",
    },
    "dpo": dict.fromkeys(("beta", "likelihood"), "is part of the loss that trials are compared by")
    | {"pack_tokens": "decides which development pairs are measured"},
    "kto": dict.fromkeys(("beta", "desirable", "undesirable", "together"), "is part of the loss that is compared"),
}
_MEASURE["kto"]["pack_tokens"] = "decides which development examples are measured"
_WATCHING = frozenset(
    "minutes threads checkpoint_seconds checkpoint_steps dev_every dev_times dev_tokens sample_every samples "
    "sample_tokens tracking gradient_checkpointing".split()
)
_MANY = 10_000  # combinations; a space with more is as good as endless
_DIGITS = 4
_SYNTAX = "Write NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A|B|C, for example learning_rate=1e-4..3e-3:log."


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both included; `log`: evenly by their magnitude."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}" + (":log" if self.log else "")

    def __contains__(self, value: object) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high

    def values(self) -> list[Any] | None:
        """All of them; None where there are too many to try."""
        if not self.whole or self.high - self.low >= _MANY:
            return None
        return list(range(int(self.low), int(self.high) + 1))


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values."""

    options: tuple[Any, ...]

    def __str__(self) -> str:
        return "|".join(f"{one:g}" if isinstance(one, float) else str(one).lower() for one in self.options)

    def __contains__(self, value: object) -> bool:
        return value in self.options

    def values(self) -> list[Any] | None:
        """All of them."""
        return list(self.options)


@dataclass(frozen=True, slots=True)
class Space:
    """The options that a search chooses, by name."""

    parts: Mapping[str, Range | Choice]

    def __str__(self) -> str:
        return " ".join(f"{name}={part}" for name, part in self.parts.items())

    def rounded(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Values as they are used and shown: four digits say all that a search can know."""
        return {name: _rounded(value, self.parts[name]) for name, value in chosen.items()}

    def untried(self, tried: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Any] | None:
        """A combination that was not tried yet, any of them; None where all were.

        Only for spaces that can be tried to the end, as `is_finite` tells.
        """
        values = [part.values() or [] for part in self.parts.values()]
        every = [dict(zip(self.parts, combination, strict=True)) for combination in product(*values)]
        left = [one for one in every if one not in tried]
        return random.Random(seed).choice(left) if left else None  # noqa: S311 - nothing here is secret

    @property
    def is_finite(self) -> bool:
        """Whether all combinations could be tried."""
        sizes = [part.values() for part in self.parts.values()]
        return all(sizes) and math.prod(len(size or ()) for size in sizes) <= _MANY


def default_space(recipe: str) -> str:
    """The space that a recipe is searched in where none is given, as text."""
    return _DEFAULTS.get(recipe, _ELSEWHERE)


def parse_space(recipe: str, given: Sequence[str], fixed: Mapping[str, Any], *, continues: bool = False) -> Space:
    """The space of a search, known to be possible.

    Args:
        recipe: its name.
        given: parts as above, which take the place of the recipe's own parts of the same names.
        fixed: options with one value for all trials; the recipe's own space leaves these out.
        continues: whether trials go on from an adapter, whose shape is settled.

    Raises:
        RecipeError: a part cannot be read, names no option of the recipe, or holds values that it cannot have.
    """
    kind = option_kind(recipe)
    parse_options(kind, fixed)
    texts = dict(_named(text) for text in default_space(recipe).split())
    for name in (*fixed, *(SHAPE if continues else ())):
        texts.pop(name, None)
    stated: set[str] = set()
    for text in (part for line in given for part in line.split()):
        name, value = _named(text)
        if name in stated:
            raise _wrong(text, f"{name} is given twice", "Write each option once; choices are divided by |.")
        if name in fixed:
            raise _wrong(text, f"{name} is also set to {fixed[name]}", f"Leave out --set {name} or --space {name}.")
        if continues and name in SHAPE:
            raise _wrong(text, f"{name} is that of the adapter that --from names", f"Leave out {name}, or --from.")
        stated.add(name)
        texts[name] = value
    if not texts:
        raise RecipeError("There is nothing to search: every option is set.", fix=_SYNTAX)
    return Space({name: _part(kind, recipe, name, text) for name, text in texts.items()})


def starting_point(recipe: str, space: Space) -> dict[str, Any]:
    """The recipe's own values of the options that are searched, where the space holds them."""
    options = option_kind(recipe)()
    values = {name: getattr(options, name, getattr(options.training, name, None)) for name in space.parts}
    return {name: value for name, value in values.items() if value in space.parts[name]}


def _named(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given or not name.strip() or not value.strip():
        raise _wrong(text, "it has no name and values", _SYNTAX)
    return name.strip().replace("-", "_"), value.strip()


def _part(kind: Any, recipe: str, name: str, text: str) -> Range | Choice:
    reason = {**_MEASURE[""], **_MEASURE.get(recipe, {})}.get(name)
    if reason:
        raise _wrong(f"{name}={text}", f"{name} {reason}", f"Fix it with --set {name}=VALUE, and compare runs by use.")
    if name in _WATCHING:
        raise _wrong(f"{name}={text}", f"{name} does not change what is learned", f"Set it with --set {name}=VALUE.")
    return _choice(kind, name, text) if ".." not in text else _range(kind, name, text)


def _choice(kind: Any, name: str, text: str) -> Choice:
    values = [_value(kind, name, one.strip()) for one in text.split("|")]
    if len(values) < 2:
        raise _wrong(f"{name}={text}", "one value leaves no choice", f"Give several, or write --set {name}={text}.")
    if len(set(values)) < len(values):
        raise _wrong(f"{name}={text}", "a value is there twice", "Give each value once.")
    return Choice(tuple(values))


def _range(kind: Any, name: str, text: str) -> Range:
    bounds, colon, scale = text.partition(":")
    if colon and scale != "log":
        raise _wrong(f"{name}={text}", f'"{scale}" is no scale', "Write :log, or nothing after the numbers.")
    low, high = (_value(kind, name, one.strip()) for one in bounds.split("..", 1))
    if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in (low, high)):
        raise _wrong(f"{name}={text}", f"{name} is not a number", f"Divide its values by |, as in {name}=A|B.")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise _wrong(f"{name}={text}", "a range ends somewhere", _SYNTAX)
    if not low < high:
        raise _wrong(f"{name}={text}", "the first number is not below the second", _SYNTAX)
    if colon and low <= 0:
        raise _wrong(f"{name}={text}", "magnitudes begin above 0", f"Begin above 0, or write {name}={bounds}.")
    return Range(low, high, bool(colon), isinstance(low, int) and isinstance(high, int))


def _value(kind: Any, name: str, text: str) -> Any:
    """A value as the recipe reads it; lists stay text, which is what a search can store."""
    options = parse_options(kind, {name: text})
    value = getattr(options, name) if hasattr(options, name) else getattr(options.training, name)
    return text if isinstance(value, tuple) else value


def _rounded(value: Any, part: Range | Choice) -> Any:
    if isinstance(part, Choice) or not isinstance(value, float):
        return value
    return min(max(float(f"{value:.{_DIGITS}g}"), part.low), part.high)


def _wrong(text: str, why: str, fix: str) -> RecipeError:
    return RecipeError(f'"{text}" cannot be searched: {why}.', kept="Nothing was trained.", fix=fix)
