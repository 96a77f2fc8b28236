"""An answer keeps every character while it is wrapped as it streams."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from agent.cli.wrap import AnswerWriter


def written(pieces: list[str], *, width: int = 30, terminal: bool = True, color: bool = False) -> str:
    """What the writer prints for pieces that arrive one after another."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        force_terminal=terminal,
        no_color=not color,
        color_system="256" if color else None,
    )
    writer = AnswerWriter(console)
    for piece in pieces:
        writer.feed(piece)
    writer.finish()
    return stream.getvalue()


def test_words_are_never_broken_and_lines_fit() -> None:
    text = "The quick brown fox jumps over the lazy dog and runs home again before dusk"
    lines = written([char for char in text]).splitlines()
    assert " ".join(lines) == text
    assert all(len(line) <= 30 for line in lines)
    assert len(lines) > 2


@given(st.lists(st.text(alphabet="ab [1]`\n.-", max_size=12), max_size=12))
def test_no_character_but_the_spaces_at_line_ends_is_lost(pieces: list[str]) -> None:
    assert "".join(written(pieces).split()) == "".join("".join(pieces).split())


@given(st.text(alphabet="ab `\n", max_size=60), st.integers(1, 7))
def test_how_the_text_is_cut_into_pieces_does_not_matter(text: str, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert written(pieces) == written([text])


def test_off_a_terminal_the_text_is_unchanged() -> None:
    text = "a long line that would be wrapped on a terminal\nand  another `one`"
    assert written([text], terminal=False) == text + "\n"


def test_fenced_code_keeps_its_lines() -> None:
    code = "x = function_with_a_long_name(first, second, third)"
    assert code in written([f"Use:\n```python\n{code}\n```\nDone."])


def test_markers_and_code_are_coloured() -> None:
    shown = written(["See `x` [1]."], color=True)
    assert "\x1b[1;36m[1]" in shown
    assert "\x1b[32mx" in shown


def test_escapes_split_over_pieces_do_not_reach_the_terminal() -> None:
    shown = written(["before \x1b", "[2J", "\x1b]0;title", "\x07 after"])
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "before" in shown and "after" in shown


def test_a_script_without_spaces_does_not_wait_for_one() -> None:
    stream = io.StringIO()
    writer = AnswerWriter(Console(file=stream, width=30, force_terminal=True, color_system=None))
    writer.feed("こんにちは")
    assert stream.getvalue() == "こんにちは"


@given(st.lists(st.text(alphabet="ab .\n", max_size=12), max_size=6), st.integers(8, 30))
def test_a_sign_stands_behind_the_last_word_and_fits(pieces: list[str], width: int) -> None:
    stream = io.StringIO()
    writer = AnswerWriter(Console(file=stream, width=width, force_terminal=True, color_system=None))
    for piece in pieces:
        writer.feed(piece)
        writer.mark("⚠")
    writer.finish()
    shown = stream.getvalue()
    assert shown.count("⚠") == len(pieces)
    assert "".join(shown.split()).replace("⚠", "") == "".join("".join(pieces).split())
