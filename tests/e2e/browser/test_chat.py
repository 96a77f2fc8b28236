"""The chat of the workbench: ask, read the source, judge, decide, stop, come back."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.browser.conftest import Visit
from tests.e2e.browser.documents import CLEANING, FLIGHT, MANUAL, SHORT_THREAD, STORY, TALKATIVE, WARRANTY
from tests.e2e.browser.workbench import Workbench


def remembered(bench: Workbench, text: str) -> int:
    """How often a text stands on the page of what is remembered."""
    bench.go("Memory")
    bench.settled()
    return bench.page.get_by_role("main").get_by_text(text).count()


def test_an_answer_cites_and_a_click_on_the_number_opens_the_exact_passage(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    assert "24 months" in bench.asked(WARRANTY)
    passage = page.locator(".r-source mark").first
    expect(passage).to_be_hidden()
    bench.answer.get_by_role("link", name="[1]").first.click()
    expect(passage).to_be_visible()
    expect(passage).to_contain_text("24 months")
    expect(passage).to_be_in_viewport()
    source = page.locator("details.r-source[open]")
    expect(source).to_contain_text("guide.md")
    expect(source).to_contain_text("Warranty")


def test_a_file_added_with_the_question_answers_it(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    bench.ready()
    manual = {"name": "kestrel.md", "mimeType": "text/markdown", "buffer": MANUAL.encode()}
    page.locator('[data-testid="stChatInput"] input[type="file"]').set_input_files([manual])
    expect(page.get_by_text("kestrel.md")).to_be_visible()
    bench.ask(FLIGHT)
    bench.finished(1)
    expect(bench.answer).to_contain_text("31 minutes")
    expect(page.locator(".r-source").first).to_contain_text("kestrel.md")


def test_a_correction_appears_in_the_inbox(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    bench.asked(CLEANING)
    bench.button("Bad").click()
    right = "Every two weeks, under cold water, and never with soap (as corrected)."
    page.get_by_label("What should it have said?").fill(right)
    bench.button("Keep the correction").click()
    expect(page.get_by_label("What should it have said?")).to_have_count(0)
    bench.go("Improve")
    expect(page.get_by_text(right)).to_be_visible()


def asked_to_forget(bench: Workbench, fact: str) -> None:
    """Have a fact remembered and ask to forget it, which waits for a decision."""
    assert fact in bench.asked(f"Remember that {fact}.")
    bench.ask(f"Forget that {fact}.")
    expect(bench.page.get_by_text("Delete the remembered fact")).to_be_visible()


def test_a_call_that_lasts_asks_first_and_runs_when_approved(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    asked_to_forget(bench, "my pump has the serial number 4711")
    bench.button("Approve").click()
    bench.finished(2)
    expect(page.locator(".r-step")).to_contain_text("forget")
    assert remembered(bench, "my pump has the serial number 4711") == 0


def test_a_rejected_call_does_not_run_and_the_conversation_goes_on(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    asked_to_forget(bench, "my favourite colour is teal")
    page.get_by_label(re.compile("^If you reject it")).fill("it may be of use")
    bench.button("Reject").click()
    bench.finished(2)
    expect(page.locator(".r-step")).to_contain_text("rejected")
    assert "24 months" in bench.asked(WARRANTY)
    assert remembered(bench, "my favourite colour is teal") == 1


def test_an_approval_outlasts_a_reload_and_what_it_would_do_can_be_edited(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    bench.asked("Remember that my door is green.")
    asked_to_forget(bench, "my hose is red")
    page.reload()
    bench.button("Edit").click()
    page.get_by_label("fact", exact=True).fill("my door is green")
    page.keyboard.press("Tab")
    bench.button("Run it so").click()
    bench.finished(3)
    assert remembered(bench, "my door is green") == 0
    assert remembered(bench, "my hose is red") == 1


def test_stop_ends_the_answer_and_keeps_what_was_said(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    bench.choose_adapter(TALKATIVE)
    bench.ask(STORY)
    bench.speaking()
    bench.stop.click()
    bench.finished(1)
    expect(page.get_by_text("Stopped; what was said is kept.").first).to_be_visible()
    assert bench.answer.inner_text().strip()
    assert "24 months" in bench.asked(WARRANTY)


def test_a_reload_in_the_middle_of_an_answer_loses_nothing(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    bench.choose_adapter(TALKATIVE)
    bench.ask(STORY)
    bench.speaking()
    before = bench.answer.inner_text()
    page.reload()
    bench.speaking()
    expect(page.get_by_text(STORY).last).to_be_visible()
    expect(page.locator(".r-live")).to_contain_text(before[:40])
    page.keyboard.press("Escape")
    bench.finished(1)
    assert bench.answer.inner_text().startswith(before[:20])
    expect(page.locator(".r-question")).to_have_count(1)


def test_a_second_tab_shows_the_answer_that_the_first_one_asked_for(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    bench.choose_adapter(TALKATIVE)
    bench.ask(STORY)
    bench.speaking()
    tab = page.context.new_page()
    tab.goto(page.url)
    second = Workbench(tab)
    second.speaking()
    second.stop.click()
    second.finished(1)
    bench.finished(1)
    assert bench.answer.inner_text() == second.answer.inner_text()


def test_an_earlier_question_is_edited_in_a_new_conversation(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    bench.asked(WARRANTY)
    first = page.url
    bench.menu("More", "Edit the question")
    page.get_by_label("Your question").fill(CLEANING)
    page.keyboard.press("Tab")
    bench.button("Ask").click()
    expect(bench.answer).to_contain_text("two weeks")
    bench.finished(1)
    assert page.url != first
    page.goto(first)
    expect(bench.answer).to_contain_text("24 months")


def test_answer_again_replaces_the_last_answer(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    bench.asked(WARRANTY)
    number = bench.answer.get_by_role("link", name="[1]").first
    passage = number.get_attribute("href") or ""
    bench.button("Answer again").click()
    expect(number).not_to_have_attribute("href", passage)
    bench.finished(1)
    expect(page.locator(".r-question")).to_have_count(1)
    expect(bench.answer).to_contain_text("24 months")


def test_a_conversation_is_renamed_found_and_deleted(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    bench.asked("What is 17 * 23?")
    bench.button("Rename").click()
    page.get_by_label("Title", exact=True).fill("Sums of the day")
    bench.button("Save").click()
    expect(bench.button("Sums of the day")).to_be_visible()
    bench.button("New chat").click()
    search = page.get_by_label("Search conversations")
    search.fill("sums day")
    search.press("Enter")
    expect(bench.button("Sums of the day")).to_be_visible()
    bench.button("Sums of the day").click()
    expect(bench.answer).to_contain_text("391")
    bench.button("Delete").click()
    bench.button("Delete for good").click()
    expect(bench.button("Sums of the day")).to_have_count(0)
    expect(page.get_by_text("391")).to_have_count(0)


def test_a_conversation_is_exported(workbench: str, visit: Visit) -> None:
    page = visit(f"{workbench}/?thread={SHORT_THREAD}")
    bench = Workbench(page)
    bench.finished(2)
    bench.button("local:default").click()
    assert "24 months" in downloaded(page, bench, "Export as Markdown").read_text(encoding="utf-8")
    assert json.loads(downloaded(page, bench, "Export as JSON").read_text(encoding="utf-8"))


def downloaded(page: Page, bench: Workbench, label: str) -> Path:
    with page.expect_download() as download:
        bench.button(label).click()
    return Path(download.value.path())


def test_a_question_is_asked_with_the_keyboard_alone(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    bench = Workbench(page)
    bench.ready()
    for _ in range(60):
        if bench.field.evaluate("field => field === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.type(WARRANTY)
    page.keyboard.press("Enter")
    bench.finished(1)
    expect(bench.answer).to_contain_text("24 months")
