"""What stands around the numbers of a sentence: sign, unit, and whether they are a lower or an upper limit.

"24 days" and "24 months" share their number, "-18" and "18" their digits, "at least 8" and "at most 8" most words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# One unit a line, with the ways it is written; a plural "s" is taken off before it is looked up. Single letters are
# left out: too many of them mean something else.
_UNITS = """
millisecond ms msec
second sec
minute min
hour hr
day
week
month
year yr
decade
century centuries
euro eur €
dollar usd $
pound gbp £ lb
yen jpy ¥
franc chf
percent % percentage
millimetre millimeter mm
centimetre centimeter cm
metre meter
kilometre kilometer km
inch inches
foot feet ft
mile
milligram mg
gram
kilogram kilo kg
tonne ton
ounce oz
millilitre milliliter ml
litre liter
gallon
byte
kilobyte kb
megabyte mb
gigabyte gb
terabyte tb
watt
kilowatt kw
megawatt mw
volt
ampere amp
hertz hz
kilohertz khz
megahertz mhz
gigahertz ghz
celsius °c
fahrenheit °f
hundred
thousand
million
billion
trillion
""".strip().splitlines()
_UNIT_OF = {written: line.split()[0] for line in _UNITS for written in line.split()}
_SPELT = dict(
    zip(
        "two three four five six seven eight nine ten eleven twelve twenty thirty".split(),
        "2 3 4 5 6 7 8 9 10 11 12 20 30".split(),
        strict=True,
    )
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMBER = re.compile(rf"(?<![\w.,:])\d+(?:[.,]\d+)*|\b(?:{'|'.join(_SPELT)})\b", re.IGNORECASE)
_LONGEST_LIMIT = 24  # characters before a number in which its sign and limit are looked for
_BEFORE = re.compile(
    r"(?:(?P<least>\b(?:at least|(?:no|not) (?:less|fewer) than|minimum(?: of)?|more than|over|above|exceeds)|>=?|≥)"
    r"|(?P<most>\b(?:at most|up to|(?:no|not) more than|maximum(?: of)?|less than|fewer than|under|below)|<=?|≤))?\s?"
    r"(?P<minus>(?<![^\s(])[-−]|\bminus )?(?P<sign>[$€£¥])?$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"(?:[ \t\u00a0-]?(?!or\b)(?P<unit>[%€£¥$]|°[CF]\b|[A-Za-z]+))?"
    r"(?:(?P<up>\+|\s(?:\w+\s)?or\s(?:more|newer|later|higher|above)\b)"
    r"|(?P<down>\s(?:\w+\s)?or\s(?:less|fewer|older|earlier|lower|below)\b))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Amount:
    """A number with what it measures.

    Attributes:
        number: its digits, "." before decimals.
        negative: whether a minus stands before it.
        limit: "least", "most", or empty.
        unit: the first way of writing it in the list of units; empty when there is none that is known.
        written: as it stands in the text.
    """

    number: str
    negative: bool
    limit: str
    unit: str
    written: str

    def agrees(self, other: Amount) -> bool:
        """Whether both may be meant by one text: what only one of them says does not part them."""
        same_unit = not self.unit or not other.unit or self.unit == other.unit
        same_limit = not self.limit or not other.limit or self.limit == other.limit
        return self.negative == other.negative and same_unit and same_limit


def amounts_of(text: str) -> tuple[Amount, ...]:
    """The numbers of a text, in digits or in words from two to thirty, in order."""
    plain = _THOUSANDS.sub("", text)
    return tuple(_amount(plain, match) for match in _NUMBER.finditer(plain))


def _amount(text: str, match: re.Match[str]) -> Amount:
    before = _BEFORE.search(text, max(0, match.start() - _LONGEST_LIMIT), match.start())
    after = _AFTER.match(text, match.end())
    assert before is not None and after is not None  # noqa: S101 - both match nothing at all as well
    number = match.group()
    following = _unit(after["unit"])
    end = after.end() if after["up"] or after["down"] else after.end("unit") if following else match.end()
    return Amount(
        number=_SPELT.get(number.lower(), number.replace(",", ".")),
        negative=bool(before["minus"]),
        limit="least" if before["least"] or after["up"] else "most" if before["most"] or after["down"] else "",
        unit=_unit(before["sign"]) or following,
        written=text[before.start() : end].strip(),
    )


def _unit(written: str | None) -> str:
    word = (written or "").lower()
    return _UNIT_OF.get(word) or _UNIT_OF.get(word.removesuffix("s"), "")


def at_odds(claimed: Iterable[Amount], said: Sequence[Amount]) -> Amount | None:
    """The first amount that a text gives only with another sign, unit or limit; None when there is none.

    A number that the text does not give at all is no concern of this comparison.
    """
    for one in claimed:
        others = [other for other in said if other.number == one.number]
        if others and not any(one.agrees(other) for other in others):
            return one
    return None
