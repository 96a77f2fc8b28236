"""How good the answers and the search are, counted from real records and question sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit")

from agent.adapters import write_json
from agent.config import Settings
from agent.errors import QuestionSetError
from agent.prompts import REFUSAL
from agent.records import Records
from agent.schema import Citation, Timings, Turn, Usage, Verdict
from tests.ui.pages import Page, opened
from ui import quality, retrieval_quality
from ui.improvement import holds_back
from ui.job import Job


def quality_script() -> None:
    from ui import quality_page

    quality_page.page()


def turn(number: int, days_ago: int, grades: Sequence[str] = (), answer: str = "It is blue.", **more: Any) -> Turn:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    verdicts = tuple(Verdict(0, 1, grade) for grade in grades)  # type: ignore[arg-type]
    cited = tuple(Citation(1, "/a.md", "line 1", "x", "p") for grade in grades if grade == "supported")
    return Turn(
        f"turn{number}",
        f"thread{number % 3}",
        "What?",
        answer,
        more.get("status", "done"),
        citations=cited,
        verdicts=verdicts,
        usage=Usage(100, 10),
        timings=Timings(0.1, 0.5, 0.6, float(number)),
        model="local:default",
        adapter=more.get("adapter", ""),
        created_at=at.isoformat(),
    )


@pytest.fixture
def recorded(settings: Settings) -> Settings:
    settings.home.mkdir(parents=True)
    with closing(Records(settings.database)) as records:
        records.append(turn(1, 3, ["supported", "not"]))
        records.append(turn(2, 2, ["supported", "supported"], adapter="mine-1@0123456789ab"))
        records.append(turn(3, 1, answer=REFUSAL))
        records.append(turn(4, 1, answer="The documents do not mention it."))
        records.append(turn(5, 1, status="cancelled"))
        records.add_feedback("turn1", 1)
        records.add_feedback("turn2", 1, correction="No: green.")
        records.add_feedback("turn3", -1)
        records.add_feedback("turn3", 0, comment="never mind")
    return settings


def read(settings: Settings, known: quality.Known | None = None) -> tuple[list[quality.TurnFacts], dict[str, int]]:
    with closing(Records(settings.database)) as records:
        return quality.turn_facts(records, holds_back, {} if known is None else known), quality.ratings(records)


def test_figures_are_counted_from_the_records(recorded: Settings) -> None:
    facts, rated = read(recorded)
    now = quality.summary(facts, rated)
    assert (now.answers, now.up, now.down) == (4, 1, 1), "a later comment takes a rating back"
    assert now.grounded == 3 / 4 and now.refused == 2 / 4 and now.citations == 3 / 4
    assert (now.seconds, now.slow, now.first_word) == (2.5, 4.0, 0.5)
    assert facts[1].model == "local:default + mine-1"


def test_nothing_is_divided_by_nothing() -> None:
    assert quality.summary([], {}) == quality.Summary(0, 0, 0, None, None, None, None, None)
    assert quality.periods([], {}) == []


def test_days_become_weeks_where_there_are_many(recorded: Settings) -> None:
    facts, rated = read(recorded)
    assert [one.answers for _, one in quality.periods(facts, rated)] == [1, 1, 2]
    with closing(Records(recorded.database)) as records:
        records.append(turn(6, 100))
    facts, rated = read(recorded)
    weeks = quality.periods(facts, rated)
    assert all(datetime.fromisoformat(start).weekday() == 0 for start, _ in weeks)
    assert sum(one.answers for _, one in weeks) == 5
    assert len(quality.since(facts, 30)) == 4 and len(quality.since(facts, 0)) == 5
    points = quality.series(weeks, thumbs_up=lambda one: one.up)
    assert points[0] == {"period": weeks[0][0], "series": "thumbs up", "value": 0}


def test_what_did_not_change_is_not_read_again(recorded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    known: quality.Known = {}
    first, _ = read(recorded, known)
    asked: list[str] = []
    turns = Records.turns
    monkeypatch.setattr(Records, "turns", lambda self, thread: asked.append(thread) or turns(self, thread))  # type: ignore[func-returns-value]
    assert read(recorded, known)[0] == first and asked == []
    with closing(Records(recorded.database)) as records:
        records.append(turn(7, 0))
    assert len(read(recorded, known)[0]) == len(first) + 1 and asked == ["thread1"]
    with closing(Records(recorded.database)) as records:
        records.delete_thread("thread1")
    assert {one.turn_id for one in read(recorded, known)[0]} == {"turn2", "turn3"}


def test_the_page_about_answers(recorded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(quality_script, recorded, monkeypatch) as page:
        page.run()
        shown = {one.label: one.value for one in page.at.metric}
        assert shown["Answers"] == "4" and shown["Thumbs up / down"] == "1 / 1"
        assert shown["Supported sentences"] == "75 %" and shown["Not in your documents"] == "50 %"
        assert len(page.charts) == 4 and "thumbs up: 1, thumbs down: 1" in page.charts[0]
        assert "local:default + mine-1" in page.html, "model by model"
        page.field("Model").set_value("local:default + mine-1")
        page.run()
        assert {one.label: one.value for one in page.at.metric}["Answers"] == "1"


def test_a_page_without_answers_teaches(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(quality_script, settings, monkeypatch) as page:
        assert "No answers yet" in page.run().text
        assert "No questions yet" in page.show("search").text


def question_set(settings: Settings) -> str:
    lines = [{"question": f"What is {number}?", "source": "a.md"} for number in range(3)]
    return retrieval_quality.add(settings, "mine.jsonl", "\n".join(map(json.dumps, lines)).encode())


def test_question_sets_are_kept_and_named(settings: Settings) -> None:
    assert question_set(settings) == "mine" and question_set(settings) == "mine-2"
    assert retrieval_quality.add(settings, "../../ a b!.jsonl", b'{"question": "x", "source": "y"}') == "a-b"
    assert retrieval_quality.names(settings) == ["a-b", "mine", "mine-2"]
    with pytest.raises(QuestionSetError):
        retrieval_quality.add(settings, "bad.jsonl", b'{"question": ""}')
    assert retrieval_quality.names(settings) == ["a-b", "mine", "mine-2"]
    with pytest.raises(QuestionSetError, match="cannot name"):
        retrieval_quality.questions(settings, "../mine")


def measured(score: float) -> dict[str, Any]:
    means = {"ndcg@10": score, "recall@10": score, "mrr@10": score}
    intervals = {name: [score - 0.1, score + 0.1] for name in means}
    found = [{"relevant": False, "source": "/a.md", "heading": "", "locator": "line 2", "text": "<b>bold</b>"}]
    misses = [{"id": "1", "query": "What is 1?", "rank": 0, "expected": ["/a.md"], "found": found}]
    times = {"p50": 12.0, "p95": 20.0}
    return {
        **means,
        "intervals": intervals,
        "queries": 3,
        "misses": misses,
        "milliseconds": times,
        "not_indexed": ["x"],
    }


def test_measurements_are_kept_over_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    name = question_set(settings)
    retrieval_quality.keep(settings, name, measured(0.5))
    path = retrieval_quality.folder(settings) / "mine.results.jsonl"
    with path.open("a") as file:
        file.write('{"torn')
    assert [one["ndcg@10"] for one in retrieval_quality.results(settings, name)] == [0.5]
    path.write_text(path.read_text().removesuffix('{"torn'))
    # What a command has measured while no page was open is taken in by the next one.
    job = Job(settings.home, "retrieval")
    job.folder.mkdir(parents=True)
    words = retrieval_quality.measure_words(settings, name)
    write_json(job.folder / "process.json", {"pid": 0, "began": 0, "words": words})
    write_json(job.folder / "out.json", measured(0.7))
    started: list[Any] = []
    monkeypatch.setattr(Job, "start", lambda self, words: started.append(list(words)))
    with opened(quality_script, settings, monkeypatch) as page:
        page.run().show("search")
        _the_search(page, settings)
        page.click("Measure the search")
        page.click("Propose questions")
    assert [one["ndcg@10"] for one in retrieval_quality.results(settings, name)] == [0.5, 0.7]
    assert started[0] == words and started[1][:4] == ["knowledge", "questions", "--count", "30"]


def test_measurements_of_another_collection_are_not_mixed_in(settings: Settings) -> None:
    name = question_set(settings)
    retrieval_quality.keep(settings, name, measured(0.5))
    knowledge = settings.knowledge.model_copy(update={"collection": "work"})
    other = settings.model_copy(update={"knowledge": knowledge})
    assert retrieval_quality.results(other, name) == []
    retrieval_quality.keep(other, name, measured(0.9))
    assert [one["ndcg@10"] for one in retrieval_quality.results(settings, name)] == [0.5]


def _the_search(page: Page, settings: Settings) -> None:
    shown = {one.label: one.value for one in page.at.metric}
    assert shown["nDCG@10"] == "0.700" and shown["Milliseconds a search"] == "12"
    assert "no right place found" in page.html and "&lt;b&gt;" in page.html and "<b>" not in page.html
    assert "nDCG@10: from 0.5" in page.charts[0]
    assert "1 files" in page.text or "1 file" in page.text


def test_the_commands_name_the_set_and_the_collection(settings: Settings, tmp_path: Path) -> None:
    words = retrieval_quality.propose_words(settings, "mine", 7)
    assert words[:4] == ["knowledge", "questions", "--count", "7"] and words[-3:] == [
        "--collection",
        "default",
        "--json",
    ]
    assert retrieval_quality.folder(settings).is_dir()
