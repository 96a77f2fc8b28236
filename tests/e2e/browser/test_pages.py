"""What each other page of the workbench is for, done once."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.browser.conftest import Visit
from tests.e2e.browser.documents import WARRANTY
from tests.e2e.browser.workbench import Workbench

SECRET = "sk-a-key-of-tests"
OWN = "I measure in metric units."


def test_what_is_remembered_is_edited_and_forgotten(workbench: str, visit: Visit) -> None:
    page = visit(f"{workbench}/memory")
    bench = Workbench(page)
    page.get_by_label("Something to remember").fill(OWN)
    bench.button("Remember").click()
    fact = page.locator("[class*='st-key-memory-fact-']").filter(has_text=OWN)
    expect(fact).to_be_visible()
    fact.get_by_role("button").filter(has_text="Edit").click()
    page.get_by_label("What to remember instead").fill("I measure in furlongs.")
    bench.button("Save").click()
    changed = page.locator("[class*='st-key-memory-fact-']").filter(has_text="furlongs")
    expect(changed).to_be_visible()
    changed.get_by_role("button").filter(has_text="Forget").click()
    bench.button("Forget it").click()
    expect(page.get_by_text("Forgotten, and removed from the disk.")).to_be_visible()
    expect(page.get_by_text("furlongs")).to_have_count(0)


def test_two_sides_answer_and_are_voted_on_blindly(workbench: str, visit: Visit) -> None:
    page = visit(f"{workbench}/arena")
    bench = Workbench(page)
    page.get_by_label("Questions, one a line").fill(WARRANTY)
    page.keyboard.press("Tab")
    bench.button("Begin").click()
    expect(page.get_by_text("Answer B", exact=True)).to_be_visible()
    assert "as it is served" not in page.get_by_test_id("stMain").inner_text()
    bench.button("A is better").click()
    expect(page.get_by_role("table", name="Results of the match")).to_be_visible()


def test_quality_counts_the_answers_that_were_given(workbench: str, visit: Visit) -> None:
    page = visit(f"{workbench}/quality")
    expect(page.get_by_test_id("stMetric").filter(has_text="Supported sentences")).to_contain_text("%")
    page.get_by_role("radio", name="Search").or_(page.get_by_role("button", name="Search")).first.click()
    expect(page.get_by_role("heading", name="Search")).to_be_visible()


def test_settings_are_saved_and_a_key_is_never_shown_again(workbench: str, visit: Visit) -> None:
    page = visit(f"{workbench}/settings")
    bench = Workbench(page)
    passages = page.get_by_role("spinbutton", name="Passages per question")
    page.get_by_role("tab", name="Documents").click()
    passages.fill("6")
    page.keyboard.press("Tab")
    page.get_by_role("tabpanel").filter(has=passages).get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved: 1 setting.")).to_be_visible()
    page.get_by_role("tab", name="Keys").click()
    page.get_by_role("textbox", name="New key for hosted models").fill(SECRET)
    bench.button("Save key").first.click()
    expect(page.get_by_text("A key is set.").first).to_be_visible()
    page.reload()
    page.get_by_role("tab", name="Keys").click()
    expect(page.get_by_text("A key is set.").first).to_be_visible()
    assert SECRET not in page.content()
    expect(page.get_by_role("textbox", name="New key for hosted models")).to_have_value("")


def test_everything_is_found_in_order(workbench: str, visit: Visit) -> None:
    page = visit(f"{workbench}/about")
    Workbench(page).button("Check everything").click()
    checks = page.get_by_role("table", name="Checks")
    expect(checks).to_contain_text("embedder")
    expect(checks).not_to_contain_text("✗")


def test_every_page_is_reached_by_the_navigation(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    bench.ready()
    for title in ("Documents", "Memory", "Improve", "Quality", "Arena", "Settings", "About"):
        bench.go(title)
