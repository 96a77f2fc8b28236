"""What a person sees of a turn, on terminals of any width."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest
from rich.cells import cell_len
from rich.console import Console

from agent.cli import render
from agent.cli.render import TurnPrinter
from agent.phrasing import LEGEND, measures, place, signed, tool_line
from agent.schema import (
    Citation,
    Done,
    Event,
    Failed,
    Note,
    Retrieved,
    Timings,
    Token,
    ToolCall,
    ToolCallFinished,
    Turn,
    Usage,
    Verdict,
)
from knowledge.schema import Passage

PATH = "/a/rather/long/path/to/the/documents/of/the/project/getting-started.md"
TEXT = "Ratchet reads Markdown, HTML, text and PDF files from the folders you name. " * 4
PASSAGE = Passage("p1", PATH, TEXT, 10, 24, heading="Start › Install")
CITATION = Citation(1, PATH, "lines 10-24", TEXT, "p1", heading="Start › Install")
CALL = ToolCall("c1", "calculator", {"expression": "17*23"}, "391", "ok", 0.012)


def a_turn(status: str = "done", **changes: object) -> Turn:
    answer = changes.pop("answer", "An answer.")
    parts = {"citations": (CITATION,), "passages": (PASSAGE,), "tool_calls": (CALL,), "usage": Usage(10, 84)}
    timings = Timings(retrieve=0.1, first_token=0.21, total=1.1)
    return Turn("t1", "h1", "q?", answer, status, timings=timings, **parts | changes)  # type: ignore[arg-type]


def seen(events: Iterable[Event], monkeypatch: pytest.MonkeyPatch, columns: int = 60) -> str:
    """What a terminal of that width shows, without colours."""
    stream = io.StringIO()
    console = Console(file=stream, width=columns, force_terminal=True, color_system=None, markup=False, highlight=False)
    monkeypatch.setattr(render, "out", lambda: console)
    monkeypatch.setattr("agent.cli.output.err", lambda: console)
    TurnPrinter().show(events)
    return stream.getvalue()


@pytest.mark.parametrize("columns", [40, 60, 120])
def test_everything_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    note = Note("The model read 2 of 5 passages found (110 tokens of the prompt are for passages).")
    events = [Retrieved((PASSAGE,), True, 0.1), note, ToolCallFinished(CALL), Token(TEXT), Done(a_turn())]
    shown = seen(events, monkeypatch, columns)
    assert max(cell_len(line) for line in shown.splitlines()) <= columns
    assert "[1]" in shown
    assert shown.count("The model read") == 1


def test_a_quotation_takes_three_lines_at_most_and_says_when_it_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = seen([Token("x"), Done(a_turn())], monkeypatch)
    quote = shown[shown.index("“") : shown.index("”")]
    assert quote.count("\n") <= 2
    assert quote.endswith("…")


def test_the_parts_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = seen([ToolCallFinished(CALL), Token("It is "), Token("391."), Done(a_turn())], monkeypatch)
    places = [shown.index(part) for part in ("⚙ calculator", "It is 391.\n", "[1] ", "“Ratchet reads", "first word")]
    assert places == sorted(places)


def test_a_failure_shows_its_three_sentences_and_no_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = a_turn("error", citations=(), passages=())
    shown = seen([Token("It "), Failed("It broke.", "All is kept.", "Start it."), Done(broken)], monkeypatch)
    assert [line.strip() for line in shown.splitlines()] == [
        "It",
        "✗ It broke.",
        "All is kept.",
        "→ Start it.",
    ]


def test_markup_and_escapes_in_foreign_text_are_text_or_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "[bold]x[/] \x1b]8;;http://evil\x07link\x1b[2J"
    call = ToolCall("c", "calculator", {"expression": hostile}, hostile, "error", 0.0)
    passage = Citation(1, f"/{hostile}.md", "line 1", hostile, "p", heading=hostile)
    events = [Note(hostile), ToolCallFinished(call), Token(hostile), Done(a_turn(citations=(passage,)))]
    shown = seen(events, monkeypatch, 120)
    assert "\x1b" not in shown and "\x07" not in shown
    assert shown.count("[bold]x[/]") >= 5


SAID = "Blue is the door. [1] Green is the roof. The moon is made of cheese."
VERDICTS = (Verdict(0, 17, "supported", 1), Verdict(22, 40, "partly", None, "x"), Verdict(41, 68, "not", None, "x"))


def judged() -> list[Event]:
    """An answer of three sentences, each followed by its verdict."""
    supported, partly, unfounded = VERDICTS
    return [
        Token("Blue is the door."),
        Token(" [1]"),
        supported,
        Token(" Green is the roof."),
        partly,
        Token(" The moon is made of cheese."),
        unfounded,
        Done(a_turn(answer=SAID, verdicts=VERDICTS)),
    ]


@pytest.mark.parametrize("columns", [24, 40, 60, 120])
def test_a_sentence_without_support_bears_a_sign(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = seen(judged(), monkeypatch, columns)
    answer = " ".join(shown.partition("\n\n")[0].split())
    assert (
        answer == "Blue is the door. [1] Green is the roof. ≈ The moon is made of cheese. ⚠" == signed(SAID, VERDICTS)
    )
    assert " ".join(LEGEND.split()) in " ".join(shown.split())
    assert max(cell_len(line) for line in shown.splitlines()) <= columns


def test_without_signs_there_is_no_legend(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [Token("Blue is the door."), VERDICTS[0], Done(a_turn(verdicts=VERDICTS[:1]))]
    assert "≈" not in seen(events, monkeypatch)


def test_a_pipe_gets_the_answer_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, aside = io.StringIO(), io.StringIO()
    monkeypatch.setattr(render, "out", lambda: Console(file=stream, width=60, soft_wrap=True))
    monkeypatch.setattr(render, "err", lambda: Console(file=aside, width=60))
    TurnPrinter().show(judged())
    assert stream.getvalue().startswith(SAID + "\n")
    assert "⚠" not in stream.getvalue()


def test_places_and_measures() -> None:
    assert place("/etc/hosts", "A › B", "page 3, lines 4-9") == "/etc/hosts › B, page 3, lines 4-9"
    assert place("/etc/hosts", "", "line 1") == "/etc/hosts, line 1"
    assert tool_line(CALL) == '⚙ calculator(expression="17*23") → 391 (0.01 s)'
    assert measures(a_turn()) == "first word 0.21 s · 84 tokens · 1 passage · 1.10 s in all"
    silent = Turn("t", "h", "q", "", "cancelled", timings=Timings(total=0.5))
    assert measures(silent) == "0.50 s in all"
