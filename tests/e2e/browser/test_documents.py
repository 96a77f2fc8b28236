"""Documents: add files, see what could not be read, look into one, try a search, take one out again."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.browser.conftest import Visit
from tests.e2e.browser.workbench import Workbench

MAP = b"# Harbour\n\nThe harbour master is called Ines Prado.\n\n## Depth\n\nThe basin is nine metres deep.\n"


def choose(page: Page, label: str, choice: str) -> None:
    """Choose from a list by typing."""
    box = page.get_by_role("combobox", name=label)
    box.click()
    box.fill(choice)
    page.get_by_role("option").filter(has_text=choice).first.click()


def test_files_are_added_with_a_reason_for_each_that_cannot_be_read(workbench: str, visit: Visit) -> None:
    page = visit(f"{workbench}/documents")
    bench = Workbench(page)
    page.get_by_role("heading", name="Add documents").wait_for()
    files = [("harbour.md", "text/markdown", MAP), ("broken.pdf", "application/pdf", b"%PDF-1.4 not a document")]
    page.locator('[data-testid="stFileUploader"] input[type="file"]').set_input_files(
        [{"name": name, "mimeType": kind, "buffer": content} for name, kind, content in files]
    )
    expect(page.get_by_text("broken.pdf").first).to_be_visible()
    page.get_by_role("tabpanel", name="Upload").get_by_test_id("stBaseButton-primaryFormSubmit").click()
    expect(page.get_by_text("1 could not be read")).to_be_visible()
    expect(page.get_by_role("table", name="What could not be read")).to_contain_text("broken.pdf")
    files_of = page.get_by_role("table", name="Files of the collection")
    expect(files_of).to_contain_text("harbour.md")
    choose(page, "Look into a file", "harbour.md")
    expect(page.locator(".r-found").first).to_contain_text("harbour.md")
    page.locator(".r-found > summary").first.click()
    expect(page.locator(".r-found .r-passage").first).to_contain_text("Ines Prado")
    bench.button("Remove from the collection").click()
    bench.button("Remove").click()
    expect(page.get_by_text("Removed from the collection.")).to_be_visible()
    expect(files_of).not_to_contain_text("harbour.md")


def test_a_search_shows_where_each_way_of_searching_places_a_passage(workbench: str, visit: Visit) -> None:
    page = visit(f"{workbench}/documents")
    query = page.get_by_label("Question or key words")
    query.fill("rinse the filter")
    query.press("Enter")
    ranks = page.locator("table", has=page.get_by_role("columnheader", name="Meaning"))
    expect(ranks.locator("tbody tr").first).to_contain_text("guide.md")
    expect(ranks.locator("tbody tr").first).to_contain_text("Rinse the filter")
    for column in ("Meaning", "Words", "Together"):
        expect(ranks.get_by_role("columnheader", name=column)).to_be_visible()
