"""Where a text states the result of a calculation: the expression, the result, and how exactly it is meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_NUMBER = r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_TOKEN = re.compile(
    rf"(?P<number>{_NUMBER})"
    r"|(?P<equals>(?<![=<>!:+*/~-])=(?![=>~])|[≈≃≅])"
    r"|(?P<operator>(?:%|\bpercent)\s+of\b|\*\*|[+*/^×·∙÷−–-]|(?<=\d)[xX](?=\d)|(?<=[\d)]\s)[xX](?=\s+[\d($.])"
    r"|\b(?:plus|minus|times|multiplied\s+by|divided\s+by|to\s+the\s+power\s+of)\b)"
    r"|(?P<verb>\b(?:is(?:\s+equal\s+to)?|equals|comes\s+to|makes|gives|amounts\s+to)\b"
    r"(?:\s+(?:about|approximately|roughly|around|nearly|almost|exactly))?)"
    r"|(?P<word>[^\W\d_¹²³]+[²³]?)|(?P<percent>%)|(?P<money>[$€£¥])|(?P<open>\()|(?P<close>\))|(?P<other>\S)",
    re.IGNORECASE,
)
_OF = "% of"
_SYMBOLS = (
    (r"(?:%|percent)\s+of", _OF),
    (r"plus", "+"),
    (r"minus|[−–]", "-"),
    (r"times|multiplied\s+by|[×·∙x]", "*"),
    (r"divided\s+by|÷", "/"),
    (r"to\s+the\s+power\s+of|\^", "**"),
)
# Words before an expression that make it a part of a longer one.
_LEADS_ON = frozenset(
    "x of by over root sqrt log ln sin cos tan exp half third than minus plus times squared cubed".split()
)
# "A total of 3 + 4 = 7", but not "half of 3 + 4 = 3.5".
_SUMS = frozenset("total sum cost price distance speed amount area rate length weight profit value result".split())
# Words behind a result that make it something else than the result.
_GOES_ON = frozenset("more less fewer of higher lower larger smaller longer rem r remainder e factorial".split())
_JOINS = frozenset("and or to".split())
_CUT_PERCENT = re.compile(r"(?:\.\.\.|…)\s?%")  # 8.333...%
_SCALES = frozenset("hundred thousand million billion trillion dozen pair k m bn lakh crore score percent".split())
_METRIC = frozenset("mgls")
_MAY_TOUCH = '"“‘—[|{'
_CLOSING = frozenset("and or to so which because but while since as for in on at when then after before".split())


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text: number, equals, operator, verb, word, percent, money, open, close or other."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Claim:
    """An expression and the result that the text gives for it.

    Attributes:
        expression: for the calculator.
        start, end: of the whole claim, in characters.
        result_start, result_end: of the result's number, without sign, currency and unit.
        value: the result.
        decimals, trailing_zeros: digits behind the point; zeros at the end of a whole number.
        is_fraction: written as "1/3" or "2 1/3".
        percent: the result is written with a percent sign.
        in_percent: so are the operands.
        approximate: "≈" or "about".
        goes_on: the number ends in an ellipsis.
        converts: the result has a unit and the operands have none, so it may have been converted.
    """

    expression: str
    start: int
    end: int
    result_start: int
    result_end: int
    value: Fraction
    decimals: int
    trailing_zeros: int
    is_fraction: bool
    percent: bool
    in_percent: bool
    approximate: bool
    goes_on: bool
    converts: bool


@dataclass(frozen=True, slots=True)
class _Result:
    """The right side of a claim; `end` is the place of the token behind it."""

    value: Fraction
    written: str
    start: int
    stop: int
    end: int
    is_fraction: bool
    percent: bool
    money: bool
    unit: str


def tokenize(text: str) -> list[Token]:
    """The tokens of a text; blanks are left out."""
    return [Token(str(match.lastgroup), match.group(), match.start(), match.end()) for match in _TOKEN.finditer(text)]


def claim_at(tokens: Sequence[Token], place: int, text: str) -> Claim | None:
    """The claim whose "=" or "is" is the token at `place`; None where there is none that can be read in one way."""
    left = _left(tokens, place, text)
    result = _result(tokens, place + 1, text) if left else None
    if not left or result is None:
        return None
    verb = tokens[place]
    if verb.kind == "verb" and not _is_spoken(left, tokens, result, text):
        return None
    if _is_range(left, result.value, text) or not _units_agree(left, result) or not _percents_agree(left):
        return None
    units = _units(left)
    money = any(token.kind == "money" for token in left)
    number = result.written
    return Claim(
        expression=_expression(left),
        start=left[0].start,
        end=tokens[result.end - 1].end,
        result_start=result.start,
        result_end=result.stop,
        value=result.value,
        decimals=len(number.partition(".")[2]),
        trailing_zeros=0 if "." in number else len(number) - len(number.rstrip("0")),
        is_fraction=result.is_fraction,
        percent=result.percent,
        in_percent=any(token.kind == "percent" for token in left) or bool(_CUT_PERCENT.match(text, result.stop)),
        approximate=verb.text in "≈≃≅" or bool(re.search(r"(?:about|ly|around|almost)$", verb.text)),
        goes_on=text[result.stop :].lstrip().startswith(("...", "…")),
        converts=bool(result.unit) and not units or result.money and not money and not units,
    )


def _left(tokens: Sequence[Token], place: int, text: str) -> Sequence[Token]:
    """The tokens of the expression that ends before `place`; none where it is part of something longer."""
    first, depth = place, 0
    while first and (token := tokens[first - 1]).kind in (
        "number",
        "operator",
        "percent",
        "money",
        "open",
        "close",
        "word",
    ):
        if token.kind == "word" and not _is_unit(tokens, first - 1, place):
            break
        if "\n" in text[token.end : tokens[first].start]:
            break
        depth += (token.kind == "close") - (token.kind == "open")
        if depth < 0:  # the bracket was opened before the claim: (17*23 = 391)
            break
        first -= 1
    before = tokens[first - 1] if first else None
    line_start = before is None or "\n" in text[before.end : tokens[first].start]
    if (
        line_start
        and first < place
        and tokens[first].text in "-−–*+"
        and text[tokens[first].end : tokens[first].end + 1] == " "
    ):
        first += 1  # the bullet of a list
    left = tokens[first:place]
    operators = [token for token in left if token.kind == "operator"]
    if depth > 0 or not left or not operators or left[0].kind not in ("number", "money", "open"):
        return ()
    if _is_ambiguous(left, text) or not line_start and _is_glued(tokens, first, text):
        return ()
    return left


def _is_unit(tokens: Sequence[Token], place: int, end: int) -> bool:
    """Whether a word is the unit of the number before it: "12 km + 30 km"."""
    behind = tokens[place + 1] if place + 1 < end else None
    return bool(
        place
        and tokens[place - 1].kind in ("number", "close")
        and (behind is None or behind.kind in ("operator", "close"))
    )


def _is_glued(tokens: Sequence[Token], first: int, text: str) -> bool:
    """Whether what stands before the expression that begins at `first` makes it a part of something longer."""
    before = tokens[first - 1]
    further = tokens[first - 2] if first > 1 else None
    touches = before.end == tokens[first].start
    if before.kind in ("number", "operator", "percent", "close"):
        return True
    if before.kind == "word":
        word = before.text.lower()
        counted = word == "and" and further is not None and further.kind == "number"  # one and 1/4
        summed = word == "of" and further is not None and further.text.lower() in _SUMS
        return touches or counted or (word in _LEADS_ON and not summed) or text[before.start - 1 : before.start] == "\\"
    if before.kind in ("open", "other") and further is not None and further.kind == "operator":
        return True
    grouped = before.text == "," and len(tokens[first].text) == 3  # 14, 400
    if grouped and further is not None and further.kind == "number":
        return True
    return before.kind == "other" and touches and before.text not in _MAY_TOUCH


def _is_ambiguous(left: Sequence[Token], text: str) -> bool:
    """Whether numbers follow each other ("2 1/2"), operators do ("5 times * 8"), or spaces say a / (b/c)."""
    pairs = list(zip(left, left[1:], strict=False))
    if any(a.kind == b.kind == "number" for a, b in pairs):
        return True
    if any(a.kind == b.kind == "operator" and _symbol(b.text) != "-" for a, b in pairs):
        return True
    divisions = [place for place, token in enumerate(left) if _symbol(token.text) == "/"]
    spaced = {
        (left[place - 1].end == left[place].start, left[place].end == left[place + 1].start)
        for place in divisions
        if 0 < place < len(left) - 1
    }
    return len(spaced) > 1


def _result(tokens: Sequence[Token], place: int, text: str) -> _Result | None:
    """The number at `place` with its sign, currency, percent sign and unit; None where it is the start of more."""
    sign, money = 1, False
    first = place
    while place < len(tokens) and (tokens[place].kind == "money" or tokens[place].text in "-−{"):
        sign = -sign if tokens[place].text in "-−" else sign
        money = money or tokens[place].kind == "money"
        place += 1
    numbers, end = _numerals(tokens, place, text)
    if not numbers:
        return None
    start, stop = tokens[first if sign < 0 else place].start, tokens[end - 1].end
    value, written = _value(numbers), numbers[0].replace(",", "")
    percent, unit = False, ""
    if end < len(tokens) and tokens[end].text == "}":
        end += 1
    if end < len(tokens) and tokens[end].kind in ("percent", "money"):
        percent = tokens[end].kind == "percent"
        money = money or not percent
        stop, end = tokens[end].end, end + 1
    behind = tokens[end] if end < len(tokens) else None
    if behind is not None and behind.kind == "word" and "\n" not in text[stop : behind.start]:
        unit = behind.text.lower()
        follows = tokens[end + 1].kind if end + 1 < len(tokens) else ""
        if unit in _GOES_ON or unit in _JOINS and follows in ("number", "open"):
            return None
        unit = "" if unit in _CLOSING else unit
        end += 1 if unit else 0
    if _continues(tokens, end, text):
        return None
    return _Result(sign * value, written, start, stop, end, len(numbers) > 1, percent, money, unit)


def _numerals(tokens: Sequence[Token], place: int, text: str) -> tuple[list[str], int]:
    """The numbers of "42", "1/3" or "2 1/3", and the place behind them."""
    window = tokens[place : place + 4]
    window = [token for token in window if "\n" not in text[tokens[place - 1].end : token.start]]
    kinds = "".join("n" if t.kind == "number" else "/" if t.text == "/" else "?" for t in window)
    length = 4 if kinds == "nn/n" else 3 if kinds.startswith("n/n") else 1 if kinds.startswith("n") else 0
    return [token.text for token in window[:length] if token.kind == "number"], place + length


def _value(numbers: Sequence[str]) -> Fraction:
    parts = [Fraction(number.replace(",", "")) for number in numbers]
    if len(parts) == 1:
        return parts[0]
    return sum(parts[:-2], Fraction(0)) + (parts[-2] / parts[-1] if parts[-1] else 0)


def _continues(tokens: Sequence[Token], place: int, text: str) -> bool:
    """Whether what stands at `place` makes the result a part of something longer."""
    if place >= len(tokens):
        return False
    token, before = tokens[place], tokens[place - 1]
    if "\n" in text[before.end : token.start]:
        return False
    touches = token.start == before.end
    if token.kind == "other":
        follows = text[token.end : token.end + 1]
        return touches and ((token.text in ".,:" and follows.isdigit()) or token.text in "!<|'’°²³_^")
    if token.kind == "operator":
        return place + 1 >= len(tokens) or tokens[place + 1].kind in ("number", "open", "money", "word")
    return token.kind == "number" or (token.kind == "open" and touches)


def _is_spoken(left: Sequence[Token], tokens: Sequence[Token], result: _Result, text: str) -> bool:
    """Whether "is" states a result: the operators leave no doubt, and the result stands alone or has the unit asked."""
    clear = any(token.kind == "operator" and token.text not in "-−–/" for token in left)
    return clear and (not result.unit or result.unit in _units(left))


def _is_range(left: Sequence[Token], value: Fraction, text: str) -> bool:
    """Whether "2-3" or "90–100" is meant: two numbers, a dash between that touches both, the smaller first."""
    if len(left) != 3 or left[1].text not in "-−–" or left[1].kind != "operator":
        return False
    touches = left[0].end == left[1].start and left[1].end == left[2].start
    first, last = (Fraction(token.text.replace(",", "")) for token in (left[0], left[2]))
    return touches and (left[1].text == "–" or first < last) and value >= 0


def _units(left: Sequence[Token]) -> list[str]:
    return [token.text.lower() for token in left if token.kind == "word"]


def _units_agree(left: Sequence[Token], result: _Result) -> bool:
    """Whether the numbers alone decide: nothing is converted, and every scale ("million") is the same."""
    units = {_singular(unit) for unit in _units(left)}
    unit = _singular(result.unit)
    signs = {_symbol(token.text) for token in left if token.kind == "operator"}
    numbers = sum(token.kind == "number" for token in left)
    if (units | {unit}) & _SCALES:
        return units == {unit} and signs <= {"+", "-"} and len(_units(left)) == numbers
    if not units:
        return True
    money = any(token.kind == "money" for token in left)
    if result.money and not money:
        return False
    mixed = len(_units(left)) < numbers or unit not in units
    if mixed and any(len(letter) == 1 for letter in units - _METRIC):
        return False  # algebra: 2x * 3
    if signs & {"+", "-"} and (len(units) > 1 or (len(_units(left)) < numbers and unit not in units)):
        return False
    return not unit or unit in units


def _percents_agree(left: Sequence[Token]) -> bool:
    """Whether percent signs beside + or - stand behind every number: "100 + 10%" means different things to people."""
    percents = sum(token.kind == "percent" for token in left)
    signs = {_symbol(token.text) for token in left if token.kind == "operator"}
    return not percents or not signs & {"+", "-"} or percents == sum(token.kind == "number" for token in left)


def _singular(unit: str) -> str:
    return unit[:-1] if len(unit) > 2 and unit.endswith("s") else unit


def _symbol(operator: str) -> str:
    for pattern, symbol in _SYMBOLS:
        if re.fullmatch(pattern, operator, re.IGNORECASE):
            return symbol
    return operator


def _expression(left: Sequence[Token]) -> str:
    """The expression in the calculator's words; units and currencies do not matter to it."""
    parts: list[str] = []
    for token in left:
        symbol = _symbol(token.text)
        if token.kind == "number":
            parts.append(token.text.replace(",", ""))
        elif token.kind == "percent" or symbol == _OF:
            parts[-1:] = [f"({parts[-1]}/100)" if parts else "", *["*"] * (symbol == _OF)]
        elif token.kind == "operator":
            parts.append(symbol)
        elif token.kind in ("open", "close"):
            parts.append(token.text)
    return "".join(parts)
