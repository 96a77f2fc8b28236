"""Approving at the terminal, later from another one, and reading what was decided."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from agent.calls.approvals import ApprovalRequest
from agent.cli import app
from agent.cli.approving import ask_person, print_request
from agent.cli.ask import finish
from agent.config import Settings
from agent.session import ChatSession
from tests.agent.scripted import ScriptedModel
from tests.agent.witness import Witness, session_of
from tools.files import diff
from tools.visible import visible

SAVE = [("save", {"text": "a line"})]


@pytest.fixture
def session(settings: Settings, witness: Witness) -> Iterator[ChatSession]:
    with session_of(settings, SAVE, "Done.") as session:
        yield session


def ratchet(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def answers(*lines: str) -> Any:
    left = list(lines)

    def read(prompt: str) -> str:
        if not left:
            raise EOFError
        return left.pop(0)

    return read


@pytest.mark.parametrize(
    ("typed", "ran"),
    [
        (("y",), [("save", "a line")]),
        (("what?", "YES"), [("save", "a line")]),
        (("a",), [("save", "a line")]),
        (("n", "not now"), []),
        (("e", "another line"), [("save", "another line")]),
        (("e", ""), [("save", "a line")]),
    ],
)
def test_a_person_decides_at_the_terminal(
    session: ChatSession, witness: Witness, typed: tuple[str, ...], ran: list[Any]
) -> None:
    session.ask("Save")
    assert ask_person(session, answers(*typed))
    list(session.resume())
    assert witness.ran == ran
    assert session.approvals() == []


@pytest.mark.parametrize("typed", [("l",), ()])
def test_what_is_left_still_waits(session: ChatSession, witness: Witness, typed: tuple[str, ...]) -> None:
    session.ask("Save")
    assert not ask_person(session, answers(*typed))
    assert len(session.approvals()) == 1
    assert witness.ran == []


def test_the_whole_request_is_shown(session: ChatSession, capsys: pytest.CaptureFixture[str]) -> None:
    session._given.script[0] = [("save", {"text": "start " + "x" * 3_000 + " \u202eend"})]  # type: ignore[union-attr]
    session.ask("Save")
    ask_person(session, answers())
    shown = "".join(capsys.readouterr().out.split())
    assert "x" * 3_000 in shown
    assert "\\u202eend" in shown
    assert "\u202e" not in shown


def test_a_turn_that_waits_has_an_exit_code_and_says_how_to_go_on(
    session: ChatSession, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as left:
        finish(session, session.stream("Save"))
    assert left.value.exit_code == 6
    (request,) = session.approvals()
    assert f"ratchet approvals approve {request.call_id}" in capsys.readouterr().out


def test_as_json_the_requests_come_along(session: ChatSession, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        finish(session, session.stream("Save"), as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["status"], shown["approvals"][0]["arguments"]) == ("waiting", {"text": "a line"})


@pytest.fixture
def waiting(settings: Settings, witness: Witness, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a request that a closed program left; the next one's model says "Done."."""
    with session_of(settings, SAVE) as session:
        session.ask("Save")
        name = session.approvals()[0].call_id
    model = staticmethod(lambda settings: ScriptedModel(script=["Done."]))
    monkeypatch.setattr("agent.runtime.Runtime._load_model", model)
    return name


def test_approving_from_another_program(waiting: str, witness: Witness) -> None:
    assert json.loads(ratchet("approvals", "--json").stdout)[0]["call_id"] == waiting
    done = ratchet("approvals", "approve", waiting[:6])
    assert (done.exit_code, "save did a line" in done.stdout) == (0, True)
    assert witness.ran == [("save", "a line")]
    assert "Nothing waits" in ratchet("approvals", "list").stdout
    again = ratchet("approvals", "approve", waiting)
    assert again.exit_code == 2
    assert "No request" in again.stderr


def test_editing_from_another_program(waiting: str, witness: Witness) -> None:
    assert ratchet("approvals", "approve", waiting, "--arguments", "nonsense").exit_code == 2
    assert ratchet("approvals", "approve", waiting, "--arguments", '{"text": "else"}').exit_code == 0
    assert witness.ran == [("save", "else")]


def test_rejecting_and_reading_the_log(waiting: str, witness: Witness, tmp_path: Path) -> None:
    assert ratchet("approvals", "reject", waiting, "--reason", "=cmd()").exit_code == 0
    assert witness.ran == []
    log = json.loads(ratchet("approvals", "log", "--json").stdout)
    assert [(entry["event"], entry["person"]) for entry in log] == [("asked", "me"), ("rejected", "me")]
    assert "rejected" in ratchet("approvals", "log").stdout
    assert ratchet("approvals", "log", "--csv", str(tmp_path / "log.csv")).exit_code == 0
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[1]["event"], rows[1]["detail"]) == ("rejected", "'=cmd()")
    assert json.loads(rows[0]["arguments"]) == {"text": "a line"}
    assert ratchet("approvals", "log", "--csv", str(tmp_path / "log.csv")).exit_code == 1


