"""Our own function-calling examples: well-formed files, exact arguments, the same from the same seed."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest

from finetune.default.arguments import Argument, enumerated, parse_argument, spoken_number
from finetune.default.asking import Piece, ask
from finetune.default.families import Likeness, generate, main
from finetune.default.pools import FEWEST, MADE, Pools, general_pools, in_words
from finetune.default.sources.boxes import related
from finetune.default.surface import Style, joined, lowered, worded
from finetune.default.tool_files import FOLDER, ToolFamily, load_families, load_file
from finetune.errors import DatasetError
from finetune.schema import Example

# Several sayings stand for one value, or there are no more.
FEWEST_VALUES = {"weekday": 7, "month": 12, "planet": 8, "duration_minutes": 20, "domain": 20, "handle_name": 20}
FEWEST_VALUES |= {"currency": 25, "stock": 35, "airport": 30}
TOOL = """
[[tool]]
name = "{name}"
description = "Book a flight."
questions = [
  "Fly {{who}} to {{where}}.", "{{who}} wants to go to {{where}}{{seat}}.", "{{where}} for {{who}}",
  "A ticket to {{where}} for {{who}}, {{bags}} bags.", "Get {{who}} to {{where}} please.", "Book {{where}}: {{who}}",
]
pairs = ["Fly {{who}} to {{where}} and to {{2.where}}."]
[tool.arguments]
who   = {{ pool = "person" }}
where = {{ pool = "city", about = "Where to" }}
bags  = {{ int = [0, 3], optional = true, default = 0 }}
seat  = {{ bool = {{ true = " with a seat", false = "" }}, optional = true }}
"""


@pytest.fixture(scope="module")
def families() -> tuple[ToolFamily, ...]:
    return load_families()


@pytest.fixture(scope="module")
def examples(families: tuple[ToolFamily, ...]) -> list[Example]:
    return list(generate(families, seed=5, count=1500))


def written(tmp_path: Path, text: str) -> list[ToolFamily]:
    path = tmp_path / "travel.toml"
    path.write_text(text, encoding="utf-8")
    return load_file(path, general_pools())


def calls(example: Example) -> list[dict[str, Any]]:
    return list(example.messages[-1].get("tool_calls", ()))


def names(example: Example) -> list[str]:
    return [tool["function"]["name"] for tool in example.tools]


def test_every_pool_has_many_different_values() -> None:
    pools = general_pools()
    rng = Random(1)
    for name in pools.names():
        values = {str(pools.draw(name, rng).value) for _ in range(1500)}
        fewest = FEWEST_VALUES.get(name, FEWEST)
        assert len(values) >= fewest, name
        assert not any(re.search(r"#\B|[{}]", value) for value in values if value not in ("C#", "F#")), name


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_question_of_every_file_gives_valid_calls_that_it_says(path: Path) -> None:
    rng = Random(path.stem)
    for family in load_file(path, general_pools()):
        schema = family.schema()["function"]["parameters"]
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        for template in (*family.questions, *family.pairs) * 2:
            request = ask(family, template, rng, "YYYY-MM-DD")
            assert request is not None, f"{family.name}: the calls of {template!r} are alike"
            text = "".join(piece.text for piece in request.pieces)
            assert "{2" not in text and "{}" not in text and "  " not in text.strip(), text
            assert len(request.calls) == 1 + (template in family.pairs) + ("{3." in template)
            for tool, arguments in request.calls:
                validator.validate(arguments)
                assert list(arguments) == [name for name in tool.arguments if name in arguments]
                for name, value in arguments.items():
                    assert says(text, tool.arguments[name], value, tool.pools), (text, name, value)


def says(text: str, argument: Argument, value: Any, pools: Pools) -> bool:
    """Whether a question names a value, told from the question alone."""
    if isinstance(value, dict):
        return all(says(text, argument.inner[name], one, pools) for name, one in value.items())
    if argument.kind in ("list", "numbers"):
        of = argument.inner.get("of", argument)
        return all(says(text, of, one, pools) if argument.inner else number_is_in(text, one) for one in value)
    if argument.kind == "bool":
        return argument.spec[str(value).lower()] in text
    if argument.kind == "choices" and isinstance(argument.spec, dict):
        return argument.spec[str(value)] in text
    if argument.kind == "pool" and argument.spec in MADE:
        return made_is_in(text, argument.spec, value)
    listed = pools.listed(argument.spec) if argument.kind == "pool" else ()
    if any(str(said.value) == str(value) and said.text in text for said in listed):
        return True
    return str(value) in text or (not isinstance(value, str) and number_is_in(text, value))


def number_is_in(text: str, value: Any) -> bool:
    number = float(value)
    ways = {f"{number:.10f}".rstrip("0").rstrip("."), str(value)}
    ways.add(f"{number:.2f}")
    if number == int(number):
        ways |= {f"{int(number):,}", in_words(int(number))}
    return any(re.search(rf"(?<![\d.]){re.escape(way)}(?!\d|\.\d)", text) for way in ways)


def made_is_in(text: str, pool: str, value: Any) -> bool:
    if pool == "date":
        year, _, day = value.split("-")
        return year in text and re.search(rf"(?<!\d)0?{int(day)}(?!\d)", text) is not None
    if pool in ("time", "duration_minutes"):
        return True  # said in too many ways; tested with the pool
    return number_is_in(text, str(value).strip("$% ").removesuffix(" percent").replace(",", "").split(" ")[0])


def test_examples_are_valid_in_every_style(examples: list[Example]) -> None:
    for example in examples:
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in example.tools}
        assert len(schemas) == len(example.tools) <= 8
        assert example.messages[-1]["content"] == "" and len(example.messages) == 2
        assert example.source.startswith("family:") and example.group
        for call in calls(example):
            jsonschema.Draft202012Validator(schemas[call["name"]]).validate(call["arguments"])
            assert set(call["arguments"]) <= set(schemas[call["name"]]["properties"])


def test_the_mix_is_as_planned(examples: list[Example]) -> None:
    needs = Counter()
    for example in examples:
        called = [call["name"] for call in calls(example)]
        needs["none" if not called else "one" if len(called) == 1 else "same" if len(set(called)) == 1 else "two"] += 1
    shares = {need: count / len(examples) for need, count in needs.items()}
    assert 0.48 < shares["one"] < 0.62 and 0.10 < shares["same"] < 0.20
    assert 0.05 < shares["two"] < 0.14 and 0.15 < shares["none"] < 0.27
    sizes = Counter(len(example.tools) for example in examples)
    assert 0.2 < sizes[1] / len(examples) < 0.4 and max(sizes) == 8
    alone = [example for example in examples if len(example.tools) == 1]
    assert sum(not calls(example) for example in alone) > 0.2 * len(alone)


def test_boxes_stay_together_and_mix_near_and_far(examples: list[Example], families: tuple[ToolFamily, ...]) -> None:
    boxes = [list(box) for _, box in groupby(examples, key=lambda example: example.group)]
    assert len(boxes) == len({example.group for example in examples})
    assert all(len({id(example.tools) for example in box}) == 1 for box in boxes)
    assert 5 <= sum(map(len, boxes)) / len(boxes) <= 9
    files = {family.name: family.file for family in families}
    plain = [names(box[0]) for box in boxes if len(box[0].tools) > 2 and all(name in files for name in names(box[0]))]
    spreads = [len({files[name] for name in box}) for box in plain]
    assert any(spread == 1 for spread in spreads) or len(spreads) < 20
    assert any(spread > 2 for spread in spreads)


def test_the_same_seed_gives_the_same_and_another_gives_others(families: tuple[ToolFamily, ...]) -> None:
    first = [example.to_json() for example in generate(families, 7, 120)]
    assert first == [example.to_json() for example in generate(families, 7, 120)]
    assert first[:60] == [example.to_json() for example in generate(families, 7, 60)]
    other = {example.key for example in generate(families, 8, 120)}
    assert len(other & {Example.from_json(line).key for line in first}) < 6


def test_no_question_is_asked_twice(examples: list[Example]) -> None:
    assert len({example.key for example in examples}) == len(examples)


def test_chat_needs_no_call_and_one_tool_is_too_few(families: tuple[ToolFamily, ...]) -> None:
    chat = [f"Tell me joke number {number}, please" for number in range(200)]
    found = [one for one in generate(families, 3, 400, chat) if one.messages[0]["content"] in chat]
    assert found and not any(map(calls, found)) and found[0].source.startswith("chat#")
    with pytest.raises(DatasetError, match="two tools"):
        next(generate(families[:1], 1, 1))


def test_chat_is_not_what_a_tool_of_the_box_is_for(families: tuple[ToolFamily, ...]) -> None:
    chat = [f"Tell me joke number {number}, please" for number in range(100)]
    chat += [f"{family.description} ({number})" for number, family in enumerate(families)]
    found = [one for one in generate(families, 3, 800, chat) if one.messages[0]["content"] in chat]
    assert len(found) > 20
    assert not any(related(one.messages[0]["content"], one.tools) for one in found)


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("Fly {{who}} to", "Fly someone to", r'question "Fly someone.*does not mention who'),
        ("{{bags}} bags", "{{bag}} bags", "unknown argument bag; known are who"),
        ("{{2.where}}", "{{where}}", "names no {2.argument}"),
        ("{{where}} for", "{{where for", "brace|names no argument"),
        ('"person"', '"persons"', 'argument "who": there is no pool "persons"'),
        ("int = [0, 3]", "int = [3, 0]", "int wants 2 numbers"),
        ("int = [0, 3]", "int = [0, 3], texts = []", "needs exactly one of"),
        ("int = [0, 3]", "int = [0, 3], hint = 1", "needs exactly one of"),
        ('"Book {{where}}: {{who}}",', "", "5 questions"),
        ("{{seat}}", "", "no question mentions seat"),
        ('"Book a flight."', '""', "no description"),
        ("[[tool]]", "[tools]\n[[tool]]", "unknown tools"),
        ("pairs = ", "pair = ", "unknown pair"),
        ("[tool.arguments]", "[tool.arguments", "travel.toml"),
    ],
)
def test_a_faulty_file_is_named_with_its_tool_and_question(tmp_path: Path, old: str, new: str, wrong: str) -> None:
    assert old in TOOL
    text = TOOL.replace(old, new, 1)
    with pytest.raises(DatasetError, match=wrong) as raised:
        written(tmp_path, text.replace("{name}", "fly").replace("{{", "{").replace("}}", "}"))
    assert "travel.toml" in str(raised.value)


def test_a_name_may_stand_in_one_file_only(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(TOOL.format(name="fly"), encoding="utf-8")
    with pytest.raises(DatasetError, match=r'"fly" is both in a\.toml and b\.toml'):
        load_families(tmp_path)
    with pytest.raises(DatasetError, match="has no tools"):
        load_families(tmp_path / "nothing")


def test_what_is_not_said_is_not_in_the_call(tmp_path: Path) -> None:
    family = written(tmp_path, TOOL.format(name="fly"))[0]
    rng = Random(2)
    request = ask(family, family.questions[0], rng, "YYYY-MM-DD")
    assert request is not None and set(request.calls[0][1]) == {"who", "where"}
    seated = ask(family, family.questions[1], rng, "YYYY-MM-DD")
    assert seated is not None and seated.calls[0][1]["seat"] is True
    twice = ask(family, family.pairs[0], rng, "YYYY-MM-DD")
    assert twice is not None
    first, second = (arguments for _, arguments in twice.calls)
    assert first["who"] == second["who"] and first["where"] != second["where"]
    properties = family.schema()["function"]["parameters"]["properties"]
    assert properties["where"] == {"type": "string", "description": "Where to"}
    assert properties["bags"] == {"type": "integer", "description": "Default: 0"}


def test_dates_in_another_form_and_explained_even_when_nothing_else_is() -> None:
    pools = general_pools()
    date = parse_argument("day", {"pool": "date", "about": "Day of travel"}, pools, "x")
    assert date.schema(False, "DD/MM/YYYY")["description"] == "Day of travel, DD/MM/YYYY"
    assert date.in_date_form("2024-03-09", "DD/MM/YYYY") == "09/03/2024"
    nested = parse_argument("trip", {"object": {"day": {"pool": "date"}}}, pools, "x")
    assert nested.in_date_form({"day": "2024-03-09"}, "MM/DD/YYYY") == {"day": "03/09/2024"}
    assert parse_argument("n", {"int": [1, 2], "about": "Count"}, pools, "x").schema(False) == {"type": "integer"}


def test_kinds_and_their_json_types() -> None:
    pools, rng = general_pools(), Random(4)

    def drawn(**table: Any) -> Any:
        return parse_argument("x", table, pools, "x").draw(rng, pools)

    assert isinstance(drawn(int=[1, 9], type="string").value, str)
    assert isinstance(drawn(pool="year", type="integer").value, int)
    money = drawn(pool="money", type="string")
    assert money.value == money.text
    assert isinstance(drawn(pool="percent").value, int | float)
    several = drawn(list={"of": {"pool": "city"}, "count": [3, 3]})
    assert len(set(several.value)) == 3 and " and " in several.text
    assert all(isinstance(one, int) for one in drawn(numbers=[1, 9, 2, 5, 0]).value)
    item = {"object": {"what": {"pool": "dish"}, "count": {"int": [2, 9]}}, "say": "{count} {what}"}
    order = drawn(list={"of": item, "count": [2, 2]})
    assert [set(one) for one in order.value] == [{"what", "count"}] * 2
    assert f"{order.value[0]['count']} {order.value[0]['what']}" in order.text
    assert drawn(choices=[3, 5]).value in (3, 5)


def test_names_are_changed_in_the_schema_and_the_call_alike(tmp_path: Path) -> None:
    text = TOOL.format(name="book_flight").replace("where", "to_city")
    family = written(tmp_path, text)[0]
    camel, pascal = Style(naming="camel"), Style(naming="pascal")
    assert camel.schema(family)["function"]["name"] == "bookFlight"
    assert "toCity" in camel.schema(family)["function"]["parameters"]["required"]
    assert camel.arguments({"to_city": [{"in_it": 1}]}) == {"toCity": [{"inIt": 1}]}
    assert pascal.tool(family) == "BookFlight" and Style(naming="dotted").tool(family) == "travel.book_flight"
    assert Style(naming="snake").argument("toCityName") == "to_city_name"


def test_values_are_never_varied() -> None:
    pools, value = general_pools(), "The The and you Want"
    for seed in range(300):
        pieces = (Piece("Please find "), Piece(value, value=True), Piece(" for the one you want."))
        assert value in worded(pieces, Random(seed), pools)


def test_a_request_within_a_sentence_starts_small_unless_it_is_a_name() -> None:
    assert lowered((Piece("Show me"),))[0].text == "show me"
    for kept in ("I want", "I'm in", "SQL please", "2 tickets"):
        assert lowered((Piece(kept),))[0].text == kept
    assert lowered((Piece("Rome", value=True),))[0].text == "Rome"
    first, second = (Piece("Book it."),), (Piece("Is it open?"),)
    for seed in range(60):
        text = "".join(piece.text for piece in joined(first, second, Random(seed)))
        assert "Book it" in text and text.endswith("s it open?")


def test_how_numbers_and_lists_are_said() -> None:
    rng = Random(0)
    assert {spoken_number(1200, "1200", "for ", " days", rng) for _ in range(40)} == {"1200", "1,200"}
    assert {spoken_number(7, "7", "for ", " days", rng) for _ in range(60)} == {"7", "seven"}
    assert {spoken_number(7, "7", "$", " off", rng) for _ in range(60)} == {"7"}
    assert enumerated(["a"], rng) == "a"
    assert {enumerated(["a", "b", "c"], rng) for _ in range(40)} == {"a, b and c", "a, b, and c"}


def test_made_values_agree_with_what_is_said() -> None:
    rng, in_minutes = Random(9), 0
    for _ in range(400):
        time = MADE["time"](rng)
        hour = int(time.value[:2])
        said = re.match(r"\d+", time.text)
        assert not said or int(said[0]) in (hour, hour - 12), time
        assert ("p" not in time.text[-4:]) or hour >= 12 or "p" not in time.text, time
        minutes = MADE["duration_minutes"](rng)
        digits = re.fullmatch(r"([\d.]+) (min|minutes|hours)", minutes.text)
        assert not digits or float(digits[1]) * (60 if digits[2] == "hours" else 1) == minutes.value
        in_minutes += minutes.text.endswith((" minutes", " min"))
        date = MADE["date"](rng)
        assert made_is_in(date.text, "date", date.value)
    assert in_minutes > 350


def test_tools_that_could_stand_for_one_another_are_not_offered_together(tmp_path: Path) -> None:
    pools = general_pools()
    for name, tool in (("a", "book_flight"), ("b", "reserve_flight")):
        (tmp_path / f"{name}.toml").write_text(TOOL.format(name=tool), encoding="utf-8")
    first, second = (load_file(tmp_path / f"{name}.toml", pools)[0] for name in "ab")
    assert Likeness([first, second]).clash(first, second)
    assert not Likeness([first, second]).clash(first, first)


def test_the_command_prints_examples_and_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--show", "12", "--seed", "1"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("  > ") == 12 and "# " in printed
    assert main(["--check"]) == 0 and "all well formed" in capsys.readouterr().out
    assert main(["--file", "nothing"]) == 2 and "has no tools" in capsys.readouterr().err


def test_a_full_stop_is_not_doubled() -> None:
    pools = general_pools()
    late, now = (Piece("Wake me at "), Piece("6 p.m.", value=True)), (Piece("Wake me"), Piece("."))
    for seed in range(300):
        texts = [worded(late, Random(seed), pools), worded(now, Random(seed), pools)]
        texts.append("".join(piece.text for piece in joined(late, now, Random(seed))))
        for text in texts:
            assert ".." not in text, text
