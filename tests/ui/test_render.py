"""Turns as both front ends show them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.calls.approvals import ApprovalRequest
from agent.schema import Citation, Timings, ToolCall, Turn, TurnStatus, Usage, Verdict
from knowledge.schema import Passage
from tests.ui.allowed import parsed
from ui import render

PATH = "/papers/2026/start.md"
TEXT = "Ratchet reads files.\nIt reads files.\nIt reads PDF files too."
PASSAGE = Passage("p1", PATH, TEXT, 10, 12, page=3, heading="Start › Install")
CITATION = Citation(1, PATH, "page 3, line 11", "It reads files.", "p1", "Start › Install", 3, 11, 11)
ANSWER = "It reads files [1]. It reads minds."
VERDICTS = (Verdict(0, 14, "supported", 1), Verdict(20, 35, "not", None, "no passage says so"))
CALL = ToolCall("c1", "calculator", {"expression": "17*23"}, "391", "ok", 0.012)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def a_turn(**changes: object) -> Turn:
    parts: dict[str, object] = {"citations": (CITATION,), "passages": (PASSAGE,), "verdicts": VERDICTS}
    parts |= {"usage": Usage(900, 143), "timings": Timings(total=2.06), "model": "local:default"}
    return Turn(
        **{"turn_id": "9f", "thread_id": "t", "question": "q", "answer": ANSWER, "status": "done"} | parts | changes
    )  # type: ignore[arg-type]


def test_an_answer_marks_what_is_not_supported_and_says_what_the_marks_mean() -> None:
    page = parsed(render.answer_html(a_turn()))
    marked = page.select("span.r-not")
    assert [span.get_text() for span in marked] == ["It reads minds."]
    assert marked[0]["title"] == "Not in your documents: no passage says so"
    assert "⚠ not in your documents" in page.select(".r-legend")[0].get_text()
    reasons = [item.get_text() for item in page.select(".r-reasons li")]
    assert reasons == ["It reads minds. Not in your documents: no passage says so"]


def test_a_supported_answer_needs_no_legend() -> None:
    page = parsed(render.answer_html(a_turn(verdicts=VERDICTS[:1])))
    assert not page.select(".r-legend, .r-sign, .r-reasons")


def test_a_citation_leads_to_the_exact_words_in_their_passage() -> None:
    turn = a_turn()
    link = parsed(render.answer_html(turn)).select("a.r-cite")[0]
    page = parsed(render.sources_html(turn))
    source = page.select("details.r-source#t9f-s1")[0]
    target = source.select(str(link["href"]))[0]
    assert (target.name, target.get_text()) == ("mark", "It reads files.")
    assert target.parent is not None
    assert target.parent.get_text() == TEXT, "the passage is shown word for word"
    assert target.find_parent("summary") is None, "only what is inside opens the block when it is led to"


def test_the_words_are_marked_on_their_own_line_not_where_they_stand_first() -> None:
    passage = Passage("p1", PATH, "Same words.\nOther.\nSame words.", 5, 7)
    citation = Citation(1, PATH, "line 7", "Same words.", "p1", start_line=7, end_line=7)
    page = parsed(render.sources_html(a_turn(passages=(passage,), citations=(citation,))))
    mark = page.select("mark")[0]
    assert str(mark.previous_sibling) == "Same words.\nOther.\n"


def test_a_source_says_which_file_which_heading_and_where() -> None:
    summary = parsed(render.sources_html(a_turn())).select("summary")[0].get_text(" ", strip=True)
    assert re.sub(r"\s+", " ", summary) == "1 start.md Install · page 3, line 11"
    assert parsed(render.sources_html(a_turn())).select(".r-path")[0].get_text() == PATH


@pytest.mark.parametrize(
    "passages", [(), (Passage("p1", PATH, "Something else.", 1, 1),)], ids=["no passage", "other words"]
)
def test_cited_words_are_shown_even_without_their_passage(passages: tuple[Passage, ...]) -> None:
    page = parsed(render.sources_html(a_turn(passages=passages)))
    assert len(page.select("[id='t9f-s1-text']")) == 1
    assert "It reads files." in page.get_text()


def test_passages_found_are_listed_and_numbered() -> None:
    other = Passage("p2", "/b.md", "B", 1, 1)
    page = parsed(render.passages_html([PASSAGE, other], first=4))
    assert [number.get_text() for number in page.select("details .r-number")] == ["4", "5"]


def test_a_step_shows_the_call_and_what_came_of_it() -> None:
    page = parsed(render.steps_html([CALL]))
    step = page.select("details.r-step.r-step-ok")[0]
    summary = step.select("summary")[0].get_text(" ", strip=True)
    assert re.sub(r"\s+", " ", summary) == "calculator 17*23 0.01 s"
    assert [pre.get_text() for pre in step.select("pre")] == ['{\n  "expression": "17*23"\n}', "391"]


def test_a_program_to_run_is_shown_line_by_line() -> None:
    page = parsed(render.steps_html([ToolCall("c1", "python", {"seconds": 3, "code": "a = 1\nprint(a)"})]))
    assert [pre.get_text() for pre in page.select("pre")] == ['{\n  "seconds": 3\n}', "a = 1\nprint(a)"]
    assert "Argument code" in page.get_text()


@pytest.mark.parametrize(
    ("status", "words", "timed"),
    [
        ("running", "running …", False),
        ("error", "failed", True),
        ("denied", "not allowed by the settings", False),
        ("rejected", "rejected", False),
        ("repeated", "asked for again, not run again", False),
        ("unknown", "interrupted, not run again", False),
    ],
)
def test_a_step_says_in_words_how_it_ended(status: str, words: str, timed: bool) -> None:
    page = parsed(render.steps_html([ToolCall("c1", "python", {}, "", status, 1.0)]))
    assert page.select(f".r-step-{status} .r-outcome")[0].get_text() == words
    assert bool(page.select(".r-time")) is timed


def test_tables_and_files_of_a_step_are_shown() -> None:
    artifact = {
        "table": {"columns": ["name", "price"], "rows": [["a", 1.5], [None, "2,000"]]},
        "files": [{"name": "plot.png", "media_type": "image/png", "path": "/made/x1.png"}],
    }
    page = parsed(render.steps_html([ToolCall("c1", "python", {}, "", "ok", 1.0, artifact)]))
    assert [cell.get_text() for cell in page.select("th, td")] == ["name", "price", "a", "1.5", "", "2,000"]
    assert [cell.get_text() for cell in page.select("td.r-right")] == ["1.5", "2,000"]
    assert [cell.get_text() for cell in page.select("th.r-right")] == ["price"]
    assert page.select("li .r-path")[0].get_text() == "/made/x1.png"


@pytest.mark.parametrize("artifact", [{"table": {"columns": 3, "rows": 4}}, {"table": {}}, {"table": []}, {"files": 7}])
def test_an_artifact_of_another_form_breaks_no_page(artifact: dict[str, object]) -> None:
    assert parsed(render.steps_html([ToolCall("c1", "python", {}, "", "ok", 1.0, artifact)])).details


def test_an_approval_shows_all_that_is_approved() -> None:
    request = ApprovalRequest(
        "c",
        "t",
        "write_file",
        {"path": "a.txt"},
        "write",
        "d",
        "-old\n+new\n same",
        "It writes.",
        ("https://a.example",),
    )
    page = parsed(render.approval_html(request))
    text = page.get_text()
    assert all(
        said in text for said in ("write_file", "writes what lasts", '"a.txt"', "It writes.", "https://a.example")
    )
    assert [line.get_text() for line in page.select(".r-c-d, .r-c-i")] == ["-old", "+new"]


@pytest.mark.parametrize("status", ["cancelled", "error", "limit", "waiting", "done"])
def test_a_turn_without_an_answer_says_why(status: TurnStatus) -> None:
    page = parsed(render.answer_html(a_turn(answer="", status=status, verdicts=(), citations=())))
    assert page.select(".r-none")[0].get_text()


def test_notes_are_shown_once_and_a_stopped_turn_says_so() -> None:
    page = parsed(render.notes_html(a_turn(notes=("2 of 5 fit.", "2 of 5 fit."), status="cancelled")))
    assert [item.get_text() for item in page.select("li")] == ["2 of 5 fit.", "Stopped; what was said is kept."]


def test_where_there_is_nothing_there_is_no_block() -> None:
    bare = a_turn(citations=(), passages=(), notes=())
    blocks = (render.sources_html(bare), render.notes_html(bare), render.steps_html(()), render.passages_html(()))
    assert blocks == ("", "", "", "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "2.1 s · 143 tokens · local:default"),
        ({"adapter": "mine-2"}, "2.1 s · 143 tokens · local:default + mine-2"),
        ({"usage": Usage(1, 1)}, "2.1 s · 1 token · local:default"),
        ({"usage": Usage(), "model": ""}, "2.1 s"),
    ],
)
def test_measures_in_one_line(changes: dict[str, object], words: str) -> None:
    assert render.measures_text(a_turn(**changes)) == words


def test_an_answer_in_progress_is_text_with_a_caret() -> None:
    page = parsed(render.streaming_html("**bold** <b>"))
    assert page.get_text() == "**bold** <b>"
    assert page.select(".r-caret")


def test_an_error_says_what_was_kept_and_what_to_do() -> None:
    page = parsed(render.error_html("It broke.", "All was kept.", "Try again."))
    assert [line.get_text() for line in page.select("[role=alert] p")] == ["It broke.", "All was kept.", "Try again."]
    assert len(parsed(render.error_html("It broke.", "", "")).select("p")) == 1


def made(*paths: object) -> Turn:
    files = [{"name": "plot", "media_type": "image/png", "path": str(path)} for path in paths]
    return a_turn(tool_calls=(ToolCall("c", "python", {}, "", "ok", 1.0, {"files": files}),))


def test_plots_are_images_in_the_folder_of_tools_and_nothing_else(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "artifacts", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    good, outside, text, svg = folder / "a.png", elsewhere / "b.png", folder / "c.png", folder / "d.svg"
    good.write_bytes(PNG)
    outside.write_bytes(PNG)
    text.write_text("no image")
    svg.write_text("<svg onload='alert(1)'/>")
    link = folder / "e.png"
    link.symlink_to(outside)
    around = folder / ".." / "elsewhere" / "b.png"
    turn = made(good, outside, text, svg, link, around, folder / "gone.png", folder, "", "\0", good)
    assert render.plots(turn, folder) == [good]


@pytest.mark.parametrize("files", [None, 7, ["text"], [{}]])
def test_files_of_another_form_are_no_plots(files: object, tmp_path: Path) -> None:
    turn = a_turn(tool_calls=(ToolCall("c", "python", {}, "", "ok", 1.0, {"files": files}),))
    assert render.plots(turn, tmp_path) == []


def test_the_stylesheet_loads_nothing() -> None:
    style = render.stylesheet()
    assert style.startswith("<style>")
    assert style.endswith("</style>")
    assert not re.search(r"url\(|@import|image-set|<(?!/?style>)", style)


def test_every_class_that_is_written_has_looks() -> None:
    known = set(re.findall(r"\.(r-[a-z-]+)", render.stylesheet()))
    written: set[str] = set()
    for path in (Path(render.__file__).parent / name for name in ("render.py", "markdown.py", "steps.py", "escape.py")):
        source = re.sub(r"\{[^}]*\}", "", path.read_text(encoding="utf-8"))
        written |= {name for found in re.findall(r'class="([^"]*)"', source) for name in found.split()}
    # Their places and states are styled by what stands around them.
    bare = {
        "r",
        "r-",
        "r-md",
        "r-answer",
        "r-link",
        "r-source",
        "r-found",
        "r-step",
        "r-step-",
        "r-sign-",
        "r-c-",
        "r-head",
    }
    assert written - bare <= known


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_on_every_ground(dark: bool) -> None:
    pairs = re.findall(r"(--r-[a-z-]+|color): light-dark\((#\w{6}), (#\w{6})\)", render.stylesheet())
    grounds = {pair[1 + dark] for pair in pairs if pair[0].endswith("-soft")} | {"#0e1117" if dark else "#ffffff"}
    texts = {pair[1 + dark] for pair in pairs if not pair[0].endswith(("-soft", "-line", "-found"))}
    assert len(grounds) >= 3
    assert len(texts) >= 8
    for text in texts:
        for ground in grounds:
            low, high = sorted((luminance(text), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, f"{text} on {ground}"
