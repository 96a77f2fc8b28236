"""`ratchet ingest` and `ratchet knowledge` in one process, with an embedder that counts words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.cli import app
from agent.cli.progress import status_line
from agent.cli.search import excerpt_around
from agent.documents import narrowed
from knowledge.schema import IngestProgress
from tests.knowledge.words import WordEmbedder


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> WordEmbedder:
    """The embedder of these tests: no model is loaded."""
    embedder = WordEmbedder()
    monkeypatch.setattr("agent.embedder.build_embedder", lambda settings: embedder)
    return embedder


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "pump.md").write_text("# Pump\n\nRinse the filter every two weeks.\n")
    (docs / "lamp.md").write_text("# Lamp\n\nThe lamp is lit at dusk.\n")
    (docs / "bad.txt").write_bytes(b"\0" * 9)
    return docs


def ratchet(*arguments: str, code: int = 0, stdin: str | None = None) -> Result:
    done = CliRunner().invoke(app, list(arguments), input=stdin)
    assert done.exit_code == code, done.output
    return done


def listed(*arguments: str) -> Any:
    return json.loads(ratchet(*arguments, "--json").stdout)


def test_a_failure_is_told_once_and_then_counted(docs: Path) -> None:
    assert "bad.txt is a binary file" in ratchet("ingest", "docs").stdout
    again = ratchet("ingest").stdout
    assert "2 unchanged" in again
    assert "binary" not in again
    assert "1 file still cannot be read" in again
    assert "bad.txt is a binary file" in ratchet("ingest", "--verbose").stdout
    assert "bad.txt is a binary file" in ratchet("ingest", "--retry").stdout
    assert "bad.txt is a binary file" in ratchet("knowledge", "sources", "--failed").stdout


def test_nothing_to_bring_up_to_date_is_3() -> None:
    assert "ratchet ingest FOLDER" in ratchet("ingest", code=3).stderr


def test_collections_are_apart(docs: Path) -> None:
    ratchet("ingest", "docs/pump.md", "--collection", "pumps")
    ratchet("ingest", "docs/lamp.md")
    assert [(facts["name"], facts["files"]) for facts in listed("knowledge", "collections")] == [
        ("default", 1),
        ("pumps", 1),
    ]
    (source,) = listed("knowledge", "sources", "--collection", "pumps")
    assert source["source"] == str(docs / "pump.md")
    assert ratchet("knowledge", "delete-collection", "pumps", code=1, stdin="n\n")
    ratchet("knowledge", "delete-collection", "pumps", "--yes")
    assert "default" in ratchet("knowledge", "collections").stdout
    ratchet("knowledge", "sources", "--collection", "pumps", code=3)
    ratchet("knowledge", "delete-collection", "pumps", "--yes", code=3)


def test_show_gives_the_passages_with_their_places(docs: Path) -> None:
    ratchet("ingest", "docs")
    (passage,) = listed("knowledge", "show", "pump.md")
    assert (passage["text"], passage["locator"]) == ("Rinse the filter every two weeks.", "line 3")
    assert "docs/pump.md › Pump, line 3" in ratchet("knowledge", "show", "docs/pump.md").stdout
    assert "ratchet knowledge sources" in ratchet("knowledge", "show", "moon.md", code=3).stderr


def test_remove_forgets_files_that_stay(docs: Path) -> None:
    ratchet("ingest", "docs")
    told = ratchet("knowledge", "remove", "docs/pump.md").stdout
    assert "1 file taken out" in told
    assert "next ingest of docs" in told
    assert [Path(each["source"]).name for each in listed("knowledge", "sources")] == ["bad.txt", "lamp.md"]
    assert (docs / "pump.md").exists()
    ratchet("knowledge", "remove", "elsewhere", code=3)


def test_a_folder_without_documents_can_be_removed(docs: Path, tmp_path: Path) -> None:
    ratchet("ingest", "docs")
    (tmp_path / "bare").mkdir()
    ratchet("ingest", "bare", code=3)
    assert "No longer followed: bare" in ratchet("knowledge", "remove", "bare").stdout
    ratchet("knowledge", "remove", "bare", code=3)
    assert listed("knowledge", "remove", "docs") == {
        "removed": [str(docs / name) for name in ("bad.txt", "lamp.md", "pump.md")],
        "unfollowed": [str(docs)],
    }


def test_a_drive_that_is_not_there_is_named_with_the_way_to_forget_it(docs: Path) -> None:
    ratchet("ingest", "docs")
    docs.rename(docs.with_name("unplugged"))
    told = ratchet("ingest", code=3).stdout
    assert "docs is not there; what was read from it is kept" in told
    assert "ratchet knowledge remove PATH" in told
    docs.mkdir()
    assert "docs is empty, as if its drive were not there" in ratchet("ingest", code=3).stdout
    assert len(listed("knowledge", "sources")) == 3


def test_an_index_that_tells_no_folders_asks_for_them(docs: Path, own_home: Path) -> None:
    ratchet("ingest", "docs")
    for manifest in own_home.glob("indexes/default/gen-*/manifest.json"):
        manifest.write_bytes(b"damage")
    assert "ratchet ingest FOLDER --rebuild" in ratchet("knowledge", "reindex", code=3).stderr
    assert "2 added" in ratchet("ingest", "docs", "--rebuild").stdout


@pytest.mark.parametrize("before", ["漢字" * 400, "x" * 800, "word " * 160, "a\u0130" * 400])
@pytest.mark.parametrize("word", ["水泵过滤器", "needle"])
def test_an_excerpt_is_bounded_and_shows_the_word_whatever_stands_before_it(before: str, word: str) -> None:
    excerpt = excerpt_around(before + word + before, word.upper(), 120)
    assert word in excerpt
    assert 60 < len(excerpt) <= 120
    assert excerpt.startswith("…") and excerpt.endswith("…")


def test_an_excerpt_without_the_word_begins_where_the_text_does() -> None:
    assert excerpt_around("The pump.\n\nIts filter.", "moon", 120) == "The pump. Its filter."
    assert excerpt_around("漢" * 900, "moon", 120) == "漢" * 119 + "…"


def test_another_embedder_is_explained_and_reindex_migrates(
    docs: Path, words: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratchet("ingest", "docs")
    other = WordEmbedder("other")
    monkeypatch.setattr("agent.embedder.build_embedder", lambda settings: other)
    refused = ratchet("ingest", "docs", code=1).stderr
    assert "made with the embedder words, not with other" in refused
    assert "ratchet knowledge reindex" in refused
    assert "2 passages embedded anew" in ratchet("knowledge", "reindex").stdout
    assert "2 unchanged" in ratchet("ingest", "docs").stdout
    assert len(other.texts) == 2


def test_a_damaged_index_is_made_anew_from_the_documents(docs: Path, own_home: Path) -> None:
    ratchet("ingest", "docs")
    (catalogue,) = own_home.glob("indexes/default/gen-*/catalogue.sqlite")
    catalogue.write_bytes(b"damage")
    ratchet("knowledge", "sources", code=1)
    done = ratchet("knowledge", "reindex")
    assert "made anew from the documents" in done.stderr
    assert len(listed("knowledge", "sources")) == 3


def test_compact_says_what_it_did(docs: Path) -> None:
    ratchet("ingest", "docs/pump.md")
    ratchet("ingest", "docs/lamp.md")
    assert "In one piece" in ratchet("knowledge", "compact").stdout
    assert "It was in one piece" in ratchet("knowledge", "compact").stdout


def test_watch_and_rebuild_exclude_each_other(docs: Path) -> None:
    ratchet("ingest", "docs", "--watch", "--rebuild", code=2)


def test_a_web_page_of_this_machine_is_refused(docs: Path) -> None:
    assert ratchet("ingest", "http://127.0.0.1:9/page.html", code=1).stderr


def test_names_of_files_to_look_into(docs: Path, tmp_path: Path) -> None:
    found = narrowed(["docs", "*.pdf", "manuals", "old/*.md", "/else/where"])
    assert found is not None
    assert found.paths == (str(docs), "*.pdf", "*/manuals", f"{tmp_path}/old/*.md", "/else/where")
    assert narrowed([]) is None


def test_the_progress_marks_estimates_and_says_what_is_left() -> None:
    step = IngestProgress("working", 3, 10, 40, 130, 12.4, 7.3, "/docs/a.md")
    assert status_line(step) == "3 of 10 files · 40 of about 130 passages · 12/s · 7 s left"
    done = IngestProgress("working", 10, 10, 128, 128, 12.4, 0.0)
    assert status_line(done) == "10 of 10 files · 128 of 128 passages · 12/s"
    assert status_line(IngestProgress("scanning")) == ""
    assert status_line(IngestProgress("working", 0, 9, 0, 9_000, 1.0, 9_000.0)).endswith("2 h 30 min left")


def test_without_a_terminal_progress_comes_in_lines(
    docs: Path, words: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("agent.cli.progress.time", _Clock(now))
    done = ratchet("ingest", "docs")
    assert "of 3 files" in done.stderr
    assert "\r" not in done.stderr


class _Clock:
    """Time that flies: each look at it is eleven seconds later."""

    def __init__(self, now: list[float]) -> None:
        self._now = now

    def monotonic(self) -> float:
        self._now[0] += 11
        return self._now[0]
