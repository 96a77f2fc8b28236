"""Units convert exactly, what cannot be converted is said, and hostile text costs nothing."""

from __future__ import annotations

import sys
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.tools import ToolException

from tools import calculator
from tools.calculator import answer
from tools.resources import Resources
from tools.units import conversion as units


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        ("3 km in miles", "3 km = 1.86411357671 miles (rounded)"),
        ("1 mile in km", "1 mile = 1.609344 km"),
        ("20 degC in degF", "20 degC = 68 degF"),
        ("20 °C to °F", "20 degC = 68 degF"),
        ("-40 C in F", "-40 degC = -40 degF"),
        ("98.6 degrees Fahrenheit in celsius", "98.6 degF = 37 celsius"),
        ("32 fahrenheit in kelvin", "32 fahrenheit = 273.15 kelvin"),
        ("300 K in F", "300 K = 80.33 degF"),
        ("5 ft 3 in to cm", "5 ft 3 in = 160.02 cm"),
        ("5 ft 3 in in cm", "5 ft 3 in = 160.02 cm"),
        ("5'3\" in cm", "5'3\" = 160.02 cm"),
        ("5 1/2 in to mm", "5 1/2 in = 139.7 mm"),
        ("180 cm in feet and inches", "180 cm = 5 feet 10.8661417323 inches (rounded)"),
        ("2 GiB / 100 Mbit/s", "2 GiB / 100 Mbit/s = 171.79869184 s"),
        ("50 Mbps in MB/s", "50 Mbps = 6.25 MB/s"),
        ("60 km/h * 30 min", "60 km/h * 30 min = 30 km"),
        ("9.81 m/s² * 80 kg in N", "9.81 m/s² * 80 kg = 784.8 N"),
        ("100 square feet in m^2", "100 square feet = 9.290304 m^2"),
        ("1 nautical mile in km", "1 nautical mile = 1.852 km"),
        ("how many inches are in 2 feet?", "2 feet = 24 inches"),
        ("12% of 5 kg", "12/100* 5 kg = 0.6 kg"),
        ("1 cm^-1 in m^-1", "1 cm^-1 = 100 m^-1"),
        ("2 hours 30 minutes in seconds", "2 hours 30 minutes = 9000 seconds"),
    ],
)
def test_conversions(asked: str, value: str) -> None:
    assert answer(asked) == value


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("5 kg in km", "mass cannot be expressed in a unit of length"),
        ("1 m + 1 kg", "length and one of mass cannot be added"),
        ("20 degC + 5 degC", "can be converted, not calculated with"),
        ("2 GiB in radian", "information cannot be expressed"),
        ("3 bananas in apples", '"bananas" is not a unit'),
        ("1 m in 2 cm", "unit to convert to is missing"),
        ("1 m 2", "side by side"),
        ("1 m/0 s", "division by zero"),
        ("(1 m", "not closed"),
        ("1 m)", "does not fit"),
        ("1 m *", "number is missing"),
    ],
)
def test_what_does_not_fit_is_said(asked: str, reason: str) -> None:
    with pytest.raises(units.QuantityError, match=reason):
        answer(asked)


@pytest.mark.parametrize(
    "hostile",
    [
        "().__class__ m",
        "__import__('os').system('true')",
        "1 m.__class__.__mro__",
        "3 km in m.__class__",
        "1 [m for m in ()]",
        "lambda: 1 m",
        "9**9**9 m",
        "9^9^9^9 m",
        "(9 m)^999999999",
        "1 m^99999999999999999999",
        "1e999999999 m",
        "1e-999999999 m",
        "*".join(["1e900 m"] * 30),
        "*".join(["1 km^12"] * 30),
        "1" * 301 + " m",
        "(" * 150 + "1 m" + ")" * 140,
        "-" * 290 + "m(",
        "1 " + "k" * 280 + "m",
        "1 yottayottayottameter in m",
        "1 m\0",
        "1 {m}",
        "1 m; 2 m",
        "@alias meter = x",
        "1 meter = 2 x",
    ],
)
def test_hostile_text_is_refused(hostile: str) -> None:
    with pytest.raises(ValueError) as caught:
        answer(hostile)
    assert len(str(caught.value)) < 400


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789.eE+-*/^()'\" kmsgftindeCF°²%_[]{}=@toper,", max_size=60))
def test_any_text_gives_a_value_or_a_reason(text: str) -> None:
    try:
        assert len(answer(text)) < 8_000
    except ValueError as error:
        assert str(error)


@pytest.fixture(scope="module")
def table() -> units.Units:
    return units.Units()


@settings(deadline=None)
@given(
    value=st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=1000),
    unit=st.sampled_from(["mile", "lb", "gal"]),
)
def test_there_and_back_is_exact(table: units.Units, value: Fraction, unit: str) -> None:
    other = {"mile": "kilometer", "lb": "kilogram", "gal": "liter"}[unit]
    there = table.converted(table.quantity(value, {table.canonical(unit): 1}), {other: 1})
    assert table.converted(table.quantity(there, {other: 1}), {table.canonical(unit): 1}) == value


def test_the_tool_gives_reasons_to_the_model() -> None:
    (spec,) = calculator.build(Resources())
    assert spec.tool.invoke({"expression": "3 km in m"}) == "3 km = 3000 m"
    assert spec.tool.invoke({"expression": "17*23"}) == "17*23 = 391"
    for wrong in ("1 m in kg", "1/0"):
        with pytest.raises(ToolException):
            spec.tool.invoke({"expression": wrong})


def test_without_pint_arithmetic_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "pint", None)
    assert answer("17*23") == "17*23 = 391"
    assert calculator.hints("What is 3 km in miles?") is None
    with pytest.raises(units.QuantityError, match=r"pip install 'ratchet-agent\[tools\]'"):
        answer("3 km in miles")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is 3 km in miles?", "3 km to miles"),
        ("Convert 20 °C to °F", "20 degC to degF"),
        ("how many feet are in a mile?", "1 mile to feet"),
        ("How many miles are 42 km?", "42 km to miles"),
        ("How many minutes has a day?", "1 day to minutes"),
        ("How many minutes do 3 hours make?", "3 hours to minutes"),
        ("3 hours are how many minutes?", "3 hours to minutes"),
        ("How many days are 5 people on leave?", None),
        ("How many miles is Paris from 5 km away?", None),
        ("What is 5 ft 3 in in cm?", "5 ft 3 in to cm"),
        ("What is 100 km / 50 mph?", "100 km / 50 mph"),
        ("what is 100 square feet in square meters", "100 square feet to square meters"),
        ("how many people are in 5 rooms", None),
        ("What happened in 5 days in Paris?", None),
        ("What is the weather in 3 days in London?", None),
        ("Convert 3 files to pdf", None),
        ("How far is 5 km in my notes from the other 3 miles?", None),
        ("Is 5 m in length enough?", None),
        ("What changed in version 2 to 3?", None),
    ],
)
def test_hints(question: str, expected: str | None) -> None:
    assert calculator.hints(question) == ({"expression": [expected]} if expected else None)
