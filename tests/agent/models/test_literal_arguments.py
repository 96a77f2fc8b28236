"""The arguments of a small model's calls, held against what was said."""

import pytest

from agent.models.literal_arguments import literal
from agent.models.said import Said
from agent.models.tool_calls import ToolChoice


def given(request, value, name="x", **schema):
    arguments = literal({name: value}, {"properties": {name: schema}}, Said(request), None)
    assert arguments in ({}, {name: value})
    return bool(arguments)


def written(request, arguments, required=(), alone=True, **properties):
    said = Said(request)
    return literal(arguments, {"properties": properties, "required": [*required]}, said, said if alone else None)


NUMBER, TEXT = {"type": "number"}, {"type": "string"}


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        ("How is the weather in Gibsland?", "rainy"),
        ("Weld seams of 207.8 and 14.4 mm with the ceiling arm.", 2391),
        ("Papers on sustainability, please.", 3),
        ("Find the hidden objects in the scene v3CfJ16RIP.", 3),
        ("A report on corruption in the United States", "last month"),
        ("A table in Sacaton", {"city": "San Francisco"}),
        ("A table in Sacaton", ["gluten free", "vegan"]),
        ("Bill me for order 12.", 1.2),
        ("Wie wird das Wetter in Köln?", "sonnig"),
        ("How is it?", "re"),
        ("Data usage of my line", "2023-11-05"),
        ("Data usage since March 4, 2025", "2025-03-05"),
        ("A perm on 8 August 2025", "10:00"),
        ("Hire a lift from 2026-05-29.", 2026),
        ("Book a cut at 2:30 pm; my hair is long.", "my"),
    ],
)
def test_a_value_that_nobody_gave_is_left_out(request_, value):
    assert not given(request_, value)


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        ("Is it raining there?", "rainy"),
        ("the length of the line, in kilometers", "km"),
        ("at half past eight in the evening", "20:30"),
        ("at 8 p.m.", "20:00"),
        ("paid in Japanese yen", "JPY"),
        ("a table for four", 4),
        ("a return of 4.3%", 0.043),
        ("a budget of 2 million", 2_000_000),
        ("€42,300 to begin with", 42300),
        ("below -5 degrees", -5),
        ("On May 10, 2022", "2022-05-10"),
        ("on 10/13/2023", "2023-10-13"),
        ("what came from 185.220.0.9", "185.220.0.9"),
        ("東京の天気は?", "東京"),
        ("a table for me and a vegan", ["vegan", "vegetarian"]),
        ("end it with a hyphen", "-"),
        ("a timer for twenty-five minutes", 25),
        ("three hundred of them", 300),
        ("half an hour", 30),
        ("the third floor", 3),
        ("1,5 Liter Milch", 1.5),
        ("1/2 cup", 0.5),
        ("at 5pm", 17),
        ("remind me tomorrow", "2025-03-02"),
        ("the time in Japan", "Asia/Tokyo"),
        ("Which PDFs are there?", "*.pdf"),
        ("the café at the corner", "cafe"),
        ("the table of U1fThurnB0", "U1fThurnB0"),
        ("upper snake case for MaxRetryCount", "MaxRetryCount"),
        ("Turn it on.", None),
        ("Turn it on.", []),
    ],
)
def test_a_value_that_was_given_stays_in_any_of_its_forms(request_, value):
    assert given(request_, value)


@pytest.mark.parametrize(
    ("request_", "value", "stands"),
    [
        ("the cheapest last", "desc", False),
        ("in descending order", "desc", True),
        ("its height in feet", "ft", True),
        ("Is it raining in Cairo?", "C", False),
        ("The weather in Celsius, please", "C", True),
        ("merge it, fast forward only", "fast_forward", True),
        ("all of them", "all", True),
        ("some of them", "all", False),
        ("The weather in Germany", "DE", False),
        ("over the last 5 years", "5y", True),
        ("100°F", "fahrenheit", True),
        ("every Monday at 8", "weekly", True),
        ("every Monday at 8", "monthly", False),
        ("the women's football teams", "female", True),
        ("the level of IgM", "IgM", True),
        ("the level of IgMs", "IgM", False),
    ],
)
@pytest.mark.parametrize("wrapped", [lambda enum: enum, lambda enum: {"anyOf": [{"type": "null"}, enum]}])
def test_a_choice_stands_where_a_word_of_it_was_said(request_, value, stands, wrapped):
    assert given(request_, value, **wrapped({"enum": [value, "other"]})) is stands