def test_the_next_call_is_not_approved_by_the_name_of_the_first(settings: Settings, witness: Witness) -> None:
    with session_of(settings, [("save", {"text": "one"}), ("save", {"text": "two"})], "Done.") as session:
        session.ask("Save")
        (first,) = session.approvals()
        turn = first.call_id.removesuffix("-0")
        session.decide(first, "approve")
        list(session.resume())  # as in another window: now the second waits
        assert [request.arguments for request in session.approvals()] == [{"text": "two"}]
        for name in (turn[:6], turn, f"{turn[:6]}-0", first.call_id, ""):
            refused = ratchet("approvals", "approve", name)
            assert (refused.exit_code, "No request" in refused.stderr) == (2, True)
        assert witness.ran == [("save", "one")]


def test_a_call_is_named_by_the_start_of_its_turn_and_its_number(waiting: str, witness: Witness) -> None:
    done = ratchet("approvals", "approve", f"{waiting[:8]}-0")
    assert (done.exit_code, witness.ran) == (0, [("save", "a line")])
    assert "a line" in done.stderr  # what was decided about is shown


def test_an_argument_cannot_pass_for_another_part_of_the_request() -> None:
    text = "hello\n  path = harmless.txt\n  request 0-0\n" + "x" * 70 + "  │ +++ harmless.txt"
    request = ApprovalRequest("1-0", "t", "save", {"text": text, "path": "evil"}, "write", "", "+ x\nrequest 1-1")
    for terminal in (False, True):
        file = io.StringIO()
        console = Console(
            file=file, width=60, force_terminal=terminal, color_system=None, markup=False, soft_wrap=not terminal
        )
        print_request(request, console)
        lines = file.getvalue().splitlines()
        assert lines[-1] == "  request 1-0"
        assert "  path = evil" in lines
        forged = [line for line in lines if "harmless" in line or "0-0" in line or "1-1" in line]
        assert len(forged) >= 4 and all(line[2] in "┊│" for line in forged)


@pytest.mark.parametrize("letter", ["\u3164", "\u2800", "\ufe01", "\U000e0101", "\u115f", "\u202e", "\u200b", "\xa0"])
def test_nothing_in_a_request_is_invisible(letter: str) -> None:
    assert visible(f"a{letter}b") == f"a{letter.encode('unicode_escape').decode()}b"
    assert letter not in diff.visible(f"a{letter}b")


@pytest.mark.parametrize("cell", ["=cmd()", "\n=cmd()", "＝cmd()", "x;=cmd()", '";=cmd()'])
def test_no_cell_of_the_log_is_run_by_a_spreadsheet(
    session: ChatSession, witness: Witness, tmp_path: Path, cell: str
) -> None:
    session.ask("Save")
    session.decide(session.approvals()[0], "reject", reason=cell)
    assert ratchet("approvals", "log", "--csv", str(tmp_path / "log.csv")).exit_code == 0
    lines = (tmp_path / "log.csv").read_text()
    assert all(line.startswith('"') for line in lines.replace("\n=", "=").splitlines())
    with (tmp_path / "log.csv").open(newline="") as file:
        (detail,) = [row["detail"] for row in csv.DictReader(file) if row["event"] == "rejected"]
    assert detail.lstrip("'") == cell and not detail.startswith(("=", "\n", "＝"))


def test_a_conversation_that_only_waits_can_be_deleted(waiting: str, settings: Settings, witness: Witness) -> None:
    (request,) = json.loads(ratchet("approvals", "--json").stdout)
    assert ratchet("threads", "delete", request["thread_id"], "--yes").exit_code == 0
    assert "Nothing waits" in ratchet("approvals").stdout
    with session_of(settings, thread_id=request["thread_id"]) as session:
        assert (session.pending, session.ledger.audit()[0].arguments) == (None, None)
    assert ratchet("threads", "delete", request["thread_id"], "--yes").exit_code != 0


def test_a_deleted_conversation_leaves_no_request(waiting: str, settings: Settings, witness: Witness) -> None:
    with session_of(settings, "Hello.") as session:
        session.ask("Hi")
        thread = session.thread_id
    assert ratchet("threads", "delete", thread, "--yes").exit_code == 0
    assert waiting in ratchet("approvals", "--json").stdout  # it is another conversation's
    assert witness.ran == []
