"""Items go through the runtime, in turn, and an evaluation that is killed goes on."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from agent.context import Budget, Material, build_prompt
from agent.errors import ModelError, ModelFileInvalid, ModelNotFound, ServerUnreachable, StorageError
from agent.prompts import SMALL_PASSAGES
from finetune.errors import EvaluationError
from finetune.evaluation.evaluate import BLOCK, Contender, Progress, compare, evaluate, latency
from finetune.evaluation.items import Evaluation, EvaluationItem, ItemResult
from finetune.evaluation.report import differences, markdown, table
from finetune.evaluation.served import served_messages
from knowledge.schema import Passage
from tests.finetune.evaluation.test_metrics import WEATHER
from tests.finetune.evaluations import evaluation, item
from tests.finetune.scripted_model import Reply, ScriptedModel

CALCULATOR = {
    "type": "function",
    "function": {
        "name": "calculator",
        "description": "Arithmetic.",
        "parameters": {
            "type": "object",
            "properties": {"expression": {"type": "string"}},
            "required": ["expression"],
        },
    },
}


def always(reply: Reply) -> ScriptedModel:
    return ScriptedModel(reply=lambda adapter, messages: reply)


def by_adapter(**replies: Reply) -> ScriptedModel:
    files = tuple(Path(f"{name}.gguf") for name in replies if name != "base")
    return ScriptedModel(reply=lambda adapter, messages: replies[adapter or "base"], adapters=files)


@pytest.fixture(autouse=True)
def no_files_behind_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.evaluation.evaluate.file_digest", lambda path: f"sha of {path.name}")


def test_replies_are_scored_and_timed() -> None:
    found = evaluate(always("x"), "", [item("a"), item("b", answers=["y"])])
    assert found.scores("right") == {"a": 1, "b": 0}
    assert [result.output for result in found.results] == ["x", "x"]
    assert all(result.tokens == 3 and result.seconds >= 0 for result in found.results)
    assert found.scores("seconds").keys() == {"a", "b"}


def test_calls_reach_the_score() -> None:
    asked = EvaluationItem(
        "w",
        "tools",
        ({"role": "user", "content": "Paris?"},),
        (WEATHER,),
        {"calls": [[{"name": "weather", "arguments": {"city": "Paris"}}]]},
    )
    found = evaluate(always([("weather", {"city": "Paris"})]), "", [asked])
    assert found.results[0].scores == {"right": 1, "tool_choice": 1, "arguments": 1, "call_exact": 1, "invalid_call": 0}
    assert found.results[0].calls == [{"name": "weather", "arguments": {"city": "Paris"}}]


def test_problems_go_through_the_calculator() -> None:
    def reply(adapter: str, messages: list[BaseMessage]) -> Reply:
        last = messages[-1]
        return (
            f"That makes {last.content}." if isinstance(last, ToolMessage) else [("calculator", {"expression": "6*7"})]
        )

    asked = EvaluationItem("p", "sums", ({"role": "user", "content": "6 times 7?"},), (CALCULATOR,), {"number": 42})
    found = evaluate(ScriptedModel(reply=reply), "", [asked]).results[0]
    assert (found.scores["right"], found.output, found.tokens) == (1, "That makes 42.", 6)


def test_a_calculation_that_fails_is_told_and_ends() -> None:
    asked = EvaluationItem("p", "sums", ({"role": "user", "content": "?"},), (CALCULATOR,), {"number": 42})
    model = always([("calculator", {"expression": "1/0"})])
    found = evaluate(model, "", [asked]).results[0]
    assert found.scores["right"] == 0
    assert model.asked[-1][1] == "Error: division by zero"


def test_an_error_of_the_model_is_a_wrong_reply_with_its_reason() -> None:
    found = evaluate(always(ModelError("The model wrote a tool call that did not end.")), "", [item("a")]).results[0]
    assert found.scores["right"] == 0
    assert "did not end" in found.error


@pytest.mark.parametrize("error", [ModelNotFound, ModelFileInvalid, ServerUnreachable])
def test_where_no_model_answers_nothing_is_noted_as_a_wrong_reply(error: type[ModelError], tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    with pytest.raises(error):
        evaluate(always(error("There is no model.")), "", [item("a")], results=results)
    assert evaluate(always("x"), "", [item("a")], results=results).results[0].scores["right"] == 1


def test_an_error_of_ours_is_not_taken_for_the_models() -> None:
    with pytest.raises(ZeroDivisionError):
        evaluate(always(ZeroDivisionError()), "", [item("a")])


def test_likelihood_of_given_text() -> None:
    asked = [item("t", text="four words of text"), item("u", text="ü")]
    base, tuned = compare(by_adapter(base="", tuned=""), [Contender(), Contender("tuned")], asked)
    assert base.scores("bits_per_byte")["t"] == pytest.approx(2 * tuned.scores("bits_per_byte")["t"])
    assert base.scores("bits_per_byte")["u"] == 8
    assert base.results[1].error


def test_adapters_are_asked_in_turn_in_blocks_and_in_changing_order() -> None:
    model = by_adapter(base="x", tuned="y")
    items = [item(f"q{n}") for n in range(2 * BLOCK + 1)]
    base, tuned = compare(model, [Contender(), Contender("tuned")], items)
    blocks = [adapter for adapter, _ in model.asked]
    assert blocks == [""] * BLOCK + ["tuned"] * 2 * BLOCK + [""] * (BLOCK + 1) + ["tuned"]
    assert set(base.scores("right").values()) == {1} and set(tuned.scores("right").values()) == {0}


def test_items_that_begin_alike_follow_each_other_and_results_keep_their_order() -> None:
    boxes = [(CALCULATOR,), (WEATHER,), (), (CALCULATOR, WEATHER)]
    passages = [[], ["One."], ["One.", "Two."]]
    said = [{"role": "user", "content": f"{n}?", "passages": passages[n % 3]} for n in range(48)]
    expected = {"answers": ["x"]}
    items = [EvaluationItem(f"q{n}", "facts", (said[n],), boxes[n % 4], expected) for n in range(48)]
    asked: list[int] = []
    (found,) = compare(always("x"), [Contender()], items, lambda done: asked.append(int(done.result.id[1:])))
    beginnings = [beginning for beginning, _ in itertools.groupby(asked, lambda n: (n % 4, n % 3))]
    assert sorted(asked) == list(range(48))
    assert len(beginnings) == len(set(beginnings)) == 12
    assert [result.id for result in found.results] == [one.id for one in items]


def test_a_model_may_be_compared_with_itself() -> None:
    one, two = compare(always("x"), [Contender(), Contender()], [item("a")])
    assert one.results[0].scores == two.results[0].scores


def killed_at(count: int) -> Callable[[Progress], None]:
    def progress(step: Progress) -> None:
        if step.done == count:
            raise KeyboardInterrupt

    return progress


def test_what_was_killed_goes_on(tmp_path: Path) -> None:
    items = [item(f"q{n}") for n in range(20)]
    file = tmp_path / "runs" / "base.jsonl"
    first, second = always("x"), always("x")
    with pytest.raises(KeyboardInterrupt):
        evaluate(first, "", items, killed_at(7), results=file)
    with file.open("ab") as cut:
        cut.write('{"id": "q7", "output": "ü'.encode()[:-1])  # cut in the middle of a character
    done: list[int] = []
    found = evaluate(second, "", items, lambda step: done.append(step.done), results=file)
    assert (len(first.asked), len(second.asked)) == (7, 13)
    assert done == list(range(1, 21))
    assert [result.id for result in found.results] == [one.id for one in items]
    again = evaluate(always("z"), "", items, results=file)
    assert again.results == found.results
    assert all(json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())


def test_odd_characters_come_back(tmp_path: Path) -> None:
    said = "line\u2028separator \x85 \ud800 😀"
    file = tmp_path / "r.jsonl"
    evaluate(always(said), "", [item("a")], results=file)
    assert evaluate(always("other"), "", [item("a")], results=file).results[0].output == said


def test_a_changed_item_is_put_again(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    evaluate(always("x"), "", [item("a")], results=file)
    found = evaluate(always("x"), "", [item("a", answers=["z"])], results=file)
    assert found.scores("right") == {"a": 0}


def test_results_of_something_else_are_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    evaluate(by_adapter(base="x", tuned="x"), "tuned", [item("a")], results=file)
    before = file.read_bytes()
    with pytest.raises(EvaluationError, match="another adapter"):
        evaluate(by_adapter(base="x", tuned="x"), "", [item("a")], results=file)
    assert file.read_bytes() == before
    file.write_text("no results\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match="holds no results"):
        evaluate(always("x"), "", [item("a")], results=file)


def test_a_retrained_adapter_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "r.jsonl"
    evaluate(by_adapter(base="x", tuned="x"), "tuned", [item("a")], results=file)
    monkeypatch.setattr("finetune.evaluation.evaluate.file_digest", lambda path: "new")
    with pytest.raises(EvaluationError, match="another adapter_sha256"):
        evaluate(by_adapter(base="x", tuned="x"), "tuned", [item("a")], results=file)


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be written"):
        evaluate(always("x"), "", [item("a")], results=tmp_path / "file" / "r.jsonl")


def test_what_cannot_be_evaluated() -> None:
    with pytest.raises(EvaluationError, match="nothing to evaluate"):
        evaluate(always("x"), "", [])
    with pytest.raises(EvaluationError, match="called a"):
        evaluate(always("x"), "", [item("a"), item("a")])
    with pytest.raises(ModelNotFound):
        evaluate("local:/nowhere.gguf", "", [item("a")])


BUILT = "Marshal Vauban built the citadel of Lille."


def words(text: str) -> int:
    return len(text.split())


def test_items_as_the_product_serves_them() -> None:
    served = served_messages(
        (
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "6*7?"},
            {"role": "assistant", "content": "", "tool_calls": [{"name": "calculator", "arguments": {"e": "6*7"}}]},
            {"role": "tool", "name": "calculator", "content": "42"},
            {"role": "assistant", "content": "42"},
            {"role": "user", "content": "Who built it?", "passages": [BUILT, "Bees make honey in summer."]},
        ),
        words,
    )
    assert [message.type for message in served] == ["system", "human", "ai", "tool", "ai", "human"]
    assert isinstance(served[2], AIMessage) and isinstance(served[3], ToolMessage)
    assert served[2].tool_calls[0]["id"] == served[3].tool_call_id
    assert f"{BUILT}\nBees make honey in summer." in str(served[5].content)
    assert served[5].additional_kwargs["question"] == "Who built it?"


def test_passages_are_shown_as_a_chat_with_a_small_model_shows_them() -> None:
    question, texts = (
        "Who built the **citadel**?",
        (f"{BUILT} " + "It rains in Lille. " * 60, "# Bees\n\n- *honey* is sweet food"),
    )
    [_, shown] = served_messages(({"role": "user", "content": question, "passages": list(texts)},), words)
    found = tuple(Passage(str(n), f"/{n}.md", text, 1, 1) for n, text in enumerate(texts))
    budget = Budget(context=8192, answer=256, passages=SMALL_PASSAGES, history=0, facts=0, small=True)
    chat = build_prompt(Material(question, found, relevant=True, searched=True), budget, words)
    assert shown.content == chat.messages[-1].content
    assert BUILT in str(shown.content) and words(str(shown.content)) < SMALL_PASSAGES + 20


def test_latency_is_median_and_95th_percentile() -> None:
    found = evaluation([{"right": 1.0}] * 20, seconds=[float(n) for n in range(1, 21)])
    assert latency(found) == (10, 19)


def pair() -> tuple[Evaluation, Evaluation]:
    items = [item(name, answers=["x"]) for name in ("a", "b", "c")]

    def said(*texts: str) -> tuple[ItemResult, ...]:
        return tuple(
            ItemResult(one.id, one.suite, text, [], {"right": float(text == "x")}, 1.0, 1)
            for one, text in zip(items, texts, strict=True)
        )

    hostile = "```\n# Heading <script>|"
    return Evaluation("m", "", tuple(items), said("x", "no", "no")), Evaluation(
        "m", "t", tuple(items), said(hostile, "x", "no")
    )


def test_differences_show_losses_first() -> None:
    assert [(one.change, one.item.id) for one in differences(*pair())] == [
        ("lost", "a"),
        ("won", "b"),
        ("both wrong", "c"),
    ]


def test_the_page_quotes_replies_without_becoming_them() -> None:
    page = markdown(*pair())
    assert "## Lost: 1" in page and "## Won: 1" in page and "## Both wrong: 1" in page
    assert "- candidate: ````" in page
    assert not any(line.startswith("# Heading") for line in page.splitlines())
    assert "… and" not in page


def test_what_the_page_leaves_out_is_said() -> None:
    lost = [{"right": 1.0}] * 5
    page = markdown(evaluation(lost), evaluation([{"right": 0.0}] * 5, "new"), most=2)
    assert "… and 3 more" in page


def test_the_table_has_every_metric_of_every_suite() -> None:
    from rich.console import Console

    console = Console(width=160, record=True, file=io.StringIO())
    console.print(table(pair()))
    shown = console.export_text()
    assert "facts" in shown and "33.3 %" in shown and "median" in shown


@pytest.mark.parametrize("kind", ["answers", "text"])
def test_the_bundled_model(kind: str, models_folder: Path, tmp_path: Path) -> None:
    from agent.models.bundled import prepare
    from agent.models.local import LocalChatModel

    try:
        model = LocalChatModel(path=prepare(models_folder), max_tokens=8)
    except ModelNotFound as error:
        pytest.skip(f"the bundled model is not here: {error}")
    expected: dict[str, Any] = {"answers": ["Paris"]} if kind == "answers" else {"text": 'It is Paris.\n"So"'}
    asked = EvaluationItem("f", "facts", ({"role": "user", "content": "Capital of France?"},), (), expected)
    found = evaluate(model, "", [asked], results=tmp_path / "r.jsonl").results[0]
    assert not found.error and found.tokens > 1
    if kind == "text":
        assert 0.1 < found.scores["bits_per_byte"] < 4