def test_choices_in_a_list_stand_where_one_was_said():
    items = {"type": "array", "items": {"enum": ["wins", "titles"]}}
    assert given("Their wins, please", ["wins", "titles"], **items)
    assert not given("Their statistics, please", ["wins", "titles"], **items)


@pytest.mark.parametrize("schema", [{"const": "desc"}, {"$ref": "#/$defs/Order"}])
def test_a_value_that_has_no_other_or_is_described_elsewhere_stands(schema):
    assert given("the cheapest last", "desc", **schema)


@pytest.mark.parametrize("name", ["open_now", "isOpen"])
def test_yes_or_no_stands_where_its_name_was_said(name):
    assert given("Who is open at this hour?", True, name)
    assert given("It need not be open.", False, name)
    assert not given("Who sells fuel?", True, name)


@pytest.mark.parametrize(("name", "value"), [("language", "de"), ("target_lang", "pt-BR"), ("currency", "usd")])
def test_a_code_stands_where_codes_are_asked_for(name, value):
    assert given("Say it in German, please", value, name)
    assert given("Say it in German, please", value, name, enum=[value, "fr"])
    assert not given("Say it in German, please", value, "word")


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        ("charges of 1e-9 C", 1e-9),
        ("G=6.674e-11", 6.674e-11),
        ("a timer for 30 minutes", 1800),
        ("compounded quarterly", 4),
        ("direct flights", 0),
        ("a chance of .5", 0.5),
        ("1,00,000 rupees", 100_000),
    ],
)
def test_numbers_are_read_as_they_are_written(request_, value):
    assert given(request_, value)


def test_the_part_of_a_day_stands_where_it_is_asked_for():
    assert given("What happened on 29 May 2026?", 2026, "year")
    assert not given("Hire a lift from 29 May 2026", 2026, "days")


def test_an_object_stands_where_one_of_its_values_does():
    place = {"properties": {"city": {"type": "string"}, "sort": {"enum": ["near"]}}}
    assert not given("A table in Sacaton", {"city": "San Francisco"}, **place)
    assert given("A table nearby", {"city": "San Francisco", "sort": "near"}, **place)


@pytest.mark.parametrize("root", [{"$ref": "#/$defs/A"}, {"anyOf": [{"required": ["x"]}]}, {"allOf": [{}]}])
def test_all_stays_where_it_cannot_be_told_what_is_required(root):
    assert literal({"x": "rainy"}, root, Said("Go"), Said("Go")) == {"x": "rainy"}


def test_what_is_required_stays():
    assert written("Gibsland", {"city": "Oslo", "sky": "rainy"}, ["sky"], city={}, sky={}) == {"sky": "rainy"}


def test_a_number_that_stands_for_one_argument_is_not_given_for_another():
    tool = {"confidence": NUMBER, "deviation": NUMBER}
    both = {"confidence": 99, "deviation": 99}
    assert written("A 99% interval", both, ["confidence"], **tool) == {"confidence": 99}
    assert written("99%, and a deviation of 99", both, ["confidence"], **tool) == both


def test_a_number_may_stand_for_two_arguments_that_share_a_name_or_are_said_to():
    years, axes = {"from_year": 2023, "to_year": 2023}, {"a": 5, "b": 5}
    assert written("Jobs in 2023", years, ["from_year"], from_year=NUMBER, to_year=NUMBER) == years
    assert written("an ellipse, both axes 5", axes, ["a"], a=NUMBER, b=NUMBER) == axes
    assert written("an ellipse, its axis 5", axes, ["a"], a=NUMBER, b=NUMBER) == {"a": 5}


