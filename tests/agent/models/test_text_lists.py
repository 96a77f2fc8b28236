"""Lists of words: found in a request by a copy of them, and put into a call in its place."""

from __future__ import annotations

import pytest

from agent.models.literal_arguments import literal
from agent.models.said import Said
from agent.models.text_lists import said_list

CROPS = "How stand the prices of sorghum, millet and sugar beet per bushel?"


@pytest.mark.parametrize(
    "copied",
    [
        ["sorghum", "bitter", "sugar beet"],
        ["sorghum", "sugar beet"],
        ["sorghum", "sorghum", "sugar beet"],
        ["sorghum", "millets", "sugar beet"],
        ["sugar beet", "sorghum"],
    ],
)
def test_a_list_that_was_copied_badly_becomes_the_one_that_was_said(copied: list[str]) -> None:
    assert said_list(copied, CROPS) == ["sorghum", "millet", "sugar beet"]


@pytest.mark.parametrize(
    ("text", "copied", "expected"),
    [
        ("sugar beet, alfalfa, cassava and carrots, Winnipeg", ["sugar beet", "alfalfa", "carrots"], 4),
        ("Pack a tent, the map, an axe & a rope", ["tent", "axe", "rope"], 4),
        ("Chords: 'A minor', 'F add9', 'D minor 7' 9 semitones higher", ["A minor", "D minor 7"], 3),
        ("Invite Ana; Ben; Cleo", ["Ana", "Cleo"], 3),
    ],
)
def test_lists_are_read_as_they_are_written(text: str, copied: list[str], expected: int) -> None:
    found = said_list(copied, text)
    assert found is not None
    assert len(found) == expected
    assert all(item in text and not item.startswith(("a ", "an ", "the ", "'")) for item in found)


@pytest.mark.parametrize(
    ("text", "copied"),
    [
        (CROPS, ["sorghum", "millet", "sugar beet"]),  # right
        (CROPS, ["sorghum"]),  # less than half
        (CROPS, []),
        (CROPS, ["sorghum", 3, "sugar beet"]),
        (CROPS, ["sorghum", "bushel", "sugar beet"]),  # said, but not in the list
        ("I like apples, pears, plums and figs. Buy apples and figs.", ["apples", "figs"]),
        ("apples and figs", ["apples"]),
        ("At Marlow & Finch, Zappix, Bazaar24 and Orchid", ["Marlow & Finch", "Zappix", "Bazaar24", "Orchid"]),
        ("eggs, flour and milk, then eggs, sugar and milk", ["eggs", "milk"]),
    ],
)
def test_a_list_that_is_right_or_no_copy_of_one_stays(text: str, copied: list[object]) -> None:
    assert said_list(copied, text) is None


def test_only_lists_of_free_words_are_put_right_and_only_whole_ones() -> None:
    words, choices = {"type": "string"}, {"type": "string", "enum": ["sorghum", "sugar beet"]}
    copied = {"crops": ["sorghum", "sugar beet"]}

    def written(request: str, items: dict[str, object]) -> list[str]:
        known = {"crops": {"type": "array", "items": items}}
        said = Said(request)
        found: list[str] = literal(copied, {"properties": known, "required": ["crops"]}, said, said)["crops"]
        return found

    assert written(CROPS, words) == ["sorghum", "millet", "sugar beet"]
    assert written(CROPS, choices) == copied["crops"]
    assert written(f"{CROPS} Skip one.", words) == copied["crops"]
