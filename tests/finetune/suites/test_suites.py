"""The evaluation suites: their items are valid, fair and the same from run to run."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent.models.type_names import standard
from finetune.default.public_data import chance_of, seal_boxes, seal_specifications
from finetune.default.sources.boxes import occurs
from finetune.errors import EvaluationError
from finetune.evaluation.call_metrics import call_scores
from finetune.evaluation.format_checks import KINDS, passes
from finetune.evaluation.items import EvaluationItem
from finetune.evaluation.metrics import score
from finetune.suites import BUILT_IN, NAMES, load_suite

_QUICK = tuple(name for name in NAMES if name != "sgd")  # reading thousands of dialogues is not quick
_KINDS = {
    "seal_tools": {"calls"}, "snips": {"calls"}, "none": {"none"}, "squad": {"answers"}, "gsm8k": {"number"},
    "perplexity": {"text"}, "formats": {"checks"}, "refusals": {"refuse"}, "requests": {"refuse"},
    "general": {"answers"}, "simple": {"calls"}, "multiple": {"calls"}, "parallel": {"calls"}, "irrelevance": {"none"},
}  # fmt: skip


@pytest.fixture(scope="module", params=_QUICK)
def suite(request: pytest.FixtureRequest, shared_data: Path) -> tuple[str, tuple[EvaluationItem, ...]]:
    return request.param, load_suite(request.param, data=shared_data)


def test_items_are_distinct_and_of_the_suites_kind(suite: tuple[str, tuple[EvaluationItem, ...]]) -> None:
    name, items = suite
    assert len(items) >= 30
    assert len({item.id for item in items}) == len(items)
    assert {item.suite for item in items} == {name}
    assert {item.kind for item in items} == _KINDS[name]
    assert all(len(item.tools) <= 8 for item in items)


def test_fewer_items_are_the_first_of_more(suite: tuple[str, tuple[EvaluationItem, ...]], shared_data: Path) -> None:
    name, items = suite
    if name in ("none", "seal_tools"):
        pytest.skip("drawn like the others, and slower to read")
    assert load_suite(name, 20, data=shared_data) == items[:20]
    assert load_suite(name, 20, seed=1, data=shared_data) != items[:20]


def test_expected_calls_fit_their_tools_and_can_be_read_off_the_request(
    suite: tuple[str, tuple[EvaluationItem, ...]],
) -> None:
    name, items = suite
    if _KINDS[name] != {"calls"}:
        pytest.skip("it expects no calls")
    for item in items[:200]:
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in item.tools}
        (calls,) = item.expected["calls"]
        calls = [{**call, "arguments": _first_options(call["arguments"])} for call in calls]
        for call in calls:
            Draft202012Validator(standard(schemas[call["name"]])).validate(call["arguments"])
            said = item.messages[-1]["content"]
            if name == "snips":
                assert all(occurs(value, said) for value in call["arguments"].values()), item.id
        assert call_scores(calls, item.expected["calls"], item.tools)["call_exact"] == 1


def _first_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments with the first of several right values; without those that may be left out and have no other."""
    first = {
        name: value["any"][0] if isinstance(value, dict) and "any" in value else value
        for name, value in arguments.items()
    }
    return {name: value for name, value in first.items() if value != ""}


def test_questions_with_an_answer_are_as_many_as_without(shared_data: Path) -> None:
    items = load_suite("squad", data=shared_data)
    assert sum(bool(item.expected["answers"]) for item in items) * 2 == len(items)
    assert all(1 <= len(item.passages) <= 3 for item in items)
    for item in items[:300]:
        answers = item.expected["answers"]
        assert not answers or any(answer in passage for answer in answers for passage in item.passages), item.id


def test_requests_for_one_tool_and_for_several_are_as_many(shared_data: Path) -> None:
    several = [len(item.expected["calls"][0]) > 1 for item in load_suite("seal_tools", data=shared_data)]
    assert sum(several) * 2 == len(several)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_suites_need_no_data(name: str, tmp_path: Path) -> None:
    items = load_suite(name, data=tmp_path)
    assert len(items) >= 34
    assert len({item.key for item in items}) == len(items)


