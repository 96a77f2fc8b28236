"""Values that people name in requests: a value as a call wants it, and a way to say it."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from finetune.errors import DatasetError

FILE = Path(__file__).with_name("pools.toml")
FEWEST = 40
_DIGITS = re.compile(r"(?<!\bC)(?<!\bF)#+")  # not the sign of C#
_NESTED = re.compile(r"\{(\w+)\}")
_ONES = "zero one two three four five six seven eight nine ten eleven twelve".split()


@dataclass(frozen=True, slots=True)
class Said:
    """A value and the words for it."""

    value: Any
    text: str


class Pools:
    """Named pools of values: general ones, and those of one file of tools, which come first.

    In general ones `#` becomes a digit and `{name}` a value of that pool.
    """

    def __init__(
        self, general: Mapping[str, tuple[Said, ...]], own: Mapping[str, tuple[Said, ...]] | None = None
    ) -> None:
        self._general = general
        self._own = own or {}

    def __contains__(self, name: str) -> bool:
        return name in self._own or name in self._general or name in MADE

    def beside(self, own: Mapping[str, tuple[Said, ...]]) -> Pools:
        """These pools and the own ones of a file."""
        return Pools(self._general, own)

    def names(self) -> list[str]:
        """Of all pools, sorted."""
        return sorted({*self._own, *self._general, *MADE})

    def listed(self, name: str) -> tuple[Said, ...]:
        """The values of a pool as they are written; nothing for one that is made by code."""
        return self._own.get(name, self._general.get(name, ()))

    def draw(self, name: str, rng: Random) -> Said:
        """One value of a pool."""
        if name in self._own:
            return rng.choice(self._own[name])
        if name not in self._general:
            return MADE[name](rng)
        one = rng.choice(self._general[name])
        if one.value != one.text:
            return one
        text = self._filled(one.text, rng)
        return Said(text, text)

    def _filled(self, text: str, rng: Random) -> str:
        """Digits and nested pools put in; the first digit of a run is never zero."""
        text = _NESTED.sub(lambda match: str(self.draw(match[1], rng).value), text)
        return _DIGITS.sub(lambda run: str(rng.randrange(10 ** (len(run[0]) - 1), 10 ** len(run[0]))), text)


def read_pools(table: Mapping[str, Any], where: str) -> dict[str, tuple[Said, ...]]:
    """Pools of a TOML table: lists of values, or tables of `"said" = "value"`.

    Raises:
        DatasetError: a pool is neither, or is empty.
    """
    pools = {}
    for name, values in table.items():
        if isinstance(values, Mapping):
            pools[name] = tuple(Said(value, said) for said, value in values.items())
        elif isinstance(values, list) and all(isinstance(value, str) for value in values):
            pools[name] = tuple(Said(value, value) for value in values)
        else:
            raise DatasetError(f'{where}: the pool "{name}" is neither a list of texts nor a table of said = value.')
        if not pools[name]:
            raise DatasetError(f'{where}: the pool "{name}" is empty.')
    return pools


def general_pools(path: Path = FILE) -> Pools:
    """The pools that every file of tools may use.

    Raises:
        DatasetError: the file is missing, is no TOML, or a pool in it is not well formed.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path.name}: {error}") from error
    return Pools(read_pools(table, path.name))


