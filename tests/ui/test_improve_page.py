"""The page on which Ratchet gets better, over homes that training itself wrote."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

pytest.importorskip("streamlit")

from agent.adapters import write_json
from agent.config import Settings, load_settings
from agent.records import Records
from agent.schema import Turn
from tests.finetune.improvement import loop
from tests.ui.improved import improved_home, needs_training, paused_home, waiting_home
from tests.ui.pages import Page, opened
from ui import improvement
from ui.improve_parts.adapters import lineage_html
from ui.improvement_views import Adapter
from ui.job import Job


def improve() -> None:
    from ui import improve_page

    improve_page.page()


@pytest.fixture(scope="module")
def improved(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return improved_home(tmp_path_factory.mktemp("improved") / "home")


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Settings], Page]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(opened(improve, settings, monkeypatch)).run()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were started, none of which runs."""
    found: list[list[str]] = []
    monkeypatch.setattr(Job, "start", lambda self, words: found.append(list(words)))
    return found


def test_an_empty_home_teaches(own_home: Path, open_page: Callable[[Settings], Page]) -> None:
    page = open_page(load_settings({"model": {"name": "openai:gpt"}}))
    assert "No feedback yet" in page.text and "adapters are trained for local models" in page.text
    assert "No data set yet" in page.show("examples").text
    assert "No verdict yet" in page.show("verdict").text
    assert "No adapters yet" in page.show("adapters").text
    assert any(button.label == "Start a run" for button in page.show("training").at.button)


def test_the_inbox_shows_searches_and_mends(tmp_path: Path, open_page: Callable[[Settings], Page]) -> None:
    settings = loop.home_with_feedback(tmp_path / "home", 20)
    page = open_page(settings)
    assert "20 in all" in page.text
    assert "grove 19" in page.html and "Teaches: the corrected answer" in page.text
    page.field("Search").set_value("heron harbour")
    page.run()
    assert "1 of 20" in page.text and "grove 0" in page.html
    page.click("Edit the correction")
    page.field("What should it have said").set_value("in the oak")
    page.click("Save the correction")
    with closing(Records(settings.database)) as records:
        latest = records.feedback("t0")[-1]
        assert (latest.correction, latest.rating) == ("in the oak", -1)
    assert "in the oak" in page.html
    page.click("Do not learn from this conversation")
    assert "Nothing is learned from this conversation." in page.text
    with closing(Records(settings.database)) as records:
        assert not records.consent("thread0")


def test_feedback_of_every_kind_says_what_it_teaches(own_home: Path, open_page: Callable[[Settings], Page]) -> None:
    settings = load_settings({"model": {"name": "openai:gpt"}})
    own_home.mkdir()
    with closing(Records(settings.database)) as records:
        for name in ("good", "bad", "note", "choice"):
            records.append(Turn(name, f"thread-{name}", f"What of {name}?", "<img src=x onerror=alert(1)>", "done"))
        records.add_feedback("good", 1)
        records.add_feedback("bad", -1)
        records.add_feedback("note", 0, comment="![x](http://example.com/x.png)")
        records.add_choice("choice", ("one", "two"), 1, ("none", "mine"))
    page = open_page(settings)
    for words in ("the answer as it is", "the chosen answer", "nothing by itself", "a note for people"):
        assert words in page.text
    assert "Answer 2 ✓ chosen" in page.html
    assert "<img" not in page.html and "<img" not in page.text and "example.com" not in page.text
    page.field("Kind").set_value("good")
    assert "1 in all" in page.run().text


def test_a_data_set_is_built_and_looked_at(
    improved: Settings, open_page: Callable[[Settings], Page], started: list[list[str]]
) -> None:
    page = open_page(improved).show("examples")
    assert "SHA-256" in page.text
    assert "Where does the" in page.html and "from turn:t" in page.html
    page.field("Part").set_value("test")
    page.run()
    page.field("Search").set_value("nothing like it")
    assert "0 of " in page.run().text
    page.field("Name").set_value("mine-1")
    page.click("Build it")
    assert "already" in page.html and started == []
    page.field("Name").set_value("look-1")
    page.click("Build it")
    assert started == [["improve", "dataset", "build", "look-1", "--json", "--records"]]
    page.at.file_uploader[0].set_value([("../faq.csv", b"question,answer\n", "text/csv")])
    page.click("Build it")
    (path,) = [Path(word) for word in started[1] if word.endswith(".csv")]
    assert path == improved.home / "training-files" / "faq.csv" and path.read_bytes() == b"question,answer\n"


@needs_training
def test_a_run_is_started_with_what_was_chosen(
    tmp_path: Path, open_page: Callable[[Settings], Page], started: list[list[str]]
) -> None:
    page = open_page(loop.home_with_feedback(tmp_path / "home")).show("training")
    page.field("Minutes of training").set_value(2.0)
    page.field("Name of the adapter").set_value("birds")
    page.click("Start a run")
    (words,) = started
    assert words[:4] == ["improve", "--json", "--minutes", "2.0"] and words[-1] == "birds"


