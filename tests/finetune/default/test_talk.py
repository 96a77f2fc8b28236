"""Our own dialogues: valid, repeatable, each different, and true to what their tools gave."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agent import prompts
from finetune.default.pools import Said
from finetune.default.talk import FILE, NEEDS_NO_TOOL, PLACE, chat_requests, examples, filled, given
from finetune.errors import DatasetError
from finetune.evaluation.format_checks import passes
from finetune.schema import Example


@pytest.fixture(scope="module")
def made() -> list[Example]:
    return examples()


def kind_of(example: Example) -> str:
    return example.source.removeprefix("talk:").partition("#")[0]


def replies(example: Example) -> list[dict[str, Any]]:
    return [dict(message) for message in example.messages if message["role"] == "assistant"]


def calls_of(example: Example) -> list[dict[str, Any]]:
    return [call for message in replies(example) for call in message.get("tool_calls", ())]


def test_there_are_many_of_every_kind(made: list[Example]) -> None:
    kinds = Counter(map(kind_of, made))
    assert len(made) >= 1500
    assert min(kinds.values()) >= 40
    assert {"small_talk", "remember", "form", "role", "refusal", "harmless", "unknown", "knowledge", "tools"} <= set(
        kinds
    )


def test_no_two_ask_the_same(made: list[Example]) -> None:
    assert len({example.key for example in made}) == len(made)
    assert len({example.source for example in made}) == len(made)


def test_a_seed_gives_the_same_and_another_seed_others(made: list[Example]) -> None:
    assert examples() == made
    others = {example.key for example in examples(seed=1)}
    assert len(others - {example.key for example in made}) > 300


def test_nothing_is_left_open(made: list[Example]) -> None:
    for example in made:
        told = json.dumps([*example.messages, *example.tools], ensure_ascii=False)
        assert not PLACE.search(told), told
        assert "##" not in told
        for message in example.messages:
            assert message["content"].strip() == message["content"]


def test_every_conversation_is_well_formed(made: list[Example]) -> None:
    for example in made:
        roles = [message["role"] for message in example.messages]
        assert roles[-1] == "assistant" and example.messages[-1]["content"]
        assert "user" in roles and "system" not in roles[1:]
        results = [message["name"] for message in example.messages if message["role"] == "tool"]
        assert results == [call["name"] for call in calls_of(example)]
        assert example.group.startswith("talk:")


def test_calls_satisfy_the_schemas_of_their_tools(made: list[Example]) -> None:
    types = {"integer": int, "number": (int, float), "string": str}
    for example in made:
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in example.tools}
        for call in calls_of(example):
            schema = schemas[call["name"]]
            assert list(call["arguments"]) == schema["required"]
            for name, value in call["arguments"].items():
                property_ = schema["properties"][name]
                assert isinstance(value, types[property_["type"]]), (call, name)
                assert value in property_.get("enum", [value])


def test_values_of_calls_stand_in_what_came_before(made: list[Example]) -> None:
    for example in made:
        before = ""
        for message in example.messages:
            for call in message.get("tool_calls", ()):
                for name, value in call["arguments"].items():
                    if name in ("date", "time", "expression", "by"):
                        continue  # said in other words
                    assert str(value) in before, (call, before)
            before += f" {message['content']}"


def test_tools_are_offered_where_none_is_needed(made: list[Example]) -> None:
    idle = [example for example in made if example.tools and not calls_of(example)]
    assert len(idle) > 100
    assert {kind_of(example) for example in idle} == set(NEEDS_NO_TOOL)


def test_examples_with_the_same_tools_stand_together(made: list[Example]) -> None:
    boxes = [json.dumps(example.tools) for example in made if calls_of(example)]
    runs = 1 + sum(one != other for one, other in zip(boxes, boxes[1:], strict=False))
    assert runs <= 2 * len(set(boxes))


def test_answers_are_short(made: list[Example]) -> None:
    for example in made:
        assert len(example.messages[-1]["content"].split()) <= 40, example.messages[-1]


def test_forms_are_kept(made: list[Example]) -> None:
    checks = {
        "talk:one_word": {"kind": "words", "n": 1},
        "talk:lowercase": {"kind": "lowercase"},
        "talk:uppercase": {"kind": "uppercase"},
        "talk:json_columns": {"kind": "json"},
        "talk:json_key": {"kind": "json"},
        "talk:json_list": {"kind": "json"},
        "talk:quoted": {"kind": "quoted"},
        "talk:bullets": {"kind": "bullets", "n": 3},
        "talk:numbered": {"kind": "bullets", "n": 3},
        "talk:label": {"kind": "lines", "n": 2},
        "talk:sentence": {"kind": "sentences", "n": 1},
    }
    checked: Counter[str] = Counter()
    for example in made:
        if check := checks.get(example.group):
            checked[example.group] += 1
            assert passes(example.messages[-1]["content"], check), example.messages
    assert set(checked) == set(checks)


def test_a_limit_of_words_is_kept(made: list[Example]) -> None:
    limited = [example for example in made if example.group in ("talk:most_words", "talk:few_words")]
    assert len(limited) >= 30
    for example in limited:
        asked = " ".join(message["content"] for message in example.messages[:-1])
        most = int(re.findall(r"(?:at most|no more than|No more than|Keep it to|length:|in) (\d+) words", asked)[-1])
        assert passes(example.messages[-1]["content"], {"kind": "max_words", "n": most}), example.messages


def test_what_is_remembered_is_said_as_the_product_says_it(made: list[Example]) -> None:
    told = [example for example in made if kind_of(example) == "remember"]
    beginning = prompts.REMEMBERED.partition("{")[0]
    for example in told:
        answer = example.messages[-1]["content"]
        assert answer.startswith(beginning)
        assert answer.removeprefix(beginning).rstrip(".") in example.messages[0]["content"]


def test_requests_without_tools_are_those_of_the_dialogues(made: list[Example]) -> None:
    asked = chat_requests()
    assert len(asked) == len(set(asked)) > 400


def test_values_keep_their_type_and_their_words() -> None:
    values = {"n": Said(3, "three"), "day": Said("2024-03-01", "March 1st, 2024"), "yes": Said("oui", "oui")}
    values["truth"] = Said("yes", "yes")
    assert given({"a": "{n}", "b": ["{day}"], "c": "#{n}", "d": True}, values) == {
        "a": 3,
        "b": ["2024-03-01"],
        "c": "#three",
        "d": True,
    }
    assert (
        filled("{n|capital} on {day}: {day|value}, {truth|of}", values) == "Three on March 1st, 2024: 2024-03-01, oui"
    )


@pytest.mark.parametrize("template", ["{nothing}", "{n|sideways}"])
def test_a_wrong_place_is_told(template: str) -> None:
    with pytest.raises(DatasetError, match="talk.toml"):
        filled(template, {"n": Said(1, "1")})


def test_a_file_that_is_no_toml_is_told(tmp_path: Path) -> None:
    path = tmp_path / "talk.toml"
    path.write_text("[", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"talk\.toml"):
        examples(path=path)
    assert FILE.exists()
