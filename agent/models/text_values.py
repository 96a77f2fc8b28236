"""Words, numbers and days as they are written in a text."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import TypeGuard

_LARGEST = 1e300  # greater whole numbers are no floats
STEM = 4  # letters by which two forms of a word are known as one
_WORD = re.compile(r"[^\W_]+")
_NAME_PARTS = re.compile(r"[_\W]+|(?<=[a-z0-9])(?=[A-Z])")
_EMPTY = frozenset("a an the of for from to in on at by with and or as is are it its no not all any none".split())
_DIGITS = r"(?<![^\W_])(?:\d+(?:\.\d+)?|(?<!\d)\.\d+)(?:e[-+]?\d+\b)?"  # not those within a code: "v3Cf"
_NUMBER = re.compile(_DIGITS)
_PIECE = re.compile(rf"{_DIGITS}|[^\W\d_][^\W_]*|\S")
_GROUPED = re.compile(r"(?<=\d),(?=(?:\d{2,3},){0,4}\d{3}(?!\d))")  # 1,000,000 and 10,00,000
# Of English; `calendar` has those of the locale.
MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "(?P<month>" + "|".join(f"{month[:3]}(?:{month[3:]})?" for month in MONTHS) + r"|sept)\b\.?"
_ISO_DAY = re.compile(r"(?P<year>\d{4})-(?P<number>\d\d?)-(?P<day>\d\d?)(?!\d)")
_DAYS = tuple(
    re.compile(rf"\b{pattern}\b")
    for pattern in (
        _ISO_DAY.pattern,
        rf"{_MONTH} (?P<day>\d\d?)(?:st|nd|rd|th)?,? (?P<year>\d{{4}})",
        rf"(?P<day>\d\d?)(?:st|nd|rd|th)?(?: of)? {_MONTH},? (?P<year>\d{{4}})",
    )
)
_DIGITS_OF_DAY = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}")
_DAY_LIKE = re.compile(
    r"\b(?:\d{4}-\d\d?-\d\d?|\d\d?[/.]\d\d?[/.]\d{2,4}|MONTH DAY(?:st|nd|rd|th)?\b(?:,? \d{4})?"
    r"|DAY(?:st|nd|rd|th)?(?: of)? MONTH(?:,? \d{4})?)(?!\w)".replace("DAY", r"(?:[12]?\d|3[01])").replace(
        "MONTH", _MONTH.replace("?P<month>", "?:")
    ),
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """The text as it is compared: without capitals and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def words_in(text: str) -> list[str]:
    """All words of a plain text."""
    return _WORD.findall(text)


def pieces_in(text: str) -> list[str]:
    """Numbers, words and signs of a text, in order, without its days."""
    return _PIECE.findall(undated(text))


def parts_of(name: str) -> list[str]:
    """All words of a value or of a name ("first_day", "firstDay"), as they are compared."""
    return words_in(plain(" ".join(_NAME_PARTS.split(name))))


def words_of(name: str) -> list[str]:
    """The words of a value or of a name that mean something."""
    return [word for word in parts_of(name) if word not in _EMPTY]


def numbers_in(text: str) -> list[float]:
    """The numbers in digits of a text, in order, without those that are a part of a day."""
    return [float(digits) for digits in _NUMBER.findall(undated(text))]


def is_number(piece: str) -> bool:
    """Whether a piece of a text is a number in digits."""
    return _NUMBER.fullmatch(piece) is not None


def is_amount(value: object) -> TypeGuard[float]:
    """Whether a value is a number that can be compared with those of a text."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def rounded(number: float) -> float:
    """The number to nine digits, as two ways to the same one differ in the last."""
    return float(f"{number:.9g}")


def days_in(text: str) -> list[date]:
    """The days that a plain text writes out, in order."""
    found = [match for pattern in _DAYS for match in pattern.finditer(text)]
    return [day for match in sorted(found, key=re.Match.start) if (day := _as_day(match))]


def parts_of_days(text: str) -> list[list[float]]:
    """The numbers that each day of a text is written with, be it written in part."""
    return [[float(digits) for digits in _NUMBER.findall(day)] for day in _DAY_LIKE.findall(text)]


def read_day(value: str) -> date | None:
    """The day that a value is or begins with, where it is written from the year on."""
    match = _ISO_DAY.match(value)
    return _as_day(match) if match else None


def is_day(text: str) -> bool:
    """Whether a plain text is one day and nothing else, in whatever form."""
    return _DIGITS_OF_DAY.fullmatch(text) is not None or any(pattern.fullmatch(text) for pattern in _DAYS)


def month_of(word: str) -> int | None:
    """The number of a month by its name, in full or in short."""
    names = (month for month in MONTHS if word in (month, month[:3]))
    name = "september" if word == "sept" else next(names, None)
    return MONTHS.index(name) + 1 if name else None


def abbreviates(short: str, word: str) -> bool:
    """Whether the letters of a short word stand in order in another with the same first one: "km" for kilometers."""
    rest = iter(word)
    return word[:1] == short[:1] and all(letter in rest for letter in short)


def undated(text: str) -> str:
    """The text without its days, and with numbers in one piece: 1000000 for "1,000,000"."""
    return _GROUPED.sub("", _DAY_LIKE.sub(" ", text))


def _as_day(match: re.Match[str]) -> date | None:
    parts = match.groupdict()
    month = int(parts["number"]) if parts.get("number") else month_of(parts["month"].rstrip("."))
    try:
        return date(int(parts["year"]), month or 0, int(parts["day"]))
    except ValueError:
        return None