@needs_training
def test_a_run_at_work_shows_its_curves_and_is_paused(
    tmp_path: Path, open_page: Callable[[Settings], Page], started: list[list[str]]
) -> None:
    settings = paused_home(tmp_path / "home")
    job = improvement.improve_job(settings)
    job.folder.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    try:
        facts = {"pid": process.pid, "began": psutil.Process(process.pid).create_time(), "words": ["improve"]}
        write_json(job.folder / "process.json", facts)
        (job.folder / "log.txt").write_text("3/6  Training\n")
        page = open_page(settings).show("training")
        assert "● Training" in page.html and "✓ Building the data set" in page.html
        loss, speed = page.charts
        assert "20 steps, loss from 2.000" in loss and "1,000 tokens a second" in speed
        page.click("Pause")
        assert process.wait(30) != 0
    finally:
        process.kill()
        process.wait()
    page.run()
    assert "mine-1 is paused" in page.text
    page.click("Resume")
    assert started and started[0][:2] == ["improve", "--json"]
    page.click("Give it up")
    assert improvement.runs(settings)[0].state == "given up"


def test_why_a_run_ended_is_told_once(tmp_path: Path, open_page: Callable[[Settings], Page]) -> None:
    settings = loop.home_with_feedback(tmp_path / "home", 2)
    job = improvement.improve_job(settings)
    job.folder.mkdir(parents=True)
    write_json(job.folder / "process.json", {"pid": 0, "began": 0, "words": ["improve"]})
    error = {"what": "There are 2 to learn from, and it takes 40.", "kept": "All feedback is kept.", "fix": "Go on."}
    write_json(job.folder / "out.json", {"error": error})
    page = open_page(settings).show("training")
    assert "it takes 40" in page.html and "All feedback is kept" in page.html
    page.click("Dismiss")
    assert "it takes 40" not in page.html


def test_the_verdict_with_intervals_and_answers(improved: Settings, open_page: Callable[[Settings], Page]) -> None:
    page = open_page(improved).show("verdict")
    assert "mine-2 against mine-1: refused" in page.text
    assert "right of yours is no better" in page.html
    page.field("Adapter").set_value("mine-1")
    page.run()
    assert "mine-1 against the model without an adapter: passed" in page.text
    assert page.charts and any("right (yours): +100 points" in words and "holds" in words for words in page.charts)
    assert '<th scope="row" dir="auto">right (yours) ★</th>' in page.html
    page.field("What changed").set_value("won")
    page.run()
    assert "I cannot tell." in page.html and "After (mine-1)" in page.html and "grove" in page.html
    page.field("What changed").set_value("lost")
    page.field("Kind of question").set_value("yours")
    assert "None of this kind" in page.run().text


def test_what_passed_is_served_and_taken_back(tmp_path: Path, open_page: Callable[[Settings], Page]) -> None:
    settings = waiting_home(tmp_path / "home")
    page = open_page(settings).show("verdict")
    page.click("Serve mine-1 from now on")
    assert "mine-1 is served from now on" in page.text
    assert improvement.adapters(settings)[0].standing == "served"
    page.click("Go back to what was served before")
    assert "Served is the model without an adapter again" in page.text
    assert improvement.adapters(settings)[0].standing == "passed"
    page.show("adapters")
    assert "✓ passed the gate" in page.html and "went back" in page.html


def test_against_the_verdict_only_with_a_reason(tmp_path: Path, open_page: Callable[[Settings], Page]) -> None:
    settings = improved_home(tmp_path / "home")
    page = open_page(settings).show("adapters")
    assert "● served" in page.html and "✗ refused" in page.html
    page.field("Adapter").set_value("mine-2")
    page.run()
    page.click("Serve mine-2 against the verdict")
    assert "Say why" in page.text and improvement.adapters(settings)[0].standing == "served"
    page.field("Why").set_value("a trial")
    page.click("Serve mine-2 against the verdict")
    assert improvement.adapters(settings)[1].standing == "served"
    assert "against the verdict" in page.html and "a trial" in page.html


def test_the_lineage_is_a_list_within_a_list() -> None:
    def adapter(name: str, depth: int) -> Adapter:
        return Adapter(name, depth, "passed", "lora", 0, {}, "", "base.gguf", "", "2026-01-01T00:00:00")

    html = lineage_html([adapter("a", 0), adapter("b", 1), adapter("c", 2), adapter("d", 1), adapter("e", 0)])
    assert html.count("<ul>") == html.count("</ul>") == 3
    assert html.count("<li>") == html.count("</li>") == 5
    inside = html.partition("<strong>a</strong>")[2].partition("<strong>e</strong>")[0]
    assert inside.count("<ul>") - inside.count("</ul>") == 0 and "<strong>c</strong>" in inside
