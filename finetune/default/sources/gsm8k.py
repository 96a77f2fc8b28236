"""GSM8K: word problems, each worked out by one call of the calculator, and the answer from its result.

The data marks each step as `<<48/2=24>>`; the steps are put into one another until one expression gives the result.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from finetune.default.public_data import chance_of, lines, seal_schema, seal_specifications, tool_schema
from finetune.default.sources.boxes import NUMBERS, called, chunks
from finetune.schema import Example
from tools.calculator import CalculationError, answer, calculate

CALCULATOR = tool_schema(
    "calculator",
    'Work out arithmetic exactly, or convert units, such as "17*23", "sqrt(2)" or "3 km in miles".',
    {"expression": {"type": "string"}},
    ("expression",),
)
_STEP = re.compile(r"<<([^<>=]+)=([^<>]+)>>")
_WORKING = re.compile(r"[-\d\s.,+*/x()$%]*=\s*\$?\s*<<[^<>]*>>")
_LONGEST = 90  # characters of an expression
_QUESTION = 400
_CONSTANTS = frozenset(map(Fraction, "1 2 3 4 5 7 10 12 24 30 31 52 60 100 365 1000 1/2 1/3 1/4 3/4".split()))
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "hundred": 100, "dozen": 12, "dozens": 12}
_SPOKEN = {word: number for number, word in enumerate(NUMBERS) if number > 0} | _TENS | {"fifteen": 15, "sixteen": 16}


def examples(data: Path, seed: int) -> Iterator[Example]:
    """Eight problems a box: the calculator alone, or among up to five other tools."""
    chance = chance_of(f"gsm8k-{seed}")
    specifications = list(seal_specifications(data).values())
    problems = list(enumerate(lines(data / "train" / "gsm8k" / "train.jsonl"), 1))
    chance.shuffle(problems)
    for number, group in enumerate(chunks(_composed(problems), 8, 8, chance)):
        others = chance.sample(specifications, chance.choice((0, 0, 1, 2, 3, 5)))
        box = [CALCULATOR, *map(seal_schema, others)]
        chance.shuffle(box)
        for line_number, line, expression in group:
            said = ({"role": "user", "content": line["question"].strip()},)
            source = f"gsm8k:train#{line_number}"
            call = called(said, [("calculator", {"expression": expression})], tuple(box), source, f"gsm8k:box{number}")
            result = {"role": "tool", "name": "calculator", "content": answer(expression)}
            reply = {"role": "assistant", "content": last_sentence(line["answer"])}
            yield Example((*call.messages, result, reply), call.tools, source, call.group)


def _composed(problems: Iterable[tuple[int, dict[str, str]]]) -> Iterator[tuple[int, dict[str, str], str]]:
    """Number, problem and expression of those short problems that one expression solves."""
    for number, line in problems:
        if len(line["question"]) <= _QUESTION and (expression := compose(line["question"], line["answer"])):
            yield number, line, expression


def result_of(solution: str) -> str:
    """The number a solution ends with."""
    return solution.rsplit("####", 1)[1].strip().replace(",", "").replace("$", "")


def compose(question: str, solution: str) -> str:
    """One expression for all steps, checked with the calculator; empty where they do not make one.

    Refused, too, is a number that may come from the question or from a step alike, and one that comes from neither
    and is no everyday constant: the expression would then be right by accident.
    """
    made: dict[Fraction, ast.expr] = {}
    given = _given(question)
    last: ast.expr | None = None
    for written, result in _STEP.findall(solution):
        try:
            tree = ast.parse(_plain(written), mode="eval").body
            value = Fraction(_plain(result))
        except (SyntaxError, ValueError, ZeroDivisionError):
            return ""
        numbers = {Fraction(str(node.value)) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        if numbers & given & set(made) or numbers - given - set(made) - _CONSTANTS:
            return ""
        last = _Put(made).visit(tree)
        made[value] = last
    expression = ast.unparse(last) if last is not None else ""
    try:
        exact = 0 < len(expression) <= _LONGEST and calculate(expression) == result_of(solution)
    except CalculationError:
        return ""
    return expression if exact and any(mark in expression for mark in "+-*/") else ""


def _given(question: str) -> set[Fraction]:
    """The numbers of a question, in digits and in words."""
    digits = re.findall(r"\d[\d,]*(?:\.\d+)?", question)
    spoken = [_SPOKEN[word] for word in re.findall(r"[a-z]+", question.lower()) if word in _SPOKEN]
    return {Fraction(number.replace(",", "")) for number in digits} | set(map(Fraction, spoken))


def last_sentence(solution: str) -> str:
    """The last line of a solution without its working, where that still reads as a sentence; else the number alone."""
    number = result_of(solution)
    line = solution.rsplit("####", 1)[0].strip().splitlines()[-1].strip()
    without = _WORKING.sub(lambda working: " $" if "$" in working[0].split("=", 1)[1] else " ", line)
    sentence = re.sub(r"\s+", " ", without).replace("$ ", "$").replace("$$", "$").strip()
    numbers = [one.rstrip(".,").replace(",", "") for one in re.findall(r"\d[\d,.]*", sentence)]
    clean = numbers == [number] and "=" not in sentence and not re.search(r"[*+/<>]|\d x|- ", sentence)
    if not clean or not sentence[0].isupper():
        return f"The answer is {number}."
    return sentence if sentence.endswith(".") else f"{sentence}."


def _plain(written: str) -> str:
    """Arithmetic as Python writes it: no currency, percent as a division, no leading zeros."""
    written = written.replace(",", "").replace("$", "").replace("x", "*").replace("^", "**").strip()
    written = re.sub(r"(\d+(?:\.\d+)?)%", r"(\1/100)", written)
    return re.sub(r"(?<![\d.])0+(?=\d)", "", written)


class _Put(ast.NodeTransformer):
    """Numbers that an earlier step came to become that step."""

    def __init__(self, steps: Mapping[Fraction, ast.expr]) -> None:
        self._steps = steps

    def visit_Constant(self, node: ast.Constant) -> Any:  # noqa: N802 - the name that ast asks for
        number = Fraction(str(node.value)) if isinstance(node.value, (int, float)) else None
        return self._steps.get(number, node) if number is not None else node
