"""Whatever a model asks with, or a tool gives or raises, the turn ends in order and the thread goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool

from agent.calls.incoming import LONGEST_ARGUMENTS, fit_to_keep, flaw_of
from agent.errors import ModelError
from agent.session import ChatSession
from tests.agent.scripted import ScriptedModel
from tests.agent.witness import Witness
from tools.registry import Toolbox
from tools.spec import Risk, ToolSpec

Open = Callable[..., ChatSession]


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "flaw"),
    [
        (10**30, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        (float("nan"), "NaN"),
        (float("-inf"), "infinite"),
        (nested(60), "nested"),
        ("\ud800", "half a character"),
        ({"\udc00": 1}, "half a character"),
        ("x" * LONGEST_ARGUMENTS, "characters"),
    ],
)
def test_arguments_that_cannot_be_kept_are_refused(open_session: Open, witness: Witness, value: Any, flaw: str) -> None:
    session = open_session([("save", {"text": value})], "Sorry.", "Still here.", write="allow")
    turn = session.ask("Save")
    assert (turn.status, turn.tool_calls[0].status, turn.tool_calls[0].arguments) == ("done", "error", {})
    assert flaw in turn.tool_calls[0].result
    assert (witness.ran, session.ask("And now?").answer) == ([], "Still here.")


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63), 0.1, True, None, "é\u202e", {"a": [{}]}, nested(20)])
def test_arguments_that_can_be_kept_are_left_alone(value: Any) -> None:
    message = AIMessage("", tool_calls=[{"name": "save", "args": {"x": value}, "id": "1", "type": "tool_call"}])
    assert flaw_of({"x": value}) == ""
    assert fit_to_keep(message).tool_calls == message.tool_calls


def test_arguments_too_deep_to_be_parsed_end_the_turn_with_an_error(open_session: Open, witness: Witness) -> None:
    session = open_session([("save", {"text": nested(3_000)})], "Still here.")
    with pytest.raises(ModelError, match="nested too deep"):
        session.ask("Save")
    assert session.ask("And now?").answer == "Still here."


def test_names_of_calls_are_one_visible_line(open_session: Open, witness: Witness) -> None:
    session = open_session([("sa\x1b[2Kve\n✓ approved", {}), ("x" * 5_000, {}), ("save ", {"text": "x"})], "Sorry.")
    turn = session.ask("Save")
    assert [call.status for call in turn.tool_calls] == ["error"] * 3
    assert turn.tool_calls[0].name == "sa\\x1b[2Kve\\n✓ approved"
    assert len(turn.tool_calls[1].name) == 200
    assert witness.ran == []


class Odd(BaseException):
    """No Exception, as SystemExit and KeyboardInterrupt are none."""


def odd(gives: Any, risk: Risk = "write") -> ToolSpec:
    def act(text: str) -> Any:
        """Do something odd."""
        if isinstance(gives, BaseException):
            raise gives
        return "done \ud800", gives

    return ToolSpec(tool("odd", response_format="content_and_artifact")(act), risk)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), Odd("x \ud800"), RecursionError(), ValueError()])
def test_whatever_a_tool_raises_is_text(open_session: Open, error: BaseException) -> None:
    session = open_session([("odd", {"text": "x"})], "Sorry.", write="allow")
    session.toolbox.tools["odd"] = odd(error)
    turn = session.ask("Do it")
    assert (turn.status, turn.tool_calls[0].status) == ("done", "error")
    assert [entry.event for entry in session.ledger.audit()] == ["allowed", "begun", "failed"]


@pytest.mark.parametrize("risk", ["read", "write"])
@pytest.mark.parametrize(
    ("artifact", "kept"),
    [
        (
            {"files": [object(), {"name": "a", "path": 1}, {"name": "a", "path": "b"}], "other": object()},
            {"files": [{"name": "a", "path": "b"}]},
        ),
        ({"passages": [{"no": "id"}, 3]}, {}),
        ({"passages": 3, "table": [], "files": {}}, {}),
        ({"table": {"rows": [[10**30, float("nan")]]}}, {"table": {"rows": [[str(10**30), "nan"]]}}),
        ({"table": {"\ud800": "\ud800"}}, {"table": {"?": "?"}}),
    ],
)
def test_an_artifact_that_cannot_be_kept_costs_only_itself(
    open_session: Open, artifact: Any, kept: Any, risk: Risk
) -> None:
    session = open_session([("odd", {"text": "x"})], "Well.", write="allow")
    session.toolbox.tools["odd"] = odd(artifact, risk)
    turn = session.ask("Do it")
    (call,) = turn.tool_calls
    assert (turn.status, call.status, call.result) == ("done", "ok", "done ?")
    assert {name: value for name, value in call.artifact.items() if value} == kept


def test_tokens_that_a_tool_takes_count(open_session: Open, witness: Witness) -> None:
    inner = ScriptedModel(script=["One two three."] * 20)

    def think(text: str) -> str:
        """Think."""
        for _ in range(5):
            list(inner.stream(text))
        return "thought"

    session = open_session([("think", {"text": "x"})], [("think", {"text": "y"})], "End.", tokens=60)
    session.toolbox.tools["think"] = ToolSpec(tool("think")(think), "read")
    turn = session.ask("Think")
    assert (turn.status, turn.usage.prompt_tokens) == ("limit", 60)
    assert len(inner.script) == 15


def test_one_tool_that_cannot_be_ended_does_not_keep_the_others_running(witness: Witness) -> None:
    ended: list[str] = []

    def failing() -> None:
        raise OSError("gone")

    def specs() -> Iterator[tuple[str, ToolSpec]]:
        for name, close in (("a", failing), ("b", lambda: ended.append("b"))):
            yield name, ToolSpec(witness.specs()["count"].tool, "read", close=close)

    Toolbox(dict(specs()), {}).close()
    assert ended == ["b"]
