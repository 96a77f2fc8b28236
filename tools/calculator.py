"""Exact arithmetic, and units by `tools.units`: fractions stay exact, nothing is ever executed as code."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from tools.spec import ToolSpec

if TYPE_CHECKING:
    from tools.resources import Resources

MAX_CHARS = 300
MAX_BITS = 20_000  # about 6,000 digits: far beyond any question, far below a stalled machine

_WORDS = (
    (r"\bmultiplied by\b|\btimes\b|(?<=\d)\s*[x×·]\s*(?=\d)", "*"),
    (r"\bdivided by\b|\bover\b|÷", "/"),
    (r"\bto the power of\b|\bpower\b|\^", "**"),
    (r"\bplus\b", "+"),
    (r"\bminus\b|[−–]", "-"),
    (r"(?<!\d)(\d+(?:\.\d+)?)\s*(?:%|\bpercent\b)\s*of\b", r"\1/100*"),
    *(
        # "Half of 30 people" may be about them, "the first half of 2024" is a time, "2 and a half of 30" is unclear.
        (
            rf"(?:^|(?<=what is )|(?<=what's )|(?<=calculate )|(?<=compute )|(?<=how much is )){word}\s+of\s+"
            r"(\d[\d.,]*?)(?=\s*[?.!]*\s*$)",
            rf"\1*{part}",
        )
        for word, part in (
            (r"(?:an?\s+)?half", "1/2"),
            (r"two[\s-]thirds", "2/3"),
            (r"(?:an?|one)[\s-]third", "1/3"),
            (r"three[\s-]quarters", "3/4"),
            (r"(?:an?|one)[\s-]quarter", "1/4"),
            (r"(?:an?|one)[\s-]fifth", "1/5"),
            (r"(?:an?|one)[\s-]tenth", "1/10"),
        )
    ),
    (r"\bsquare root of\s*(\d+(?:\.\d+)?)", r"sqrt(\1)"),
    (r"(?<=\d),(?=\d{3}\b)", ""),
)
# "2-3 sentences", "24/7", "2024-10-15": arithmetic only when the question ends there and asks for a value.
_RANGE = re.compile(r"[\d.]+(?:[-/][\d.]+)+")
_ASKS_VALUE = re.compile(
    r"(?:^|\b(?:what(?:'s| is)|how much is|calculate|compute|evaluate|work out|solve))\s*$", re.IGNORECASE
)
_EXPRESSION = re.compile(r"(?:sqrt\([\d.]+\)|[\d.(][\d.()+\-*/%\s]*(?:[\d.)]|sqrt\([\d.]+\)))")


_NUMERALS = re.compile(r"\b(?:0[xob][\da-f]+|\d[\d.]*e[-+]?\d+)\b", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+|[°'\"]")


class CalculationError(ValueError):
    """The expression is not arithmetic, or its value is undefined or too large."""


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        return Fraction(math.pow(base, exponent))
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if size * abs(exponent.numerator) > MAX_BITS:
        raise CalculationError("the result is too large")
    return Fraction(base**exponent.numerator)


def _root(value: Fraction) -> Fraction:
    exact = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator)) if value >= 0 else None
    return exact if exact is not None and exact * exact == value else Fraction(math.sqrt(value))


_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_FUNCTIONS: dict[str, Callable[..., Fraction]] = {
    "abs": abs,
    "max": max,
    "min": min,
    "round": lambda value, digits=Fraction(0): Fraction(round(value, int(digits))),
    "sqrt": _root,
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
}


def _evaluate(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return Fraction(str(value))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _evaluate(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_evaluate(left), _evaluate(right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*map(_evaluate, args))
        case ast.Name(id="pi"):
            return Fraction(math.pi)
        case ast.Name(id="e"):
            return Fraction(math.e)
    raise CalculationError(
        f"only numbers, + - * / // % **, brackets and {', '.join(sorted(_FUNCTIONS))} are understood"
    )


def format_value(value: Fraction, unit: str = "") -> str:
    """The value as a decimal, with its unit; one that is not exact says so.

    Raises:
        OverflowError: it is beyond what a decimal of twelve digits can show.
    """
    text = str(value.numerator) if value.denominator == 1 else f"{float(value):.12g}"
    rounded = "" if Fraction(text) == value else " (rounded)"
    return f"{text} {unit}".rstrip() + rounded


def calculate(expression: str) -> str:
    """The value of an arithmetic expression, exact where a decimal can be.

    Raises:
        CalculationError: not arithmetic, division by zero, longer than `MAX_CHARS`, or too large.
    """
    if len(expression) > MAX_CHARS:
        raise CalculationError(f"an expression may have {MAX_CHARS} characters, this has {len(expression)}")
    try:
        tree = ast.parse(normalize(expression), mode="eval")
        return format_value(_evaluate(tree.body))
    except ZeroDivisionError:
        raise CalculationError("division by zero") from None
    except CalculationError:
        raise
    except (SyntaxError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise CalculationError(f"not an arithmetic expression: {expression!r}") from error


def normalize(text: str) -> str:
    """Spoken and typographic arithmetic as symbols: "15% of 80" becomes "15/100* 80"."""
    for pattern, symbol in _WORDS:
        text = re.sub(pattern, symbol, text, flags=re.IGNORECASE)
    return text.strip().rstrip("=?")


def hints(question: str) -> dict[str, list[str]] | None:
    """The conversion, or the arithmetic expressions, longest first, in the question; None when there is none."""
    from tools.units import conversion, questions

    if (wanted := questions.hints(question)) is not None and conversion.is_there():
        return {"expression": [wanted]}
    found = []
    text = normalize(question[:2000])
    for match in _EXPRESSION.finditer(text):
        expression = re.sub(r"\s+", "", match.group())
        if not re.search(r"[\d)][+\-*/%]|sqrt", expression):  # a lone number, such as "3.10"
            continue
        asked = _ASKS_VALUE.search(text[: match.start()]) and not re.search(r"\w", text[match.end() :])
        if _RANGE.fullmatch(match.group()) and not asked:
            continue
        try:
            calculate(expression)
        except CalculationError:
            continue
        found.append(expression)
    return {"expression": sorted(set(found), key=len, reverse=True)[:4]} if found else None


def answer(expression: str) -> str:
    """The expression and its value, with units where it has some.

    Raises:
        CalculationError, QuantityError: it cannot be worked out, and why.
    """
    words = {word.lower() for word in _LETTERS.findall(_NUMERALS.sub("", normalize(expression)))}
    if words <= {*_FUNCTIONS, "pi", "e"}:
        return f"{expression} = {calculate(expression)}"
    from tools.units.conversion import convert

    return convert(expression)


def build(resources: Resources) -> list[ToolSpec]:
    """The calculator as a LangChain tool."""
    from langchain_core.tools import ToolException, tool

    @tool
    def calculator(expression: str) -> str:
        """Work out arithmetic exactly, or convert units, such as "17*23", "sqrt(2)" or "3 km in miles"."""
        try:
            return answer(expression)
        except ValueError as error:
            raise ToolException(str(error)) from error

    return [ToolSpec(calculator, "read", hints=hints)]
