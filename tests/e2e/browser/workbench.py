"""The workbench as a person uses it: by what is written on the page."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser.browsing import ANSWER


def labelled(words: str) -> re.Pattern[str]:
    """A label that ends with the words; the name of an icon may stand before."""
    return re.compile(rf"(^|\s){re.escape(words)}$")


class Workbench:
    """One tab of the workbench.

    Args:
        page: showing the workbench, or about to.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def field(self) -> Locator:
        """Where a question is written."""
        return self.page.get_by_role("textbox", name=re.compile("^Ask about your documents"))

    @property
    def answer(self) -> Locator:
        """The latest answer."""
        return self.page.locator(ANSWER).last

    @property
    def speaks(self) -> bool:
        """Whether the first word of an answer is there."""
        return self.page.locator(ANSWER).count() > 0

    @property
    def answers(self) -> int:
        """How many finished answers are shown with their buttons."""
        return self.button("Good").count()

    def button(self, label: str) -> Locator:
        """The buttons with this label."""
        return self.page.get_by_role("button", name=labelled(label))

    @property
    def stop(self) -> Locator:
        """The button that ends the answer, not Streamlit's own, which is there while a page is drawn."""
        return self.page.locator(".st-key-stop").get_by_role("button")

    def menu(self, label: str, choice: str) -> None:
        """Open a menu and choose from it."""
        self.button(label).last.click()
        self.page.get_by_role("menuitem", name=choice).or_(self.page.get_by_role("option", name=choice)).first.click()

    def ready(self) -> None:
        """Wait until a question can be typed."""
        expect(self.field).to_be_enabled()

    def ask(self, question: str) -> None:
        """Type a question and send it."""
        self.ready()
        self.field.fill(question)
        self.field.press("Enter")

    def choose_adapter(self, adapter: str) -> None:
        """Have the next questions of the conversation answered with another adapter."""
        self.ready()
        self.button("local:default").click()
        self.page.get_by_role("combobox", name=re.compile("Adapter$")).click()
        self.page.get_by_role("option", name=adapter).click()
        chosen = self.page.get_by_role("button", name=re.compile(r"^local:default \+ "))
        expect(chosen).to_be_visible()
        self.page.keyboard.press("Escape")

    def speaking(self) -> None:
        """Wait until an answer is being written."""
        expect(self.page.locator(".r-live")).not_to_be_empty()

    def finished(self, answers: int) -> None:
        """Wait until so many answers stand and nothing is being written."""
        expect(self.button("Good")).to_have_count(answers)
        self.ready()

    def asked(self, question: str) -> str:
        """Ask and wait for the answer; its text."""
        before = self.answers
        self.ask(question)
        self.finished(before + 1)
        return self.answer.inner_text()

    def settled(self) -> None:
        """Wait until the page is drawn to its end."""
        expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")

    def go(self, title: str) -> None:
        """Open a page by the navigation."""
        self.page.get_by_role("link", name=labelled(title)).first.click()
        expect(self.page.get_by_role("heading", level=1, name=title)).to_be_visible()
