"""The converters of public training sets: what they yield is valid, copied and laid out in boxes."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent.prompts import REFUSAL
from finetune.default.sources import NAMES, examples
from finetune.default.sources.boxes import occurs, related
from finetune.default.sources.seal_tools import exact_calls
from finetune.errors import DatasetError
from finetune.schema import Example
from tools.calculator import calculate

_SOME = 400  # Examples of each set that are looked at
_DIALOGUES = 150
_COPIED = ("sgd", "snips", "seal_tools", "conversations")


@pytest.fixture(scope="module")
def data(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data sets, of the dialogues the first few only: reading all of them takes long."""
    few = tmp_path_factory.mktemp("data")
    (few / "train" / "sgd").mkdir(parents=True)
    for folder in (shared_data / "train").iterdir():
        if folder.name != "sgd":
            (few / "train" / folder.name).symlink_to(folder)
    given = shared_data / "train" / "sgd"
    (few / "train" / "sgd" / "train.schema.json").symlink_to(given / "train.schema.json")
    with gzip.open(given / "train.compact.jsonl.gz") as file:
        head = b"".join(itertools.islice(file, _DIALOGUES))
    (few / "train" / "sgd" / "train.compact.jsonl.gz").write_bytes(gzip.compress(head, 1))
    return few


@pytest.fixture(scope="module", params=NAMES)
def some(request: pytest.FixtureRequest, data: Path) -> tuple[str, list[Example]]:
    return request.param, list(itertools.islice(examples(request.param, 3, data), _SOME))


def _calls(example: Example) -> list[dict[str, Any]]:
    return [call for message in example.messages for call in message.get("tool_calls", ())]


def test_every_call_fits_the_schema_of_its_tool(some: tuple[str, list[Example]]) -> None:
    name, found = some
    for example in found:
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in example.tools}
        assert len(schemas) == len(example.tools), example.source
        for call in _calls(example):
            closed = {**schemas[call["name"]], "additionalProperties": False}
            Draft202012Validator(closed).validate(call["arguments"])
            order = [key for key in closed["properties"] if key in call["arguments"]]
            assert list(call["arguments"]) == order or name == "conversations"


def test_messages_are_complete_and_end_with_what_is_learned(some: tuple[str, list[Example]]) -> None:
    _, found = some
    for example in found:
        assert example.source and example.group
        assert example.messages[-1]["role"] == "assistant"
        assert example.messages[-1].get("weight", 1) == 1
        assert any(message["role"] == "user" and message["content"].strip() for message in example.messages)
        assert len(example.tools) <= 12
        for before, after in itertools.pairwise(example.messages):
            assert before["role"] != after["role"]


def test_values_of_calls_can_be_copied(some: tuple[str, list[Example]]) -> None:
    name, found = some
    if name not in _COPIED:
        pytest.skip("its calls have no values, or values that are worked out")
    for example in found:
        said = "\n".join(message["content"] for message in example.messages if message["role"] in ("user", "assistant"))
        for value in (value for call in _calls(example) for value in call["arguments"].values()):
            if not isinstance(value, bool) and not re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
                assert occurs(value, said), (example.source, value)


def test_boxes_are_shared_by_neighbours(some: tuple[str, list[Example]]) -> None:
    name, found = some
    boxes = [len(list(group)) for _, group in itertools.groupby(found, key=_shared)]
    assert sum(boxes) / len(boxes) >= (1.3 if name == "conversations" else 3)


def _shared(example: Example) -> str:
    return json.dumps([example.tools, [message["passages"] for message in example.messages if "passages" in message]])


@pytest.mark.parametrize("name", ["snips", "squad", "gsm8k"])
def test_the_same_seed_gives_the_same_and_another_another(name: str, data: Path) -> None:
    first, again, other = (
        [example.to_json() for example in itertools.islice(examples(name, seed, data), 40)] for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("name", ["squad", "halueval"])
def test_answers_stand_in_a_passage_or_are_refused(name: str, data: Path) -> None:
    refused = total = 0
    for example in itertools.islice(examples(name, 0, data), 1500):
        answer, passages = example.messages[-1]["content"], example.messages[0]["passages"]
        total += 1
        refused += answer == REFUSAL
        if name == "squad":
            assert answer == REFUSAL or any(answer in passage for passage in passages), example.source
    assert 0.05 < refused / total <= 0.4


def test_problems_are_worked_out_by_the_calculator(data: Path) -> None:
    for example in itertools.islice(examples("gsm8k", 0, data), 300):
        (call,) = _calls(example)
        assert calculate(call["arguments"]["expression"]) in example.messages[-1]["content"].replace(",", "")


@pytest.mark.parametrize("name", ["sgd", "snips", "seal_tools", "metatool", "clinc150"])
def test_some_requests_need_no_tool(name: str, data: Path) -> None:
    found = list(itertools.islice(examples(name, 0, data), 400))
    idle = sum(not _calls(example) for example in found)
    assert 0.05 < idle / len(found) < 0.6


@pytest.mark.parametrize(
    ("query", "usable"),
    [
        ("Write the title Hello.", True),
        ("Write the title Hello in font Arial.", True),
        ("Write the title Hello with a font size of 14.", False),
        ("Write the title Hello in the us-east-1 region.", False),
    ],
)
def test_a_label_without_an_argument_that_the_request_names_is_not_used(query: str, usable: bool) -> None:
    kinds = {"title": "str", "fontSize": "int", "region": "str", "user_id": "str"}
    specification = {
        "api_name": "write",
        "api_description": "Write a title.",
        "parameters": {name: {"type": kind} for name, kind in kinds.items()},
        "required": ["title"],
    }
    line = {"query": query, "calling": [{"api": "write", "parameters": {"title": "Hello"}}]}
    assert (exact_calls(line, {"write": specification}) == [("write", {"title": "Hello"})]) is usable


def test_tools_of_a_box_that_are_told_apart_by_descriptions_share_no_word(data: Path) -> None:
    for box, _ in itertools.groupby(itertools.islice(examples("metatool", 0, data), 400), lambda one: one.tools):
        for one, other in itertools.combinations(box, 2):
            assert not related(f"{one['function']['name']} {one['function']['description']}", [other])


def test_what_is_evaluated_can_be_left_out(data: Path) -> None:
    first, second = itertools.islice(examples("squad", 0, data), 2)
    assert next(examples("squad", 0, data, without={first.key})) == second


def test_unknown_and_absent_sets_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no training set"):
        next(examples("nothing", 0, tmp_path))
    with pytest.raises(DatasetError, match="is not there"):
        next(examples("snips", 0, tmp_path))
