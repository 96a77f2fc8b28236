"""What reaches a terminal is safe for it, whatever the text and the encoding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.output import foreign, one_line, print_json, shown_path

HOSTILE = "a\x1b]0;owned\x07b\x1b[2Jc\x9b31md\u202ee\x08f"


def test_foreign_text_loses_escapes_and_keeps_words() -> None:
    assert foreign(HOSTILE).plain == "abcdef"


def test_foreign_text_is_not_markup() -> None:
    assert foreign("[bold]x[/bold] [red]").plain == "[bold]x[/bold] [red]"


def test_one_line_says_when_it_cut() -> None:
    assert one_line("one\n two\tthree", 40) == "one two three"
    assert one_line("one two three", 8) == "one two…"


@given(st.text())
def test_json_round_trips_and_holds_nothing_a_terminal_acts_on(text: str) -> None:
    import contextlib
    import io

    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(stream):
        print_json({"text": text})
    stream.seek(0)
    printed = stream.read()
    assert json.loads(printed) == {"text": text}
    assert not [char for char in printed if char != "\n" and (ord(char) < 32 or 0x7F <= ord(char) < 0xA0)]
    assert "\u202e" not in printed


def test_paths_are_shown_the_short_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "docs" / "a.md") == "docs/a.md"
    assert shown_path(tmp_path / "home" / "x" / "a.md") == "~/x/a.md"
    assert shown_path("/etc/hosts") == "/etc/hosts"


def test_characters_the_encoding_lacks_are_replaced(tmp_path: Path) -> None:
    program = (
        "from agent.cli.output import prepare_streams, out, foreign;"
        "prepare_streams(); out().print(foreign('✓ 1 → 2 … 日本'))"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=True)
    assert done.stdout.decode("ascii").strip() == "+ 1 -> 2 ... ??"
