"""A chat over a pipe: a real session, real documents and a scripted model."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from agent.cli.slash import COMMANDS
from agent.errors import ServerUnreachable
from tests.agent.cli.conftest import Chat

ANSWER = "The door of the house is painted blue."
ASK = "What colour is the door of the house?"


def test_an_answer_and_its_citation_go_to_stdout_and_the_rest_to_stderr(
    chat: Chat, capsys: pytest.CaptureFixture[str]
) -> None:
    code, conversation = chat([ASK], [ANSWER])
    shown = capsys.readouterr()
    assert code == 0
    assert "The door of the house is painted blue" in shown.out.splitlines()[0]
    assert "house.md › Door, line" in shown.out
    assert "“The door of the house is painted blue." in shown.out
    assert "first word" not in shown.out
    assert "first word" in shown.err
    assert conversation.last is not None and conversation.last.answer


def test_a_tool_call_is_one_line(chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    chat(["What is 17*23?"], [[("calculator", {"expression": "17*23"})], "It is 391."])
    assert '⚙ calculator(expression="17*23") → ' in capsys.readouterr().err


def test_a_failure_in_one_line_leaves_the_next_one_answered(chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = chat([ASK, ASK], [ServerUnreachable("No answer.", fix="Start it."), ANSWER])
    shown = capsys.readouterr()
    assert code == 0
    assert "✗ No answer." in shown.err
    assert "→ Start it." in shown.err
    assert "painted blue" in shown.out


def test_when_every_line_fails_the_exit_code_says_so(chat: Chat) -> None:
    broken = [ServerUnreachable("No answer."), ServerUnreachable("No answer.")]
    assert chat([ASK, ASK], broken)[0] != 0


def test_too_long_a_question_is_refused(chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = chat(["x" * 100_000])
    assert code == 2
    assert "100,000 characters" in capsys.readouterr().err


def test_ctrl_c_stops_the_answer_and_keeps_what_was_said(chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    pressed: list[int] = []

    def press() -> None:
        if not pressed:
            pressed.append(1)
            os.kill(os.getpid(), signal.SIGINT)

    code, conversation = chat(["Write a poem.", "never asked"], [" ".join(map(str, range(5000))), ANSWER], press)
    assert code == 130
    assert conversation.last is not None
    assert conversation.last.status == "cancelled"
    assert "stopped" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class TestCommands:
    """What starts with a slash."""

    def test_help_lists_them_all(self, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
        assert chat(["/help"])[0] == 0
        shown = capsys.readouterr().out
        assert all(f"/{name}" in shown for name in COMMANDS)

    def test_an_unknown_one_gets_a_suggestion(self, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
        chat(["/sorces"])
        assert "Did you mean /sources?" in capsys.readouterr().err

    def test_quit_ends_the_chat(self, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
        chat(["/quit", "/help"])
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize("name", ["sources", "source 1", "good", "correct x"])
    def test_those_about_an_answer_need_one(self, name: str, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
        chat([f"/{name}"])
        assert "Nothing has been answered yet" in capsys.readouterr().err

    @pytest.mark.parametrize("name", ["source", "correct", "remember", "forget", "thread", "memory edit x"])
    def test_those_that_need_more_say_so(self, name: str, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
        chat([ASK, f"/{name}"], [ANSWER])
        assert f"Write: /{name.split()[0]} " in capsys.readouterr().err

    def test_in_narrows_what_is_looked_into_until_it_is_lifted(
        self, chat: Chat, capsys: pytest.CaptureFixture[str]
    ) -> None:
        script = [ANSWER, ANSWER]
        _, conversation = chat(["/in sea.md", ASK, "/in", ASK], script)
        assert "Looking only into sea.md" in capsys.readouterr().out
        assert conversation.where is None
        narrow, wide = conversation.session.turns()
        assert not any(passage.source.endswith("house.md") for passage in narrow.passages)
        assert any(passage.source.endswith("house.md") for passage in wide.passages)

    def test_sources_mark_what_was_cited(self, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
        _, conversation = chat([ASK, "/sources", "/source 1", "/source 99"], [ANSWER])
        shown = capsys.readouterr()
        assert "cited" in shown.out
        assert "Ada Smith" in shown.out
        assert "There is no passage 99" in shown.err

    def test_feedback_is_kept(self, chat: Chat) -> None:
        _, conversation = chat([ASK, "/good", "/bad too short", "/correct It is blue."], [ANSWER])
        kept = [(item.rating, item.correction, item.comment) for item in conversation.session.records.feedback()]
        assert kept == [(1, "", ""), (-1, "", "too short"), (-1, "It is blue.", "")]

    def test_memory_is_added_edited_and_deleted(self, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
        _, conversation = chat(["/remember I live in Oslo", "/memory"])
        (fact,) = conversation.session.facts.all()
        assert f"{fact.fact_id}  I live in Oslo" in capsys.readouterr().out
        _, conversation = chat([f"/memory edit {fact.fact_id} I live in Rome", "/memory"])
        assert [fact.text for fact in conversation.session.facts.all()] == ["I live in Rome"]
        _, conversation = chat([f"/forget {fact.fact_id}", "/forget nothing"])
        assert conversation.session.facts.all() == []
        assert "There is no fact" in capsys.readouterr().err

    def test_undo_takes_the_last_turn_back(self, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
        _, conversation = chat(
            [ASK, "And when was it built?", "/undo"], [ANSWER, "When was the house built?", "In 1901."]
        )
        assert [turn.question for turn in conversation.session.turns()] == [ASK]
        assert conversation.last is not None and conversation.last.question == ASK
        chat(["/undo"])
        assert "no turn to take back" in capsys.readouterr().err

    def test_new_and_back_again(self, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
        _, first = chat([ASK], [ANSWER])
        name = first.session.thread_id
        _, second = chat(["/threads", f"/thread {name[:6]}", "/good"])
        assert second.session.thread_id == name
        assert "What colour is the door" in capsys.readouterr().out
        assert second.session.records.feedback()[0].turn_id == first.last.turn_id  # type: ignore[union-attr]
        _, third = chat([f"/thread {name}", "/new"])
        assert third.session.thread_id != name
        assert third.last is None

    def test_export_writes_once(self, chat: Chat, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        text, data = tmp_path / "talk.md", tmp_path / "talk.json"
        chat([ASK, f"/export {text}", f"/export {data}", f"/export {text}"], [ANSWER])
        assert f"## {ASK}" in text.read_text()
        assert "> The door of the house is painted blue." in text.read_text()
        assert json.loads(data.read_text())[0]["citations"][0]["source"].endswith("house.md")
        assert "exists already" in capsys.readouterr().err

    def test_docs_missing(self, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
        code, _ = chat(["/docs /nowhere/at/all"])
        assert code == 3
        assert "/nowhere/at/all" in capsys.readouterr().err

    def test_an_unknown_model_leaves_the_old_one(self, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
        _, before = chat(["/model"])
        _, conversation = chat(["/model nonsense:x"])
        assert "nonsense" in capsys.readouterr().err
        assert conversation.session.model_name == before.session.model_name


def test_terminal_escapes_never_leave(chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "The sea is deep\x1b[2J and \x1b]0;owned\x07 salty\x9b31m."
    chat(["How deep is the sea? \x1b[2J", "/sources", "/source 1", "/threads"], [hostile])
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert not {"\x1b", "\x07", "\x9b"} & set(text)
