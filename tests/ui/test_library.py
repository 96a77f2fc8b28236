"""Collections as the pages see them: listed, looked into, thinned out and deleted, always as they are now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.config import Settings
from agent.errors import ConfigError, EmbedderMismatch, IndexMissing, SourceMissing
from tests.knowledge.words import WordEmbedder
from ui.ingesting import Work, adding, keeping
from ui.library import Library, address_of

PUMP = "# Pump\n\nRinse the filter every two weeks.\n"
LAMP = "# Lamp\n\nThe lamp is lit at dusk.\n"


@pytest.fixture
def shelf(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setattr("agent.embedder.build_embedder", lambda settings: WordEmbedder())
    with closing(Library(settings)) as shelf:
        yield shelf


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "pump.md").write_text(PUMP)
    (docs / "lamp.md").write_text(LAMP)
    return docs


def do(shelf: Library, work: Work, collection: str = "default") -> None:
    job = shelf.jobs.start(shelf.within(collection), "Adding", work)
    assert job.join(60) and job.error is None, job.error


def test_the_chosen_collection_comes_first_even_before_it_exists(shelf: Library, docs: Path) -> None:
    assert [facts.name for facts in shelf.collections()] == ["default"]
    assert shelf.files("default") == []
    do(shelf, adding(shelf.within("aaa"), [docs]), "aaa")
    assert [(facts.name, facts.files) for facts in shelf.collections()] == [("default", 0), ("aaa", 2)]


@pytest.mark.parametrize("name", ["", "../../etc", "a/b", ".hidden", "x" * 65, "semi;colon"])
def test_a_name_that_could_lead_elsewhere_is_refused(shelf: Library, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name"):
        shelf.within(name)


def test_what_was_read_is_shown_and_changes_are_seen(shelf: Library, docs: Path) -> None:
    do(shelf, adding(shelf.settings, [docs]))
    pump = str(docs / "pump.md")
    (passage,) = shelf.passages("default", pump, 0, 10)
    assert "Rinse the filter" in passage.text
    assert shelf.passages("default", pump, 1, 10) == []
    (docs / "pump.md").write_text(PUMP.replace("two", "three"))
    do(shelf, adding(shelf.settings, [docs]))
    assert "three weeks" in shelf.passages("default", pump, 0, 10)[0].text
    assert shelf.search_ranks("default", "filter weeks").standings[0].passage.source == pump


def test_a_collection_of_another_embedder_can_be_looked_into_but_not_searched(shelf: Library, docs: Path) -> None:
    do(shelf, adding(shelf.settings, [docs]))
    shelf._embedder = WordEmbedder("another")
    assert shelf.passages("default", str(docs / "pump.md"), 0, 1)
    with pytest.raises(EmbedderMismatch):
        shelf.search_ranks("default", "filter")


def test_a_file_of_the_users_stays_and_says_who_follows_it(shelf: Library, docs: Path) -> None:
    do(shelf, adding(shelf.settings, [docs]))
    removed = shelf.remove("default", [str(docs / "pump.md")])
    assert (removed.files, removed.copies, removed.followed) == ([str(docs / "pump.md")], [], [str(docs)])
    assert (docs / "pump.md").read_text() == PUMP
    assert [Path(entry.source).name for entry in shelf.files("default")] == ["lamp.md"]


def test_what_is_gone_already_is_said(shelf: Library, docs: Path) -> None:
    do(shelf, adding(shelf.settings, [docs]))
    shelf.remove("default", [str(docs / "pump.md")])
    with pytest.raises(SourceMissing, match="no longer"):
        shelf.remove("default", [str(docs / "pump.md")])


def test_an_upload_is_deleted_when_no_collection_needs_it(shelf: Library) -> None:
    for collection in ("default", "other"):
        do(shelf, keeping(shelf.within(collection), [("pump.md", PUMP.encode())]), collection)
    copy = shelf.settings.home / "uploads" / "pump.md"
    assert shelf.remove("default", [str(copy)]).copies == []
    assert copy.exists(), "the other collection still holds it"
    assert shelf.remove("other", [str(copy)]).copies == [str(copy)]
    assert not copy.exists()


def test_a_collection_is_deleted_and_the_documents_are_not(shelf: Library, docs: Path) -> None:
    do(shelf, adding(shelf.settings, [docs]))
    assert shelf.search_ranks("default", "lamp").standings
    shelf.delete("default")
    assert shelf.files("default") == []
    assert (docs / "lamp.md").exists()
    with pytest.raises(IndexMissing):
        shelf.search_ranks("default", "lamp")


def test_memory_is_kept_in_the_home(shelf: Library) -> None:
    fact = shelf.facts.add("The staging server is called heron.")
    assert shelf.facts.all() == [fact]
    shelf.close()
    assert shelf.facts.all() == [fact], "it is opened again"


def test_a_copy_of_a_web_page_is_known_by_its_address(tmp_path: Path) -> None:
    page = tmp_path / "web" / "example.org" / "page.html"
    page.parent.mkdir(parents=True)
    page.write_text("<p>Hello")
    assert address_of(str(page)) == ""
    page.with_name(".page.html.json").write_text('{"url": "https://example.org/page"}')
    assert address_of(str(page)) == "https://example.org/page"
    assert address_of(str(tmp_path / "mine.html")) == ""
