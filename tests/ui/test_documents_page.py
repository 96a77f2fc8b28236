"""The page Documents: add, watch, look into, try, remove."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("streamlit")

from agent.config import Settings
from tests.knowledge.words import WordEmbedder
from tests.ui.pages import Page, opened
from ui.app_library import get_library
from ui.documents_parts.adding import addresses_in
from ui.documents_parts.progress import told
from ui.library import Library

PUMP = "# Pump\n\nRinse the filter of the pump every two weeks.\n"
LAMP = "# Lamp\n\nThe lamp is lit at dusk.\n"


def documents() -> None:
    from ui import documents_page

    documents_page.page()


@pytest.fixture
def page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setattr("agent.embedder.build_embedder", lambda settings: WordEmbedder())
    with ExitStack() as stack:
        yield stack.enter_context(opened(documents, settings, monkeypatch)).run()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "pump.md").write_text(PUMP)
    (docs / "lamp.md").write_text(LAMP)
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    return docs


def settled(page: Page) -> Page:
    """Once the documents are read, as the page shows it by itself."""
    shelf = library()
    job = shelf.jobs.latest(shelf.within(str(page.at.selectbox[0].value)))
    assert job is not None and job.join(60)
    return page.run()


def library() -> Library:
    return get_library()


def add_folder(page: Page, folder: Path) -> Page:
    page.field("Folder or file").set_value(str(folder))
    return settled(page.click("Add folder"))


def test_an_empty_collection_teaches(page: Page) -> None:
    assert "Nothing is here yet" in page.html
    assert [header.value for header in page.at.header] == ["Add documents"]


def test_a_folder_is_added_with_its_failures_and_listed(page: Page, docs: Path) -> None:
    add_folder(page, docs)
    assert "2 added · 1 could not be read" in page.text
    assert "broken.pdf" in page.html and "pump.md" in page.html and "Nothing is here yet" not in page.html
    assert [metric.value for metric in page.at.metric][:2] == ["3", "2"]
    page.click("Close")
    assert "2 added" not in page.text


def test_uploads_are_read_and_those_that_cannot_be_are_named(page: Page) -> None:
    page.at.file_uploader[0].set_value([("pump.md", PUMP.encode(), "text/markdown"), ("a.exe", b"MZ", "x/y")])
    settled(page.click("Add files"))
    assert "1 added" in page.text
    assert "a.exe" in page.html and "cannot be read" in page.html


def test_an_address_that_is_refused_says_why(page: Page) -> None:
    page.field("Addresses").set_value("http://127.0.0.1:9/secret")
    settled(page.click("Add web pages"))
    assert "Nothing was added" in page.text and "127.0.0.1" in page.html


def test_forgetting_to_choose_is_no_error(page: Page) -> None:
    for button, says in (("Add files", "Choose one"), ("Add folder", "Name a folder"), ("Add web pages", "Write the")):
        assert says in page.click(button).text
    assert library().jobs.latest(library().settings) is None


def test_a_file_is_looked_into_and_removed(page: Page, docs: Path) -> None:
    add_folder(page, docs)
    page.field("Look into").set_value(str(docs / "pump.md"))
    page.run()
    assert "Rinse the filter of the pump" in page.html
    page.click("Remove from the collection").click("Keep")
    assert len(library().files("default")) == 3
    page.click("Remove from the collection").click("Remove")
    assert "Removed from the collection" in page.text and "reads it again" in page.text
    assert [Path(entry.source).name for entry in library().files("default")] == ["broken.pdf", "lamp.md"]
    assert (docs / "pump.md").exists()


def test_what_came_of_the_last_removal_is_told_where_no_file_is_left(page: Page, docs: Path) -> None:
    for name in ("lamp.md", "broken.pdf"):
        (docs / name).unlink()
    add_folder(page, docs / "pump.md")
    page.field("Look into").set_value(str(docs / "pump.md"))
    page.run().click("Remove from the collection").click("Remove")
    assert "Removed from the collection" in page.text and "Nothing is here yet" in page.html
    assert "Removed from the collection" not in page.run().text


def test_what_was_entered_stays_while_the_collection_is_busy(page: Page, docs: Path) -> None:
    gate = threading.Event()

    def waits(report: Callable[..., None]) -> tuple[None, tuple[()]]:
        gate.wait(60)
        return None, ()

    library().jobs.start(library().settings, "Adding a book", waits)
    page.field("Folder or file").set_value(str(docs))
    assert "This collection is busy" in page.click("Add folder").html
    assert page.run().field("Folder or file").value == str(docs)
    gate.set()
    settled(page)
    settled(page.click("Add folder"))
    assert "2 added" in page.text and page.field("Folder or file").value == ""


def test_files_are_found_by_name_and_by_failure(page: Page, docs: Path) -> None:
    add_folder(page, docs)
    page.field("Find a file").set_value("LAMP")
    assert page.run().field("Look into").options == [f"{docs.name}/lamp.md"]
    page.field("Find a file").set_value("nothing like it")
    assert "No file has this in its name" in page.run().text
    page.field("Find a file").set_value("")
    page.at.toggle[0].set_value(True)
    assert page.run().field("Look into").options == [f"{docs.name}/broken.pdf"]


def test_a_search_shows_the_three_rankings(page: Page, docs: Path) -> None:
    add_folder(page, docs)
    assert "See why a passage is found" in page.text
    page.field("Question or key words").set_value("rinse the filter of the pump")
    page.click("Search")
    assert "Meaning" in page.html and "Together" in page.html and "<mark>filter</mark>" in page.html
    assert "rins" in page.text
    page.at.segmented_control[0].set_value("words")
    page.run()
    assert "<mark>filter</mark>" in page.html and "dusk" not in page.html


def test_a_collection_is_begun_filled_and_deleted(page: Page, docs: Path) -> None:
    page.field("Name").set_value("../../etc")
    page.click("Begin it")
    assert "cannot be the name of a collection" in page.html
    page.field("Name").set_value("work")
    page.click("Begin it")
    assert page.at.selectbox[0].value == "work" and "Chats answer from another collection" in page.text
    add_folder(page, docs)
    assert [facts.name for facts in library().collections()] == ["default", "work"]
    page.click("Delete the collection").click("Delete for good")
    assert [facts.name for facts in library().collections()] == ["default"]
    assert page.at.selectbox[0].value == "work", "what was begun can be filled again"


def test_changes_are_looked_for(page: Page, docs: Path) -> None:
    add_folder(page, docs)
    (docs / "pump.md").unlink()
    settled(page.click("Look for changes"))
    assert "1 removed" in page.text


def test_another_embedder_is_explained_and_mended(page: Page, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_folder(page, docs)
    monkeypatch.setattr("agent.embedder.build_embedder", lambda settings: WordEmbedder("another"))
    library().close()
    page.field("Question or key words").set_value("filter")
    assert "was made with the embedder" in page.click("Search").html
    settled(page.click("Look for changes"))
    assert "under Upkeep" in page.text
    settled(page.click("Embed anew"))
    assert "<mark>filter</mark>" in page.run().html


def test_a_damaged_collection_is_named_and_made_anew(page: Page, docs: Path) -> None:
    add_folder(page, docs)
    folder = library().settings.index_folder
    manifest = next(folder.glob("gen-*/manifest.json"))
    manifest.write_text("{")
    page.run()
    assert "damaged" in page.html
    settled(page.click("Read everything anew"))
    assert "pump.md" in page.run().html or "Name the folders" in page.html


def test_reading_can_be_watched_and_stopped(page: Page) -> None:
    gate = threading.Event()

    def waits(report: Callable[..., None]) -> tuple[None, tuple[()]]:
        gate.wait(30)
        return None, ()

    job = library().jobs.start(library().settings, "Adding [x](http://evil.example)", waits)
    page.run()
    page.click("Stop")
    assert job.stopping and "Stopping" in str(page.at.get("progress")[0].proto.text)
    gate.set()
    assert "Nothing was added" in settled(page).text


def test_progress_is_a_part_and_a_line() -> None:
    from knowledge.schema import IngestProgress

    assert told(IngestProgress("scanning")) == (0.0, "Looking for documents")
    done, line = told(IngestProgress("working", 1, 4, 10, 40, rate=5.0))
    assert done == 0.25 and line.startswith("Reading · 1 of 4 files")
    assert told(IngestProgress("fetching", 1, 4))[1] == "Fetching · 1 of 4"


def test_addresses_are_read_as_people_write_them() -> None:
    assert addresses_in(" example.org/a \n\nhttp://b.example\nexample.org/a") == [
        "https://example.org/a",
        "http://b.example",
    ]