def test_a_text_that_stands_for_a_required_argument_is_not_given_for_another():
    tool = {"title": TEXT, "description": TEXT}
    both = {"title": "Buy groceries", "description": "buy groceries"}
    assert written('A task "Buy groceries"', both, ["title"], **tool) == {"title": "Buy groceries"}
    assert written('"Buy groceries", that is, buy groceries', both, ["title"], **tool) == both


@pytest.mark.parametrize(
    ("said", "form", "value", "wanted"),
    [
        ("on May 17, 2026", "DD.MM.YYYY", "2026-05-17", "17.05.2026"),
        ("on the 2nd of November 2017", "YYYY-MM-DD", "2017-11-22", "2017-11-02"),
        ("on Apr 30, 2025", "Day, dd/mm/yyyy", "04/30/2025", "30/04/2025"),
        ("on 2020-04-11", "MM/DD/YYYY", "2020-04-11", "04/11/2020"),
        ("on April 11, 2020 or April 12, 2020", "MM/DD/YYYY", "04/12/2020", "04/12/2020"),
        ("on April 11, 2020 or April 12, 2020", "MM/DD/YYYY", "soon", "soon"),
        ("from April 11, 2020 until next Friday", "YYYY-MM-DD", "2020-04-17", "2020-04-17"),
        ("on Monday", "YYYY-MM-DD", "2020-13-17", "2020-13-17"),
        ("on May 17, 2026", "When", "17 May", "17 May"),
        ("on May 17, 2026 at 8:00", "YYYY-MM-DD HH:MM", "2026-05-17 08:00", "2026-05-17 08:00"),
        ("on May 17, 2026 at 8:00", "YYYY-MM-DD, with the time", "2026-05-17 08:00", "2026-05-17 08:00"),
    ],
)
def test_a_day_is_written_in_the_form_that_is_asked_for(said, form, value, wanted):
    assert written(said, {"day": value}, ["day"], day={**TEXT, "description": form}) == {"day": wanted}


@pytest.mark.parametrize(
    "value",
    ["SELECT 1 WHERE day = '2026-05-11'", "2026-05-10 to 2026-05-12", "report-2026-05-10.pdf", "2026-05-11 pay rent"],
)
def test_a_text_that_is_more_than_a_day_stays(value):
    day = {**TEXT, "description": "Days are written YYYY-MM-DD"}
    assert written("She joined on May 10, 2026.", {"x": value}, ["x"], x=day) == {"x": value}


def test_a_day_that_is_quite_another_stays():
    day = {**TEXT, "format": "date"}
    said = "My lease began on May 3, 2025; remind me at the end of March"
    assert written(said, {"x": "2026-03-31"}, ["x"], x=day) == {"x": "2026-03-31"}


@pytest.mark.parametrize("form", ["MM/MM/YYYY", "DD.DD.YYYY"])
def test_a_form_that_is_none_is_no_error(form):
    assert written("on May 3, 2025", {"x": "5"}, ["x"], x={**TEXT, "description": form}) == {"x": "5"}


def test_a_day_without_a_form_of_its_own_is_written_as_json_schema_says():
    assert written("on May 17, 2026", {"day": "2026-05-07"}, ["day"], day={**TEXT, "format": "date"}) == {
        "day": "2026-05-17"
    }


