"""What was said, to be asked which words, numbers and days it holds.

Forms of a word, of a number or of a day are known as one: "raining" holds "rainy", "5pm" holds 17:00, "May 10, 2022"
holds 2022-05-10. English is what it knows best; of other languages it knows words and digits.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from functools import cached_property
from typing import Any

from agent.models import text_values
from agent.models.number_lists import number_lists
from agent.models.numbers_in_text import NumberInText, surrounded
from agent.models.text_lists import said_list
from agent.models.text_values import (
    STEM,
    abbreviates,
    is_amount,
    month_of,
    numbers_in,
    parts_of,
    plain,
    rounded,
    words_of,
)

_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_POINTED = re.compile(r"\b([ap])\.\s?m\b\.?")
_AFTERNOON = re.compile(r"(?<!\d)(\d\d?)(?::\d\d)?\s*p\.?m\b")
_TIME = re.compile(r"(\d?\d):\d\d(?::\d\d)?")
_UNNAMED = re.compile(r"[A-Z]{2,3}|[A-Z][a-z]+/[A-Z]\w+")  # JPY, Asia/Tokyo
_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve".split()
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
_BY_WORD = {word: number for words in (enumerate(_COUNTED), enumerate(_ORDINALS, 1)) for number, word in words}
_BY_WORD |= {"direct": 0, "nonstop": 0, "rest": 0, "ground": 0}  # "from rest"
_BY_WORD |= {"yearly": 1, "annually": 1, "annual": 1, "quarterly": 4, "monthly": 12, "weekly": 52, "daily": 365}
_BY_WORD |= {"binary": 2, "octal": 8, "decimal": 10, "hex": 16, "hexadecimal": 16, "decade": 10, "century": 100}
_MEANT = {  # a choice, and the words that mean it
    "daily": {"day", "days"},
    "weekly": {"week", "weeks", *"monday tuesday wednesday thursday friday saturday sunday".split()},
    "monthly": {"month", "months"},
    "yearly": {"year", "years", "annual", "annually"},
    "annual": {"year", "years", "yearly"},
    "female": {"women", "woman", "girls", "girl"},
    "male": {"men", "man", "boys", "boy"},
}
# Where days are spoken of, one may be meant that is not written out.
_DAYS = frozenset(
    "today tonight tomorrow yesterday now day days week weeks weekend month months year years next last this ago after "
    "before later monday tuesday wednesday thursday friday saturday sunday morning afternoon evening noon christmas "
    "easter thanksgiving halloween hanukkah ramadan diwali valentine midsummer".split()
)
_HOURS = frozenset("noon midday midnight morning afternoon evening night tonight dawn dusk now".split())
_COUNTING = frozenset("number count amount total value".split())  # beside any number, whatever it counts
_SHARING = frozenset("both each same equal equally all every respectively".split())
_LETTERED = frozenset(  # what is shortened to one letter
    "celsius centigrade fahrenheit kelvin metre metres meter meters gram grams litre litres liter liters second "
    "seconds hour hours watt watts volt volts male female small medium large".split()
)
# Where numbers are put together from words, any number may be meant: "twenty-five", "half an hour".
_SPELLED = re.compile(
    r"\b(?:(?:thir|four|fif|six|seven|eigh|nine)teen(?:th)?|(?:twen|thir|for|fif|six|seven|eigh|nine)t(?:y|ies|ieth)"
    r"|hundred(?:s|th)?|thousands?|[mb]illions?|half|quarters?|dozens?|couple|pair|once|twice|double|triple)\b|\d\s*[/\u2044]\s*\d"
)
_SPAN = re.compile(
    r"\b(?:for|in|over|during|within|after) (?:an?|one) (?:minute|hour|day|night|weekend|week|month|year)\b"
)
_SCALES = (1, 0.01, 1e3, 1e6, 1e9, 60, 3600)  # "5 %" may be 0.05, "2 million" 2000000, an hour 60 or 3600
_PREFIXES = (1e-12, 1e-9, 1e-6, 1e-3, 1e-2, 1e2, 1e3, 1e6, 1e9)  # of units; a tenth or ten times is a slip
_RULED_OUT = (
    r"\b(?:not|no|never|but|except|without|avoid|besides|neither|nor|instead of|rather than|other than|\w*n['\u2019]t)"
    r"\b(?:\W+\w+){0,3}?\W+"
)
_CAPITALS = re.compile(r"\b([A-Z]{2,4})\d*\b")
_OWNED = re.compile(r"['\u2019]s\b")
_SIFTING = frozenset(
    "without except excluding drop dropping remove removing omit omitting ignore ignoring skip".split()
)
_SOME = re.compile(rf"\b(?:first|last|top|bottom)\s+(?:\d+|{'|'.join(_COUNTED)})\b")  # "the first three of"
# Quoted, or up to a stop or the next label.
_LABELLED = r"(?:\"([^\"\n]+)\"|'([^'\n]+)'|((?:(?!\s\w+\s?[:=]\s)[^,;.?!\n]|[,.?!](?=\w))+))"
_BULLETS = re.compile(r"^[ \t]*[-\u2212]", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n+")
_IN_PERCENT = frozenset("rate percent percentage interest return yield discount level confidence tip tax vat".split())


class Said:
    """What was said.

    Args:
        text: a request, or a whole conversation.

    Attributes:
        text: as it was given.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._plain = _OWNED.sub(" ", plain(text))
        self._capitals = [letters.lower() for letters in _CAPITALS.findall(text)]

    def holds_text(self, value: str) -> bool:
        """Whether a word of the value was said, in some form; what can be meant without its words may have been."""
        if time := _TIME.fullmatch(value):
            return self._holds_hour(int(time[1]))
        if day := text_values.read_day(value):
            return self.holds_day(day)
        if _UNNAMED.fullmatch(value) or self._holds_verbatim(value):
            return True
        words = words_of(value)
        if len(words) == 1 and len(value) < STEM and value.isalpha():
            return any(abbreviates(words[0], word) for word in self.words)
        words += text_values.words_in(plain(value)) if words else []  # "DiCaprio" is one word, too
        return not words or any(map(self.holds_word, words)) or any(map(self.holds_number, numbers_in(value)))

    def holds_choice(self, value: str) -> bool:
        """Whether a word of one of the values that a schema lists was said, in some form or in short."""
        if self._holds_verbatim(value):
            return True
        words = words_of(value)
        if len(words) == 1 and len(words[0]) == 1:
            return words[0] in self.words or any(unit[0] == words[0] for unit in self.words & _LETTERED)
        if len(words) == 1 and len(words[0]) < STEM and words[0].isalpha():
            return any(abbreviates(words[0], word) for word in self.words)
        if any(map(self.holds_number, numbers_in(value))):  # "5y"
            return True
        return any(self.holds_word(word) or (word in _LETTERED and word[0] in self.words) for word in words)

    def touches(self, name: str) -> bool:
        """Whether a word of a name was said, be it within another ("unlock" of "locked"), or none of it can be."""
        stems = [word[:STEM] for word in words_of(name) if len(word) >= STEM - 1]
        return not stems or any(stem in self._plain for stem in stems)

    def names(self, value: str) -> bool:
        """Whether all words of the value were said, all but their endings, and not to rule it out."""
        words = parts_of(value)
        if not words_of(value) or len(words[0]) == 1 or not all(map(self._holds_whole, words)):
            return False
        return re.search(rf"{_RULED_OUT}{words[0]}", self._plain) is None

    def place_of(self, value: str) -> int:
        """Where the first word of a value stands, in some form; -1 where it does not."""
        word = parts_of(value)[0]
        return self._plain.find(word[: STEM + 1] if len(word) > STEM else word)

    def quotes(self, value: str) -> bool:
        """Whether a value stands between quotation marks."""
        found = re.escape(value)
        return re.search(rf"[\"'\u201c\u2018\u00ab]\s?{found}\s?[\"'\u201d\u2019\u00bb]", self.text) is not None

    def only_in_names(self, word: str) -> bool:
        """Whether a word was said, but nowhere except at the end of a name: the city of "New York City"."""
        names = re.findall(rf"\b[A-Z][\w.'-]*\s+{re.escape(word.capitalize())}\b", self.text)
        return word.islower() and 0 < len(names) == self.count(word)

    def holds_word(self, word: str) -> bool:
        """Whether a word was said that begins as this one does; of a number: whether it was said."""
        if word.isdecimal():
            return self.holds_number(float(word)) or word in self.words
        if not word.isascii():
            return word in self._plain  # some scripts write no spaces
        if len(word) < STEM:
            return not self.words.isdisjoint((word, f"{word}s"))
        meant = not self.words.isdisjoint(_MEANT.get(word, ()))
        return meant or any(one.startswith(word[:STEM]) for one in self.words)

    def holds_number(self, value: float) -> bool:
        """Whether a number was said, in digits or words, or any may have been."""
        return rounded(value) in self._numbers or self.spells_numbers

    def holds_day(self, day: date) -> bool:
        """Whether a day was said, in some form, or may be meant."""
        if self.tells_days or day.year in self._numbers:  # "in 2023", "March 2024"
            return True
        months = {month_of(word) for word in self.words} - {None}
        if not months and re.search(rf"\b{day.day}(?:st|nd|rd|th)\b", self._plain):
            return True
        known = self._numbers.union(*self.parts_of_days)
        return (day.month in months or day.month in known) and (day.day in known or self.spells_numbers)

    def holds_digits(self, value: float) -> bool:
        """Whether the digits of a number stand somewhere, be it within a word, as in 8d20, or for another unit."""
        if any(math.isclose(abs(value), abs(number) * scale) for number in self.numbers for scale in _PREFIXES):
            return True
        return re.search(rf"(?<![\d.:,/-]){re.escape(f'{abs(value):.15g}')}(?![.:,/-]?\d)", self._plain) is not None

    def writes(self, number: float) -> bool:
        """Whether a number stands somewhere in these very digits or as one word, whatever it is a part of."""
        digits = {float(found) for found in re.findall(r"\d+(?:\.\d+)?", self.text)}
        return abs(number) in digits or any(_BY_WORD.get(word) == number for word in self.words)

    def holds_initials(self, value: str) -> bool:
        """Whether a value of several words was said by their first letters: "NYC"."""
        words = parts_of(value)
        initials = "".join(word[0] for word in words)
        short = (word for word in self._capitals if initials.startswith(word) or word.startswith(initials))
        return len(words) > 1 and (initials in self.words or any(short))

    def holds_spaced(self, value: str) -> bool:
        """Whether a longer value was said, be it with other spaces and signs: an ISBN, the number of a phone."""
        letters = re.findall(r"[^\W_]", plain(value))
        spaced = r"[\W_]*".join(letters)
        return len(letters) >= STEM and re.search(rf"(?<!\w){spaced}(?!\w)", self._plain) is not None

    @cached_property
    def is_foreign(self) -> bool:
        """Whether some of it is in another script, whose words have other forms in values."""
        letters = {letter for letter in self._plain if letter.isalpha() and not letter.isascii() and letter != "\u03bc"}
        return any(not unicodedata.name(letter, "LATIN").startswith("LATIN") for letter in letters)

    @cached_property
    def words(self) -> frozenset[str]:
        """All words, without capitals and accents."""
        return frozenset(text_values.words_in(self._plain))

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """The numbers in digits, in order, without those that are a part of a day."""
        return tuple(numbers_in(self._plain))

    def count(self, value: str | float) -> int:
        """How often a text or a number was said, a number in digits and outside of days."""
        if isinstance(value, str):
            return len(self._verbatim(value).findall(self._plain))
        return sum(any(math.isclose(number * scale, value) for scale in _SCALES) for number in self.numbers)

    @cached_property
    def tells_days(self) -> bool:
        """Whether a day may be meant that is not written out."""
        return not self.words.isdisjoint(_DAYS)

    @cached_property
    def shares(self) -> bool:
        """Whether one value may be meant for several things: "both sides 5"."""
        return not self.words.isdisjoint(_SHARING)

    @cached_property
    def spells_numbers(self) -> bool:
        """Whether numbers are put together from words."""
        return _SPELLED.search(self._plain) is not None

    @cached_property
    def tells_times(self) -> bool:
        """Whether a day, a month or an hour is spoken of in any way."""
        spoken = not self.words.isdisjoint(_HOURS) or any(map(month_of, self.words))
        return self.tells_days or bool(self.parts_of_days) or spoken

    @cached_property
    def names_spans(self) -> bool:
        """Whether a span of time is named without a number, which may be any: "for an hour"."""
        return _SPAN.search(self._plain) is not None

    @cached_property
    def dates(self) -> tuple[date, ...]:
        """The days that are written out whole, in order."""
        return tuple(text_values.days_in(self._plain))

    def affirms(self, name: str, texts: Iterable[str]) -> bool | None:
        """Whether all words of a name were said (True), or ruled out (False), beside one of the texts; else None."""
        words = parts_of(name)
        told = [one._plain for one in self._beside(texts) if all(map(one._holds_whole, words))]
        return not any(re.search(rf"{_RULED_OUT}{words[0]}", text) for text in told) if told else None

    def holds_beside(self, text: str, others: Iterable[str]) -> bool:
        """Whether a text was said in one sentence with one of the others."""
        return any(sentence.count(text) for sentence in self._beside(others))

    def _beside(self, texts: Iterable[str]) -> list[Said]:
        """The sentences in which one of the texts was said."""
        known = [text for text in texts if text.strip()]
        return [sentence for sentence in self._sentences if any(map(sentence.count, known))]

    def dates_near(self, texts: Iterable[str]) -> list[date]:
        """The days, written out whole, of those sentences in which one of the texts was said."""
        return [day for sentence in self._beside(texts) for day in sentence.dates]

    @cached_property
    def number_lists(self) -> list[list[float]]:
        """The lists of numbers; none where a part of one may be meant."""
        return [] if self._is_sifted else number_lists(self.text)

    def list_like(self, copied: Sequence[Any]) -> list[str] | None:
        """The one list of words that another is a copy of; none where a part of one may be meant."""
        return None if self._is_sifted else said_list(copied, self.text)

    @cached_property
    def _is_sifted(self) -> bool:
        return not self.words.isdisjoint(_SIFTING) or _SOME.search(self._plain) is not None

    def labelled(self, name: str) -> str:
        """What stands behind the name of an argument and a colon, up to a stop: "reason: choir practice"."""
        label = r"[\s_-]+".join(map(re.escape, parts_of(name)))
        before = r"(?<!\w)(?<!another )(?<!last )(?<!next )(?<!first )"
        labelled = rf"{before}{label}\s?[:=][ \t]*{_LABELLED}"
        match = re.search(labelled, self.text, re.IGNORECASE) if label else None
        return next(filter(None, match.groups()), "").strip() if match else ""

    @cached_property
    def parts_of_days(self) -> tuple[frozenset[float], ...]:
        """The numbers that each day is written with, be it written in part."""
        return tuple(map(frozenset, text_values.parts_of_days(self._plain)))

    def numbers_beside(self, name: str, whole: bool = False, others: Collection[str] = ()) -> list[float]:
        """The numbers beside which a word of an argument's name stands: "floor 8", "within 6 km"; none below zero.

        Args:
            name: of the argument; its last word may be a unit.
            whole: only integers.
            others: words that stand for something else.
        """
        parts = [part for part in words_of(name) if part not in others]
        parts = [*["percent"] * (not _IN_PERCENT.isdisjoint(parts)), *parts]
        stems = {part[:STEM] for part in parts if len(part) >= STEM and part not in _COUNTING}
        unit = parts[-1] if parts and 1 < len(parts[-1]) < STEM else None
        return [
            float(number.digits)
            for number in self._surrounded
            if number.digits not in name and not (whole and "." in number.digits)
            if any(word[:STEM] in stems or word == unit for word in number.beside)
        ]

    def numbers_near(self, values: Iterable[Any], whole: bool = False) -> list[float]:
        """The numbers of those sentences in which one of the values was said; none below zero, of a time or a day.

        Args:
            values: texts, numbers and lists of them.
            whole: only integers.
        """
        listed = [one for value in values for one in (value if isinstance(value, list) else [value])]
        known = [one for one in listed if (one if isinstance(one, str) else is_amount(one))]
        return [
            float(number.digits)
            for sentence in self._sentences
            if any(map(sentence.count, known))
            for number in sentence._surrounded
            if not (whole and "." in number.digits)
        ]

    def says_nothing_of(self, value: float) -> bool:
        """Whether no word beside a number says what it counts or is the number of."""
        return all(number.stands_free for number in self._surrounded if float(number.digits) == value)

    def measures_otherwise(self, value: float, described: str) -> bool:
        """Whether a number was said in another unit than an argument of this name and description wants."""
        return any(number.measures_otherwise(described) for number in self._surrounded if float(number.digits) == value)

    def negates(self, number: float) -> bool:
        """Whether a number was said with a minus, and never without one; the hyphens of a list are none."""
        if len(_BULLETS.findall(self._plain)) > 1:
            return False
        digits = re.escape(f"{abs(number):.15g}")
        alone = rf"(?<![\w.,]){digits}(?!\w|[.,]\d)"
        signed = re.findall(rf"(?<![\w.)\]%])(?<![\d)\]%]\s)[-\u2212]{alone}", self._plain)
        return 0 < len(signed) == len(re.findall(alone, self._plain))

    @cached_property
    def _sentences(self) -> list[Said]:
        return [Said(sentence) for sentence in _SENTENCE_END.split(self.text) if sentence.strip()]

    @cached_property
    def _surrounded(self) -> list[NumberInText]:
        return surrounded(self._plain)

    def _holds_verbatim(self, value: str) -> bool:
        """Whether the value was said as it is, such as a code whose letters and digits make no words."""
        return bool(value.strip()) and self._verbatim(value).search(self._plain) is not None

    def _verbatim(self, value: str) -> re.Pattern[str]:
        found = re.escape(plain(value).strip())
        return re.compile(found if self.is_foreign else rf"(?<!\w){found}(?!\w)")  # some scripts write no spaces

    def _holds_whole(self, word: str) -> bool:
        if word.isdecimal():
            return word in self.words
        if len(word) < STEM:
            return self.holds_word(word)
        stem = word[: max(STEM + 1, len(word) - 2)]  # "green" is not in "Greek"
        return any(one.startswith(stem) or (word.startswith(one) and len(stem) <= len(one)) for one in self.words)

    def _holds_hour(self, hour: int) -> bool:
        return not self.words.isdisjoint(_HOURS) or self.holds_number(hour) or self.holds_number(hour % 12 or 12)

    @cached_property
    def _numbers(self) -> frozenset[float]:
        found = [*self.numbers, *numbers_in(_DECIMAL_COMMA.sub(".", self._plain))]
        found += [float(hour) + 12 for hour in _AFTERNOON.findall(self._plain)]
        found += [number for word, number in _BY_WORD.items() if word in self.words]
        return frozenset(rounded(number * scale) for number in found for scale in _SCALES)


def same_amount(one: float, other: float) -> bool:
    """Whether two numbers may be one, said in two scales: 5 (%) and 0.05, 30 (minutes) and 0.5 (hours)."""
    ratios = (*_SCALES, 1 / 60, 1 / 3600)
    return any(math.isclose(one * ratio, other) for ratio in ratios)
