"""`ratchet knowledge eval` and `questions`, with the real embedder over a few small files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli import app

NOTES = {
    "pump.md": "# Pump\n\nThe warranty of the Heron pump covers its motor for 24 months after the day of purchase.\n",
    "sea.md": "# Sea\n\nThe tides of the northern coast follow the moon and rise three metres at the harbour wall.\n",
    "bees.md": "# Bees\n\nA hive holds sixty thousand bees in summer, and its honey is harvested in August at noon.\n",
}
FIGURES = {"ndcg@10", "recall@10", "recall@100", "mrr@10", "seconds"}


def ratchet(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def documents(own_home: Path, tmp_path: Path) -> Path:
    """Three indexed notes."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in NOTES.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert ratchet("ingest", str(folder)).exit_code == 0
    return folder


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    """The same notes as a test collection; the last query is judged unfairly."""
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": name, "title": "", "text": text} for name, text in NOTES.items()]
    queries = [{"_id": "1", "text": "How long is the guarantee?"}, {"_id": "2", "text": "When is honey collected?"}]
    for name, records in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\tpump.md\t1\n2\tsea.md\t1\n")
    return folder


def test_proposed_questions_are_edited_and_measured(documents: Path, tmp_path: Path) -> None:
    proposed = ratchet("knowledge", "questions", "--count", "3", "--out", "q.jsonl")
    assert proposed.exit_code == 0, proposed.output
    assert "ratchet knowledge eval q.jsonl" in proposed.stdout
    lines = (tmp_path / "q.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    own = {"question": "How many insects live in a hive?", "source": "docs/bees.md"}
    (tmp_path / "q.jsonl").write_text("\n".join([*lines[1:], json.dumps(own)]), encoding="utf-8")
    measured = ratchet("knowledge", "eval", "q.jsonl", "--json")
    assert measured.exit_code == 0, measured.output
    figures = json.loads(measured.stdout)
    assert set(figures) >= FIGURES
    assert figures["queries"] == 3
    assert figures["recall@10"] == 1
    assert figures["not_indexed"] == []


def test_an_edited_set_is_not_overwritten(documents: Path, tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text("mine", encoding="utf-8")
    done = ratchet("knowledge", "questions")
    assert done.exit_code == 1
    assert "exists already" in done.stderr
    assert (tmp_path / "questions.jsonl").read_text(encoding="utf-8") == "mine"


def test_a_question_about_a_stranger_is_missed_and_said_so(documents: Path, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"question": "What is blue?", "source": "absent.md"}', encoding="utf-8")
    assert json.loads(ratchet("knowledge", "eval", "q.jsonl", "--json").stdout)["not_indexed"] == [
        str(tmp_path / "absent.md")
    ]
    shown = ratchet("knowledge", "eval", "q.jsonl").stdout
    assert "absent.md is not in the index" in shown


def test_a_test_collection_is_measured_twice_alike(beir: Path) -> None:
    first, second = (json.loads(ratchet("knowledge", "eval", str(beir), "--json").stdout) for _ in range(2))
    assert set(first) >= FIGURES | {"intervals", "queries", "split"}
    assert {name: first[name] for name in FIGURES - {"seconds"}} == {
        name: second[name] for name in FIGURES - {"seconds"}
    }
    assert first["mrr@10"] < 1
    assert first["recall@10"] == 1
    assert first["intervals"]["mrr@10"][0] <= first["mrr@10"] <= first["intervals"]["mrr@10"][1]


def test_misses_are_shown_and_written(beir: Path, tmp_path: Path) -> None:
    report = tmp_path / "misses.md"
    shown = ratchet("knowledge", "eval", str(beir), "--misses", "5", "--report", str(report))
    assert shown.exit_code == 0, shown.output
    for text in (shown.stdout, report.read_text(encoding="utf-8")):
        assert "When is honey collected?" in text
        assert "sea.md" in text
        assert "harvested in August" in text
        assert "How long is the guarantee?" not in text
    ratchet("knowledge", "eval", str(beir), "--report", "misses.jsonl", "--json")
    (miss,) = map(json.loads, (tmp_path / "misses.jsonl").read_text(encoding="utf-8").splitlines())
    assert miss["expected"] == ["sea.md"]
    assert [hit["relevant"] for hit in miss["found"]].index(True) + 1 == miss["rank"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nowhere",), 3, "nowhere"),
        ((".",), 3, "corpus.jsonl"),
        (("beir", "--split", "dev"), 3, "There are judgments for: test"),
        (("beir", "--report", "misses.txt"), 2, "--report"),
    ],
)
def test_what_cannot_be_measured_is_explained(beir: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = ratchet("knowledge", "eval", *arguments)
    assert done.exit_code == code, done.output
    assert said in done.stderr
