"""Exact where a decimal can be, and nothing but arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.calculator import CalculationError, calculate, hints


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("17*23", "391"),
        ("0.1+0.2", "0.3"),
        ("1/3", "0.333333333333 (rounded)"),
        ("2**100", "1267650600228229401496703205376"),
        ("15% of 80", "12"),
        ("10 divided by 4", "2.5"),
        ("sqrt(144)", "12"),
        ("sqrt(2)", "1.41421356237 (rounded)"),
        ("-7 // 2", "-4"),
        ("1,234 + 66", "1300"),
        ("round(2.675, 2)", "2.68"),
    ],
)
def test_values(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "(1).__class__",
        "9**9**9",
        "1/0",
        "'a'*9",
        "",
        "x+1",
        "1+" * 400,
        "(" * 250,
        "sqrt(-1)",
        "lambda: 1",
        "True+1",
    ],
)
def test_anything_else_is_refused(expression: str) -> None:
    with pytest.raises(CalculationError):
        calculate(expression)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.sampled_from(["+", "-", "*"]))
def test_integers_stay_exact(a: int, b: int, sign: str) -> None:
    assert calculate(f"({a}){sign}({b})") == str(eval(f"({a}){sign}({b})"))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is 17 * 23?", ["17*23"]),
        ("What's 15% of 80?", ["15/100*80"]),
        ("What is a quarter of 96?", ["96*1/4"]),
        ("two thirds of 1,500", ["1500*2/3"]),
        ("how much is 1,234 plus 66", ["1234+66"]),
        ("What is 12 x 12", ["12*12"]),
        ("What is 10-4?", ["10-4"]),
        ("7/2", ["7/2"]),
    ],
)
def test_hints_are_the_expressions_in_the_question(question: str, expected: list[str]) -> None:
    assert hints(question) == {"expression": expected}


@pytest.mark.parametrize(
    "question",
    [
        "Which Python 3.11 features are used?",
        "In 2024 we had 3 dogs",
        "Hello",
        "Why did half of 30 people leave?",
        "What happened in the first half of 2024?",
        "Which half of 2020?",
        "What changed in Python 3.10?",
        "Explain step 1. Then (2)",
        "Explain routing in 2-3 sentences",
        "Is there 24/7 support?",
        "What happened on 2024-10-15?",
    ],
)
def test_no_hints_without_arithmetic(question: str) -> None:
    assert hints(question) is None