def test_both_sides_of_refusing_are_asked() -> None:
    wanted = [item.expected["refuse"] for item in load_suite("refusals")]
    assert wanted.count(True) >= 20 and wanted.count(False) >= 20


def test_ordinary_requests_are_all_to_be_met() -> None:
    items = load_suite("requests")
    assert len(items) == 60 and not any(item.expected["refuse"] for item in items)


# Replies that keep the form of some of our items, told by a word of the request.
_KEPT = {
    "lighthouse": "It stands on a cliff. Its lamp turns all night.",
    "rainbow": "- red\n- green\n- blue",
    "made-up sailor": '{"name": "Ana", "age": 41}',
    "JSON array": '["pear", "plum", "fig"]',
    "1., 2., 3.": "1. Boil water.\n2. Add tea.\n3. Wait.",
    "first of May": "2031-05-01",
    "Hauptstadt": "Die Hauptstadt von Österreich ist Wien.",
    "in French": "Le soleil se couche à l'ouest.",
    "in Spanish": "Las vacas comen la hierba de los campos.",
    "angular brackets": "<<The Silver Key>>",
    "spider": "8",
    "harbour": "What is a harbour? A harbour is a place where ships are safe.",
    "careful": "Be **careful** on a ladder.",
    "letter A, B or C": "A",
    "heading": "# Bicycles",
    "square brackets": "Dear [name], please come to my party.",
}


@pytest.mark.parametrize("clue", _KEPT)
def test_forms_can_be_kept_and_broken(clue: str) -> None:
    (item,) = [item for item in load_suite("formats") if clue in item.messages[0]["content"]]
    assert score(item, _KEPT[clue])["format"] == 1
    assert score(item, "")["format"] == 0
    assert score(item, "well\n\nno; this, that and more\n\nthat's it")["format"] == 0


def test_every_form_is_one_that_can_be_checked() -> None:
    items = load_suite("formats")
    assert len(items) >= 40
    for check in itertools.chain.from_iterable(item.expected["checks"] for item in items):
        assert check["kind"] in KINDS
        passes("a reply", check)


def test_general_answers_count_as_right() -> None:
    for item in load_suite("general"):
        assert all(score(item, answer)["exact_match"] == 1 for answer in item.expected["answers"]), item.id


def test_boxes_hold_what_is_wanted_and_near_ones(shared_data: Path) -> None:
    known = seal_specifications(shared_data)
    field = next(field for field, names in known.fields.items() if len(names) > 4)
    wanted = [known.fields[field][0], list(known)[-1]]
    box: tuple[dict[str, Any], ...] = seal_boxes(known, wanted, chance_of("a box"), 6)
    names = [tool["function"]["name"] for tool in box]
    assert len(set(names)) == 6 and set(wanted) <= set(names)
    assert sum(known[name]["field"] == field for name in names) >= 4


def test_dialogues_ask_for_calls_and_for_patience(shared_data: Path, tmp_path: Path) -> None:
    given, few = shared_data / "dev" / "sgd", tmp_path / "dev" / "sgd"
    few.mkdir(parents=True)
    (few / "dev.schema.json").symlink_to(given / "dev.schema.json")
    with gzip.open(given / "dev.compact.jsonl.gz") as file:
        (few / "dev.compact.jsonl.gz").write_bytes(gzip.compress(b"".join(itertools.islice(file, 120)), 1))
    items = load_suite("sgd", data=tmp_path)
    calls = [item for item in items if item.kind == "calls"]
    assert 0.5 < len(calls) / len(items) < 0.95
    assert {item.kind for item in items} == {"calls", "none"}
    for item in calls:
        ((call,),) = item.expected["calls"]
        plain = {key: value["any"][0] if isinstance(value, dict) else value for key, value in call["arguments"].items()}
        given_call = {"name": call["name"], "arguments": plain}
        assert call_scores([given_call], item.expected["calls"], item.tools)["call_exact"] == 1
    dates = [value for item in calls for value in item.expected["calls"][0][0]["arguments"].values()]
    assert any(isinstance(value, dict) and len(value["any"]) > 1 for value in dates)


def test_unknown_and_absent_suites_are_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no suite"):
        load_suite("nothing")
    with pytest.raises(EvaluationError, match="is not there"):
        load_suite("snips", data=tmp_path)
