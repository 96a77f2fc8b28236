"""`ratchet threads consent` shows and changes whether a model may learn from a conversation."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from typer.testing import CliRunner, Result

from agent.cli import app
from agent.config import load_settings
from agent.records import Records
from agent.schema import Turn

TURN = Turn("aa01", "thread1", "What colour is the door?", "Blue.", "done", created_at="2026-01-01T00:00:00+00:00")


def consent(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["threads", "consent", *arguments])


def test_it_is_shown_changed_and_kept(own_home: Path) -> None:
    own_home.mkdir()
    with closing(Records(load_settings().database)) as records:
        records.append(TURN)
    assert "may not learn from conversation thread1" in consent("thr").output
    assert "may learn from conversation thread1" in consent("thr", "--on").output
    assert json.loads(consent("thr", "--json").output) == {"thread_id": "thread1", "consent": True}
    assert "may not learn" in consent("thr", "--off").output
    with closing(Records(load_settings().database)) as records:
        records.add_feedback("aa01", 1)
        assert not records.consent("thread1")


def test_an_unknown_conversation_is_an_error(own_home: Path) -> None:
    assert consent("nothing", "--off").exit_code != 0
