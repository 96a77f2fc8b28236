"""Numbers in a call: each given to the argument it was said for, with its sign, and none left over."""

from __future__ import annotations

from typing import Any

import pytest

from agent.models.literal_arguments import literal
from agent.models.said import Said

NUMBER = {"type": "number"}
SAVINGS = {name: NUMBER for name in ("monthly", "rate", "years", "initial")}
REQUIRED = ("monthly", "rate", "years")


def written(
    request: str,
    arguments: dict[str, Any],
    known: dict[str, Any],
    required: tuple[str, ...],
    *elsewhere: dict[str, Any],
) -> dict[str, Any]:
    said = Said(request)
    return literal(arguments, {"properties": known, "required": [*required]}, said, said, elsewhere)


@pytest.mark.parametrize(
    ("request_", "copied"),
    [
        ("400 monthly, 1.5%, 34 yrs, total?", {"monthly": 1.5, "rate": 34, "years": 34}),
        ("I put aside 400 every month and earn 1.5 %. How much in 34 years?", {"monthly": 34, "rate": 1.5, "years": 3}),
    ],
)
def test_a_number_goes_to_the_argument_beside_whose_name_it_was_said(request_: str, copied: dict[str, float]) -> None:
    assert written(request_, copied, SAVINGS, REQUIRED) == {"monthly": 400, "rate": 1.5, "years": 34}


@pytest.mark.parametrize(
    ("request_", "arguments", "names"),
    [
        ("A mass of 41.1 kg, hit by one of 17 kg", {"mass_1": 41.1, "mass_2": 17}, ("mass_1", "mass_2")),
        ("Let a flat with four rooms for 1700 a month", {"rooms": 4}, ("rooms",)),
        ("A triangle, 5.7 wide at the base and 22 high", {"base": 5.7, "height": 22}, ("base", "height")),
        (
            "an investment of 19.8 with a revenue of 0.65",
            {"investment": 19.8, "revenue": 0.65},
            ("investment", "revenue"),
        ),
        ("2 rooms and 81 square metres in Seattle", {"rooms": 2, "area": 81}, ("rooms", "area")),
        ("a permeability of 1x10^-5", {"permeability": 1e-05}, ("permeability",)),
    ],
)
def test_numbers_that_are_right_stay(request_: str, arguments: dict[str, float], names: tuple[str, ...]) -> None:
    assert written(request_, arguments, dict.fromkeys(names, NUMBER), names) == arguments


@pytest.mark.parametrize(
    ("request_", "c"),
    [
        ("Coefficients 7, -6, -46.", -46),
        ("a is 7, b is 6, c is \u221246", -46),
        ("5-46 pages", 46),
        ("5 - 46", 46),
        ("-46 or 46", 46),
        ("(3) -46", 46),
    ],
)
def test_a_number_has_the_sign_that_it_was_said_with(request_: str, c: float) -> None:
    assert written(request_, {"c": 46}, {"c": NUMBER}, ("c",)) == {"c": c}


def test_a_number_that_may_not_be_negative_is_not() -> None:
    assert written("-46", {"c": 46}, {"c": {**NUMBER, "minimum": 0}}, ("c",)) == {"c": 46}


@pytest.mark.parametrize(
    ("request_", "initial"),
    [
        ("400 monthly over 34 years at 1.5%, starting from 42,300?", 42300),
        ("400 monthly over 34 years at 1.5%. My laptop is at 8 per cent.", None),  # in another sentence
        ("400 monthly over 34 years at 1.5%, starting from 42,300 or 50,000?", None),  # of two
        ("400 monthly over 34 years at 1.5%, from 9 p.m. on?", None),
        ("400 monthly over 34 years at 1.5%, by 8:30, on May 3, in m/s^2?", None),
    ],
)
def test_the_number_that_is_left_is_for_the_argument_that_is(request_: str, initial: float | None) -> None:
    arguments = {"monthly": 400, "rate": 1.5, "years": 34}
    expected = arguments if initial is None else arguments | {"initial": initial}
    assert written(request_, arguments, SAVINGS, REQUIRED) == expected


@pytest.mark.parametrize(
    ("request_", "name", "value"),
    [
        ("Remind me of it in 2 weeks", "days", 14),
        ("A timer of 2 minutes 30 seconds", "seconds", 150),
        ("12 bottles, 3 of them red: how many white ones?", "bottles", 9),
        ("A room of 4 m by 5 m", "area", 20),
        ("In half an hour, 7 people", "minutes", 30),
    ],
)
def test_a_number_that_was_worked_out_stays(request_: str, name: str, value: float) -> None:
    known = {"item": {"type": "string"}, name: NUMBER}
    call = {"item": "it", name: value}
    assert written(request_, call, known, ("item", name)) == call


def test_a_number_is_left_only_where_one_argument_is() -> None:
    known = SAVINGS | {"final": NUMBER}
    arguments = {"monthly": 400, "rate": 1.5, "years": 34}
    assert written("400 monthly over 34 years at 1.5%, from 42", arguments, known, REQUIRED) == arguments


def test_what_another_call_has_is_not_left() -> None:
    arguments = {"monthly": 400, "rate": 1.5, "years": 34}
    request = "400 monthly over 34 years at 1.5% and a circle of 7"
    assert written(request, arguments, SAVINGS, REQUIRED, {"radius": 7}) == arguments


def test_a_number_of_a_list_is_not_the_number_beside_it() -> None:
    known = {"widths": {"type": "array", "items": NUMBER}, "height": NUMBER}
    request = "The room is 2.9 m high and its walls measure 8.9, 8.5 and 1.3 metres."
    right = {"widths": [8.9, 8.5, 1.3], "height": 2.9}
    assert written(request, {"widths": [8.9, 8.5, 1.3], "height": 8.5}, known, ("widths", "height")) == right
