"""What a request names in passing: a yes or no by its own word, and whose work is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from agent.models.literal_arguments import literal
from agent.models.said import Said

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_TRUTH: Schema = {"type": "boolean"}


def completed(request: str, arguments: Schema, properties: Schema, required: tuple[str, ...] = ("q",)) -> Schema:
    said = Said(request)
    schema = {"properties": {"q": _TEXT, **properties}, "required": [*required]}
    return literal(arguments, schema, said, said)


@pytest.mark.parametrize(
    ("name", "request_", "truth"),
    [
        ("available", "List the available books on gardening", True),
        ("is_available", "List the available books on gardening", True),
        ("include_symbols", "A password for gardening with symbols", True),
        ("include_symbols", "A password for gardening without symbols", False),
        ("avoid_tolls", "The way to gardening shops, and avoid toll roads", True),
        ("direct_only", "Direct trains to the gardening fair", True),
        ("express", "No express delivery for the gardening set", False),
        ("round_trip", "A round trip to the gardening fair", True),
        ("notify", "Follow the gardening club with notifications off", False),
        ("notify", "Turn off the notifications of the gardening club", False),
        ("include_images", "Search for gardening, images excluded", False),
        ("oscillate", "Switch the gardening lights off, and let the fan oscillate", True),
    ],
)
def test_a_yes_or_no_is_told_by_its_words(name: str, request_: str, truth: bool) -> None:
    assert completed(request_, {"q": "gardening"}, {name: _TRUTH}) == {"q": "gardening", name: truth}


def test_a_no_that_the_model_wrote_becomes_the_yes_that_was_said() -> None:
    arguments = {"q": "gardening", "available": False}
    kept = completed("List the available books on gardening", arguments, {"available": _TRUTH})
    assert kept == {"q": "gardening", "available": True}


def test_a_no_that_the_model_wrote_stays_where_it_was_said() -> None:
    arguments = {"q": "gardening", "notify": False}
    kept = completed("Follow the gardening club with notifications off", arguments, {"notify": _TRUTH})
    assert kept == arguments


@pytest.mark.parametrize(
    ("name", "request_", "query"),
    [
        ("available", "Books on gardening", "gardening"),
        ("available", "Which rooms are available? Then find books on gardening", "gardening"),
        ("round_trip", "A trip to the gardening fair", "gardening"),
        ("formal", "Translate 'a formal dinner'", "a formal dinner"),
        ("on", "Books on gardening", "gardening"),
        ("include_all", "All books on gardening", "gardening"),
    ],
)
def test_a_word_that_may_mean_something_else_is_no_yes(name: str, request_: str, query: str) -> None:
    assert completed(request_, {"q": query}, {name: _TRUTH}) == {"q": query}


def test_a_required_yes_or_no_stays_as_the_model_wrote_it() -> None:
    arguments = {"q": "gardening", "available": False}
    kept = completed("List the available books on gardening", arguments, {"available": _TRUTH}, ("q", "available"))
    assert kept == arguments


@pytest.mark.parametrize(
    ("request_", "maker"),
    [
        ("Find gardening books by Ursula Le Guin", "Ursula Le Guin"),
        ("Find gardening books by Vincent van Gogh from 1999", "Vincent van Gogh"),
        ("Is there anything on gardening by the Beatles?", "the Beatles"),
        ("Find gardening books written by Ursula Le Guin", "Ursula Le Guin"),
        ("Find 'gardening' by Queen.", "Queen"),
        ("Find gardening books sorted by Title", None),
        ("Find gardening books published by Penguin", None),
        ("Find gardening books by Monday", None),
        ("Find gardening books by tomorrow", None),
        ("Find gardening books. The tea is by Lipton", None),
        ("Find gardening books by Smith or by Jones", None),
    ],
)
def test_whose_work_is_asked_for(request_: str, maker: str | None) -> None:
    wanted = {"q": "gardening"} | ({"author": maker} if maker else {})
    assert completed(request_, {"q": "gardening"}, {"author": _TEXT}) == wanted


def test_a_maker_stands_once_and_for_one_argument() -> None:
    request = "Find gardening books by Ursula Le Guin"
    in_query = {"q": "gardening Ursula Le Guin"}
    assert completed(request, in_query, {"author": _TEXT}) == in_query
    two = {"author": _TEXT, "composer": _TEXT}
    assert completed(request, {"q": "gardening"}, two) == {"q": "gardening"}
    listed = {"author": {"type": "string", "enum": ["Ursula Le Guin", "Smith"]}}
    assert completed(request, {"q": "gardening"}, listed) == {"q": "gardening", "author": "Ursula Le Guin"}
    assert completed(request, {"q": "gardening"}, {"title": _TEXT}) == {"q": "gardening"}
