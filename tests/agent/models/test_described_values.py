"""The values that descriptions of arguments give as examples, and what a small model's calls gain by them."""

from __future__ import annotations

from typing import Any

import pytest

from agent.models.described_values import described_values, repeats_description
from agent.models.literal_arguments import is_given, literal
from agent.models.missing_arguments import missing
from agent.models.said import Said

GENDER = {"type": "string", "description": "The gender of the users (e.g., male, female, non-binary)"}
PLACE = {"type": "string", "description": "Where to look (e.g., city, state, country)"}
FAITH = {"type": "string", "description": "The religion of the symbol (e.g. Hinduism, Wicca)"}
UNIT = {"type": "string", "description": "The unit, 'metric' or 'imperial'. Defaults to 'metric'."}


@pytest.mark.parametrize(
    ("description", "values"),
    [
        ("The unit of height (e.g., feet, meters)", ["feet", "meters"]),
        ("A genre such as science fiction, crime or drama.", ["science fiction", "crime", "drama"]),
        ("The level, for example: beginner, advanced", ["beginner", "advanced"]),
        ("Options: fast, slow", ["fast", "slow"]),
        ("Possible values are low, medium, and high.", ["low", "medium", "high"]),
        ("The order, \"asc\" or 'desc'", ["asc", "desc"]),
        ("A price range (e.g. $100-$200, $1,000-$2,000)", ["$100-$200", "$1,000-$2,000"]),
        ("A city (e.g., New York, Paris, etc.)", ["New York", "Paris"]),
        ("An age range (e.g., 18-25, 26-40)", ["18-25", "26-40"]),
        ("The year (e.g., 2020, 2021)", []),  # a lone number is said of many things
        ("Don't use the user's name.", []),
        ("What to say, such as a long sentence that nobody would take for a value", []),
        ("The city", []),
        ("", []),
    ],
)
def test_examples_in_a_description(description: str, values: list[str]) -> None:
    assert described_values({"description": description}) == values


def test_examples_of_a_schema_come_first_and_each_once() -> None:
    argument = {"examples": ["red", 3], "description": "A colour (e.g., blue, red)"}
    assert described_values(argument) == ["red", "blue"]
    assert described_values({"examples": "red", "description": None}) == []


def completed(request: str, arguments: dict[str, Any], *, required: tuple[str, ...] = (), **known: Any) -> Any:
    said = Said(request)
    return literal(arguments, {"properties": known, "required": required}, said, said)


def test_an_example_that_was_said_and_left_out_is_added() -> None:
    assert completed("Customers who are male, please.", {}, gender=GENDER) == {"gender": "male"}
    assert completed("The height in imperial units", {}, unit=UNIT) == {"unit": "imperial"}


@pytest.mark.parametrize(
    ("request_", "known"),
    [
        ("Customers, please.", {"gender": GENDER}),
        ("Male and female customers", {"gender": GENDER}),  # two of them
        ("Customers who are not male", {"gender": GENDER}),
        ("Customers in New York City", {"place": PLACE}),  # said within a name
        ("Male customers", {"gender": {**GENDER, "type": "array"}}),
        ("Male customers", {"gender": {**GENDER, "enum": ["m", "f"]}}),  # what there is stands there
        ("Male customers", {"gender_sort": GENDER}),
    ],
)
def test_nothing_is_added_where_another_reading_is_possible(request_: str, known: dict[str, Any]) -> None:
    assert completed(request_, {}, **known) == {}


def test_an_example_that_stands_for_something_else_is_not_added() -> None:
    topic = {"type": "string"}
    assert completed("Books on male nurses", {"topic": "male nurses"}, topic=topic, gender=GENDER) == {
        "topic": "male nurses"
    }


@pytest.mark.parametrize(
    ("value", "known", "request_", "expected"),
    [
        ("Hindu", FAITH, "The lotus in Hinduism", "Hinduism"),
        ("H Hinduism", FAITH, "The lotus in Hinduism", "Hinduism"),  # copied badly
        ("Hindu temples", FAITH, "The lotus of Hindu temples", "Hindu temples"),  # the example was not said
        ("the city of Rome", PLACE, "Look in the city of Rome", "city of Rome"),  # said in so many words
        ("Rome", PLACE, "Look in Rome, in the city", "Rome"),
        ("hinduism", FAITH, "The lotus in Hinduism", "Hinduism"),
    ],
)
def test_a_value_that_slipped_becomes_the_example_that_was_said(
    value: str, known: dict[str, Any], request_: str, expected: str
) -> None:
    assert completed(request_, {"x": value}, required=("x",), x=known) == {"x": expected}


def test_of_several_calls_of_a_tool_nothing_is_known() -> None:
    said = Said("Male and young customers")
    assert literal({}, {"properties": {"gender": GENDER}}, said, None) == {}


AUTHOR = {"type": "string", "description": "The author of the research paper (optional)"}


def test_a_description_is_no_value() -> None:
    assert repeats_description("the author of the research paper", AUTHOR)
    assert not repeats_description("author", {"description": "author"}), "one word may well be meant"
    said = Said("Papers about research, please.")
    assert not is_given(said, "author", "author of the research paper", AUTHOR)
    schema = {"properties": {"author": AUTHOR}, "required": ["author"]}
    assert missing({"author": "the author of the research paper"}, schema, said) == ["author"]
    assert literal({"author": "The author of the research paper"}, {**schema, "required": []}, said, said) == {}


def test_a_description_that_was_said_is_one() -> None:
    said = Said("Tell me the author of the research paper.")
    assert is_given(said, "author", "the author of the research paper", AUTHOR)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("Rooms in New York City", True),
        ("The city of New York City", False),
        ("Rooms in the city", False),
        ("City rooms", False),
        ("Rooms", False),
    ],
)
def test_a_word_that_was_said_only_in_a_name(request_: str, expected: bool) -> None:
    assert Said(request_).only_in_names("city") == expected
