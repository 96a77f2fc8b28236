"""The chat to share as a visitor uses it: by what is written on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import serving
from tests.e2e.browser.browsing import ANSWER


@dataclass(frozen=True, slots=True)
class Login:
    """A running chat, and an account that may use it."""

    url: str
    user: str
    password: str


@contextmanager
def shared(
    environment: Mapping[str, str],
    folder: Path,
    started_as: Callable[[serving.Server], serving.Server] = lambda server: server,
) -> Iterator[Login]:
    """A chat to share that runs within, with one account; its files are put into `folder`.

    Args:
        environment: the server's whole environment.
        folder: for its accounts and its log.
        started_as: changes how the server is started.
    """
    login = Login("", "anna", "a password of tests")
    accounts = folder / "accounts.txt"
    accounts.touch(mode=0o600)
    accounts.write_text(f"{login.user}:{login.password}\n", encoding="utf-8")
    options = ["--accounts", str(accounts), "--questions", "600"]
    with started_as(serving.share(environment, folder / "log.txt", *options)) as server:
        yield replace(login, url=server.url)


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