def test_a_number_for_two_arguments_goes_to_the_one_beside_whose_name_it_was_said():
    tool = {"monthly": {"type": "integer"}, "rate": NUMBER, "years": {"type": "integer"}}
    made = {"monthly": 31, "rate": 7, "years": 31}
    assert written("€109 per month, 31 years, 7% a year", made, tool, **tool) == {**made, "monthly": 109}
    assert written("€31 per month, 31 years, 7% a year", made, tool, **tool) == made
    assert written("109 a time, 31 years, 7% a year", made, tool, **tool) == made


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        ("Dial Elena's home number, floor 8", {"line": "home", "floor": 8}),
        ("Dial Elena's mobile or home number", {}),
        ("Dial home", {}),  # it stands for whom to call
        ("Call Elena on the eighth floor", {}),
        ("Call Elena; floor 8 or floor 9", {}),
        ("Call Elena; floor -8", {}),
        ("Call Elena, floor WH08", {}),
        ("Call Elena; floor: on 8 May 2026", {}),
        ("Call Elena, floor 8.5", {}),
        ("Call Elena, floor 3-5", {}),
        ("Call Elena, floor 12345678901234567", {}),
        ("Call Elena, but not at home", {}),
        ("Call Elena at her homestead", {"line": "home"}),
    ],
)
def test_what_was_said_and_left_out_is_added(request_, found):
    tool = {"line": {"enum": ["mobile", "home"]}, "who": TEXT, "floor": {"type": "integer"}}
    who = {"who": "home" if request_ == "Dial home" else "Elena"}
    assert written(request_, who, ["who"], **tool) == who | found
    assert written(request_, who, ["who"], alone=False, **tool) == who


@pytest.mark.parametrize(
    ("request_", "argument", "schema"),
    [
        ("A Greek salad", "color", {"enum": ["green", "blue"]}),
        ("A medical handbook", "size", {"enum": ["medium", "large"]}),
        ("Which tasks have I started?", "status", {"enum": ["not_started", "done"]}),
        ("Waitlist us, phone number 5551234", "number_of_people", {"type": "integer"}),
        ("Any size over 4 or under 2", "size", {"enum": [True, None, "big"]}),
        ("Remind me at 3 pm", "priority", {"type": "integer", "enum": [1, 2, 3]}),
        ("rooms on floor 80", "floor", {"type": "integer", "maximum": 10}),
        ("Paint it red", "colors", {"type": "array", "enum": ["red"]}),
        ("I don't want the red one", "color", {"enum": ["red", "blue"]}),
        ("anything other than red", "color", {"enum": ["red", "blue"]}),
        ("with a good rating", "sort_by", {"enum": ["rating", "price"]}),
    ],
)
def test_what_was_not_said_is_not_added(request_, argument, schema):
    assert written(request_, {"item": "it"}, ["item"], item=TEXT, **{argument: schema}) == {"item": "it"}


def test_a_number_beside_a_word_of_another_argument_is_not_added():
    tool = {"query": TEXT, "limit": {"type": "integer"}}
    assert written("roads with a speed limit of 50", {"query": "speed limit"}, ["query"], **tool) == {
        "query": "speed limit"
    }


@pytest.mark.parametrize("kind", [{"type": ["integer", "null"]}, {"anyOf": [{"type": "integer"}, {"type": "null"}]}])
def test_what_may_be_null_is_added_too(kind):
    assert written("floor 8, I repeat: floor 8", {}, floor=kind) == {"floor": 8}


def test_a_number_that_was_taken_in_another_scale_is_not_added():
    tool = {"rate": NUMBER, "growth_rate_only": NUMBER}
    assert written("a rate of 5%, growth and all", {"rate": 0.05}, ["rate"], **tool) == {"rate": 0.05}
    both = {"growth": 0.05, "discount": 0.05}
    assert written("growth of 5% and the same discount", both, both, growth=NUMBER, discount=NUMBER) == both


def test_what_another_call_has_is_not_added():
    said = Said("Attendance of employee 40, and the performance of marketing")
    tool = {"properties": {"department": TEXT, "employee": {"type": "integer"}}, "required": ["department"]}
    made = {"department": "marketing"}
    assert literal(made, tool, said, said) == made | {"employee": 40}
    assert literal(made, tool, said, said, [{"employee": 40}]) == made


def test_a_letter_of_anothers_name_is_no_choice():
    assert not given("Bob's shoes", "small", enum=["small", "large"])


def test_a_truth_in_words_is_held_as_one():
    assert given("with SSL support", "True", "ssl")
    assert not given("with support", "True", "ssl")


def test_long_runs_of_digits_are_read_at_once():
    assert not Said("1" * 100_000).holds_number(2)
    assert written("1" * 500, {"x": 10**400}, ["x"], x=NUMBER, y={"type": "integer"}) == {"x": 10**400}