def in_words(number: int) -> str:
    """Zero to twelve in words, others in digits."""
    return _ONES[number] if 0 <= number < len(_ONES) else str(number)


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, and so on."""
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _date(rng: Random) -> Said:
    """A day of 2010 to 2027."""
    day = datetime.date(2010, 1, 1) + datetime.timedelta(days=rng.randrange(18 * 365))
    if rng.random() < 0.6:
        day = datetime.date(2023, 6, 1) + datetime.timedelta(days=rng.randrange(3 * 365))
    return said_date(day, rng)


def said_date(day: datetime.date, rng: Random) -> Said:
    """One of the ways to say a day, always with its year; 4/5/2024 is none, since it can be read in two ways."""
    month, short = f"{day:%B}", f"{day:%b}"
    ways = [
        f"{month} {day.day}, {day.year}",
        f"{month} {ordinal(day.day)}, {day.year}",
        f"{day.day} {month} {day.year}",
        f"the {ordinal(day.day)} of {month} {day.year}",
        f"{short} {day.day}, {day.year}",
        day.isoformat(),
        day.isoformat(),
    ]
    if day.day > 12:
        ways.append(f"{day.month}/{day.day}/{day.year}")
    return Said(day.isoformat(), rng.choice(ways))


def _time(rng: Random) -> Said:
    hour, minute = rng.randint(6, 22), rng.choice((0, 0, 0, 15, 30, 30, 45, 5, 20, 50))
    value = f"{hour:02}:{minute:02}"
    half, twelve = ("am" if hour < 12 else "pm"), (hour - 1) % 12 + 1
    minutes = f":{minute:02}" if minute else ""
    ways = [value, f"{twelve}{minutes} {half}", f"{twelve}{minutes}{half}", f"{twelve}{minutes} {half[0]}.m."]
    part = "in the morning" if hour < 12 else "in the afternoon" if hour < 18 else "in the evening"
    if minute == 0:
        ways.append("noon" if hour == 12 else f"{in_words(twelve)} {part}")
    if minute == 30 and hour != 12:
        ways.append(f"half past {in_words(twelve)} {part}")
    if minute == 15 and hour != 12:
        ways.append(f"quarter past {in_words(twelve)} {part}")
    return Said(value, rng.choice(ways))


_IN_MINUTES = 0.7  # of durations need not be converted, which small models seldom learn to do


def _duration_minutes(rng: Random) -> Said:
    minutes = rng.choice((5, 10, 12, 15, 20, 25, 30, 35, 40, 45, 50, 60, 75, 90, 100, 120, 150, 180, 240, 300))
    ways = [f"{minutes} minutes", f"{minutes} min"]
    if rng.random() < _IN_MINUTES:
        return Said(minutes, rng.choice(ways))
    if minutes % 60 == 0:
        hours = minutes // 60
        ways += ["an hour", "one hour"] if hours == 1 else [f"{hours} hours", f"{in_words(hours)} hours"]
    ways += {30: ["half an hour"], 45: ["three quarters of an hour"], 90: ["an hour and a half", "1.5 hours"]}.get(
        minutes, []
    )
    return Said(minutes, rng.choice(ways))


def _money(rng: Random) -> Said:
    amount: float = rng.choice((rng.randint(3, 99), rng.randint(10, 99) * 10, rng.randint(10, 99) * 100))
    if rng.random() < 0.3:
        amount = round(rng.uniform(2, 400), 2)
    if amount == int(amount):
        amount = int(amount)
    digits = f"{amount:,}" if isinstance(amount, int) else f"{amount:.2f}"
    return Said(amount, rng.choice((f"${digits}", f"${digits}", f"{digits} dollars")))


def _percent(rng: Random) -> Said:
    share: float = rng.randint(1, 95) if rng.random() < 0.7 else round(rng.uniform(0.5, 30), rng.choice((1, 2)))
    share = int(share) if share == int(share) else share
    return Said(share, rng.choice((f"{share}%", f"{share}%", f"{share} percent", f"{share} %")))


def _year(rng: Random) -> Said:
    year = str(rng.randint(1960, 2026) if rng.random() < 0.7 else rng.randint(1650, 1959))
    return Said(year, year)


# Made by code, since no list would be long enough.
MADE: dict[str, Callable[[Random], Said]] = {
    "date": _date,
    "time": _time,
    "duration_minutes": _duration_minutes,
    "money": _money,
    "percent": _percent,
    "year": _year,
}
# JSON types of pools whose values are not texts.
TYPES = {"duration_minutes": "integer", "money": "number", "percent": "number"}
