"""The chat to share as a visitor uses it: by what is written on the page."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser.browsing import ANSWER


@dataclass(frozen=True, slots=True)
class Login:
    """A running chat, and an account that may use it."""

    url: str
    user: str
    password: str


class Share:
    """One tab of the shared chat.

    Args:
        page: showing the chat, or its login.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def field(self) -> Locator:
        """Where a question is written."""
        return self.page.get_by_role("textbox", name="Your question")

    @property
    def answer(self) -> Locator:
        """The latest answer."""
        return self.page.locator(ANSWER).last

    def button(self, label: str) -> Locator:
        """The buttons with this label."""
        return self.page.get_by_role("button", name=label, exact=True)

    def log_in(self, login: Login, password: str | None = None) -> None:
        """Fill in the login and send it."""
        self.page.get_by_label("User name").fill(login.user)
        self.page.get_by_label("Password").fill(login.password if password is None else password)
        self.button("Log in").click()

    def ask(self, question: str) -> None:
        """Type a question and send it."""
        self.field.fill(question)
        self.button("Send").click()

    def speaking(self) -> None:
        """Wait until an answer is being written."""
        expect(self.page.locator(".r-live")).not_to_be_empty()

    def finished(self, answers: int) -> None:
        """Wait until so many answers stand and nothing is being written."""
        expect(self.button("👍 Helpful")).to_have_count(answers)

    def asked(self, question: str) -> str:
        """Ask and wait for the answer; its text."""
        before = self.button("👍 Helpful").count()
        self.ask(question)
        self.finished(before + 1)
        return self.answer.inner_text()