def test_arguments_that_are_added_stand_in_the_order_of_the_schema():
    tool = {"line": {"enum": ["home"]}, "who": TEXT}
    assert [*written("Elena, at home", {"who": "Elena"}, ["who"], **tool)] == ["line", "who"]


ODD = [True, False, {}, None, {"type": ["string", "null"]}, {"enum": [None, True, 1, {"a": 1}]}, {"properties": None}]
ODD += [
    {"enum": None, "anyOf": None, "items": None},
    {"type": "string", "oneOf": None},
    {"description": 5},
    {"anyOf": [True, {"enum": ["x"]}]},
    {"items": True},
    {"format": "date"},
]


@pytest.mark.parametrize("schema", ODD)
@pytest.mark.parametrize("required", [None, ["x"]])
@pytest.mark.parametrize("text", ["", "May 32, 2026 and 99/99/9999, on the 5th", "٣ ² ½ " + "1,2,3 " * 99])
def test_odd_schemas_and_texts_are_no_error(schema, required, text):
    whole = {"properties": {"x": schema, "y": {"type": "integer"}, "z": {"enum": ["home", None]}}, "required": required}
    for value in (None, True, -5, 10**30, 1e300, "", "2026-05-17", [1, "a", None], {"a": [{}]}):
        assert {*literal({"x": value}, whole, Said(text), Said(text))} <= {"x", "y", "z"}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("species", "the Flamingo", "Flamingo"),
        ("place", "the old harbour", "old harbour"),
        ("hotel", "The Grand", "The Grand"),
        ("day", "the 4th of March", "the 4th of March"),
        ("message", "the train is late", "the train is late"),
        ("court", "the court of appeal of the district", "the court of appeal of the district"),
        ("article", "the", "the"),
    ],
)
def test_a_thing_is_named_without_its_article(name, value, kept):
    assert written(f"About {value}", {name: value}, [name], **{name: TEXT}) == {name: kept}


def forecast(**rules):
    properties = {"city": {"type": "string"}, "sky": {"type": "string"}, "unit": {"enum": ["celsius", "kelvin"]}}
    function = {"name": "forecast", "parameters": {"properties": properties, "required": ["city"]}}
    return ToolChoice.of([{"type": "function", "function": function}], **rules)


WRITTEN = 'forecast {"city": "Gibsland", "sky": "rainy"}\nforecast {"city": "Gibsland", "sky": "hot"}'


def test_only_a_literal_choice_is_held_to_the_request_and_calls_that_become_one_are_one():
    request = "How is the weather in Gibsland?"
    assert forecast(literal=True).parse(WRITTEN, request) == [("forecast", {"city": "Gibsland"})]
    assert forecast().parse(WRITTEN, request)[0] == ("forecast", {"city": "Gibsland", "sky": "rainy"})


def test_calls_that_differ_in_more_than_texts_stay_two():
    function = {"name": "book", "parameters": {"properties": {"to": TEXT, "back": {"type": "boolean"}}}}
    choice = ToolChoice.of([{"type": "function", "function": function}], literal=True)
    made = 'book {"to": "Rome", "back": true}\nbook {"to": "Rome", "back": false}'
    assert len(choice.parse(made, "To Rome, a return and a single")) == 2


def test_only_the_request_adds_to_a_call_and_only_to_a_lone_one():
    asked = "And in Oslo, in kelvin?"
    one, two = 'forecast {"city": "Oslo"}', 'forecast {"city": "Oslo"}\nforecast {"city": "Bergen"}'
    choice = forecast(literal=True)
    assert choice.parse(one, f"Weather in celsius\n{asked}", asked) == [
        ("forecast", {"city": "Oslo", "unit": "kelvin"})
    ]
    assert choice.parse(one, f"{asked}\nweather", "weather") == [("forecast", {"city": "Oslo"})]
    assert choice.parse(two, asked, asked) == [("forecast", {"city": "Oslo"}), ("forecast", {"city": "Bergen"})]


