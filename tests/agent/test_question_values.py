"""Candidate values for arguments: all that stand in the question, and nothing else."""

import pytest

from agent.question_values import MAX_LENGTH, MAX_VALUES, dates, narrowed, numbers, texts


def tool(properties, required=(), name="bookTable", description="Book a table."):
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def values(schema, question, name):
    return narrowed(schema, question)["function"]["parameters"]["properties"][name].get("enum")


def test_texts_are_runs_of_words_between_function_words():
    found = texts("Find a hotel in New York for Ann's mother, please.")
    assert {"hotel", "New York", "Ann's mother", "Ann", "hotel in New York"} <= set(found)
    assert not any(text.split()[0] in ("a", "in", "for") or text.endswith(("in", ",", "please")) for text in found)


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ('Play "Let It Be" now', "Let It Be"),
        ("Open 'my notes.txt' for me", "my notes.txt"),
        ("What is 'Don't stop'?", "Don't stop"),
        ("Say “good morning all of you.” to her", "good morning all of you."),
        ('Show the post "rOBhSVKG.', "rOBhSVKG"),
        ('Get the user "hXQ7qFFt".', "hXQ7qFFt"),
    ],
)
def test_a_quoted_text_is_one_value(question, quoted):
    found = texts(question)
    assert found[0] == quoted
    assert not any(quoted in text and text != quoted for text in found)


def test_values_do_not_cross_a_sentence_or_clause():
    assert not any("Rome" in text and "Oslo" in text for text in texts("Go to Rome. Oslo, too"))


def test_a_long_question_gives_a_bounded_number_of_values():
    found = texts(" ".join(f"word{n}" for n in range(5000)))
    assert len(found) == MAX_VALUES


def test_numbers_keep_their_kind_and_thousands():
    assert numbers("25 of 1,200 at -3.5, version 1.2.3 and x7") == [25, 1200, -3.5]
    assert numbers("25 of 1,200 at -3.5", whole=True) == [25, 1200]


def test_dates_are_read_in_words_and_in_digits():
    assert dates("From November 25, 2013 to 7th of January 2014 or 2015-02-03") == [
        "2013-11-25",
        "2014-01-07",
        "2015-02-03",
    ]


def test_a_number_can_only_be_one_of_the_question():
    schema = tool({"people": {"type": "integer"}, "budget": {"type": "number"}}, ["people", "budget"])
    assert values(schema, "Book for 25 people, 2.5 dollars each", "people") == [25]
    assert values(schema, "Book for 25 people, 2.5 dollars each", "budget") == [25, 2.5]


def test_an_argument_without_candidates_is_only_bounded():
    schema = tool({"people": {"type": "integer", "minimum": 1}, "late": {"type": "boolean"}}, ["people", "late"])
    assert narrowed(schema, "Book a table")["function"]["parameters"]["properties"] == {
        "people": {"type": "integer", "minimum": 1, "maximum": 10**9},
        "late": {"type": "boolean"},
    }
    schema = tool({"note": {"type": "string"}}, ["note"])
    assert narrowed(schema, "the")["function"]["parameters"]["properties"]["note"]["maxLength"] == MAX_LENGTH


def test_an_optional_argument_stays_when_the_question_mentions_it_and_is_then_required():
    schema = tool(
        {
            "restaurant": {"type": "string"},
            "guestCount": {"type": "integer"},
            "smoking": {"type": "string"},
            "seat": {"enum": ["terrace", "bar"]},
        },
        ["restaurant"],
    )
    parameters = narrowed(schema, "Book Noma for a guest on the terrace, 2 people")["function"]["parameters"]
    assert parameters["required"] == list(parameters["properties"]) == ["restaurant", "guestCount", "seat"]
    assert parameters["properties"]["seat"]["enum"] == ["terrace"]


def test_the_verb_that_asks_for_the_tool_is_no_value():
    schema = tool({"restaurant": {"type": "string"}}, ["restaurant"])
    assert not any(text.startswith("Book") for text in values(schema, "Book Noma tonight", "restaurant"))
    assert any(text.startswith("Reserve") for text in values(schema, "Reserve Noma tonight", "restaurant"))


@pytest.mark.parametrize(
    ("name", "argument", "expected"),
    [
        ("start_date", {"type": "string"}, ["2026-03-05"]),
        ("day", {"type": "string", "format": "date"}, ["2026-03-05"]),
        ("contact_email", {"type": "string"}, ["ann@example.org"]),
        ("pageUrl", {"type": "string"}, ["https://example.org/a"]),
        ("code", {"type": "string", "pattern": "^[A-Z]$"}, None),
    ],
)
def test_values_of_a_known_shape_are_found_by_it(name, argument, expected):
    question = "Write to ann@example.org about https://example.org/a, before March 5, 2026."
    assert values(tool({name: argument}, [name]), question, name) == expected


def test_the_schema_that_was_given_is_not_changed():
    schema = tool({"restaurant": {"type": "string"}, "smoking": {"type": "string"}}, ["restaurant"])
    narrowed(schema, "Book Noma")
    assert schema == tool({"restaurant": {"type": "string"}, "smoking": {"type": "string"}}, ["restaurant"])


@pytest.mark.parametrize("question", ["", "   ", "?", '"', "the of a"])
def test_a_question_without_words_narrows_nothing(question):
    schema = tool({"restaurant": {"type": "string"}}, ["restaurant"])
    assert values(schema, question, "restaurant") is None