KINDS = {"type": "array", "items": {"type": "string", "enum": ["jam", "closure", "works", "accident"]}}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("Are there accidents, jams or road closures on the A7?", {"kinds": ["accident", "jam", "closure"]}),
        ("Is there an accident on the A7?", {"kinds": ["accident"]}),
        ("What is there on the A7, but no accidents?", {}),
        ("What is there on the A7?", {}),
    ],
)
def test_all_choices_that_were_said_are_added_where_several_may_be(request_, expected):
    assert written(request_, {}, kinds=KINDS) == expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("Let them exchange shifts, reason: choir practice", {"reason": "choir practice"}),
        ("Reason: 'late, again'. Tell them.", {"reason": "late, again"}),
        ("reason: late priority: high", {"reason": "late"}),
        ("reason = see https://a.example/b?c=1, please", {"reason": "see https://a.example/b?c=1"}),
        ("The reason is choir practice", {}),
        ("treason: a crime", {}),
    ],
)
def test_what_was_said_behind_a_label_is_added(request_, expected):
    assert written(request_, {}, reason=TEXT) == expected


def test_what_stands_for_another_argument_is_no_label():
    assert written("subject: choir, reason: choir", {"subject": "choir"}, subject=TEXT, reason=TEXT) == {
        "subject": "choir"
    }


FROM, TO = ({"type": "string", "description": f"{which} day, DD/MM/YYYY"} for which in ("First", "Last"))


@pytest.mark.parametrize(
    ("request_", "value", "expected"),
    [
        ("usage of +33 6 99 00 since November 5, 2023", "+33 6 99 00", {"from": "05/11/2023"}),
        ("usage since November 5, 2023", "05/11/2023", {"from": "05/11/2023"}),  # said once
        ("usage from November 5, 2023 to tomorrow", "tomorrow", {"from": "05/11/2023", "to": "tomorrow"}),
        ("usage of the whole day of November 5, 2023", "05/11/2023", {"from": "05/11/2023", "to": "05/11/2023"}),
        ("usage from 5/11/2023 to 6/11/2023", "06/11/2023", {"from": "05/11/2023", "to": "06/11/2023"}),
    ],
)
def test_a_day_stands_where_it_was_said(request_, value, expected):
    arguments = {"from": "2023-11-05", "to": value}
    assert written(request_, arguments, required=("from",), **{"from": FROM, "to": TO}) == expected


@pytest.mark.parametrize(
    ("request_", "name", "value", "schema"),
    [
        ('Find books on "the wall"', "topic", "the wall", TEXT),
        ("Translate the wall", "phrase", "the wall", TEXT),
        ("Listen to the wall", "topic", "the wall", {**TEXT, "pattern": "^the "}),
        ("Go to the US", "place", "the US", {**TEXT, "minLength": 3}),
    ],
)
def test_the_stays_where_it_is_a_part_of_the_value(request_, name, value, schema):
    assert written(request_, {name: value}, required=(name,), **{name: schema}) == {name: value}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("waitlist Little Hanoi, 7 people, November 30, 2024", {"day": "30/11/2024"}),
        ("waitlist Little Hanoi on November 30 or December 1, 2024", {}),
        ("waitlist Little Hanoi, November 30", {}),  # of which year?
        ("waitlist Little Hanoi", {}),
    ],
)
def test_the_day_that_is_left_is_for_the_argument_that_is(request_, expected):
    day = {**TEXT, "description": "DD/MM/YYYY"}
    call = {"name": "Little Hanoi"}
    assert written(request_, call, ["name"], name=TEXT, day=day) == call | expected


def test_a_day_that_was_given_or_may_be_either_of_two_is_not_left():
    day = {**TEXT, "description": "DD/MM/YYYY"}
    said = "a table on November 30, 2024"
    assert written(said, {"first": "30/11/2024"}, first=day, last=day) == {"first": "30/11/2024"}
    assert written(said, {"note": "on November 30, 2024"}, note=TEXT, day=day) == {"note": "on November 30, 2024"}
    assert written(said, {}, first=day, last=day) == {}
