"""The page Settings: what is saved is valid, is in the user's file, and never shows a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("streamlit")

from agent.config import load_settings, user_folder
from tests.ui.pages import Page, opened
from ui import app_desk
from ui.desk import Desk

CANARY = "sk-canary-0123456789"


def settings_page() -> None:
    from ui import settings_page

    settings_page.page()


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Page]]:
    with ExitStack() as stack:

        def open_one() -> Page:
            page = stack.enter_context(opened(settings_page, load_settings(), monkeypatch))
            monkeypatch.setattr(app_desk, "open_desk", lambda: Desk(load_settings()))
            return page.run()

        yield open_one


def own() -> Path:
    return user_folder() / "ratchet.toml"


def save(page: Page, group: str) -> Page:
    page.at.button(key=f"settings-save-{group}").click()
    return page.run()


def everything(page: Page) -> str:
    """All that the browser is sent, labels and values of widgets included."""
    return str(page.at._tree) + page.html + page.text


def test_a_model_is_chosen_and_used_at_once(open_page: Callable[[], Page]) -> None:
    page = open_page()
    page.field("Model").set_value("ollama:llama3.2")
    save(page, "Model")
    assert "Saved: 1 setting." in page.text
    assert load_settings().model.name == "ollama:llama3.2"
    assert app_desk.get_desk().settings.model.name == "local:default"
    page.click("Use it now")
    assert "In use now." in page.text
    assert app_desk.get_desk().settings.model.name == "ollama:llama3.2"
    assert not [button for button in page.at.button if button.label == "Use it now"]


def test_saving_one_group_leaves_what_was_entered_in_the_others(open_page: Callable[[], Page]) -> None:
    page = open_page()
    before = page.field("Passages per question").id
    page.field("Longest answer").set_value(300)
    save(page, "Model")
    assert page.field("Passages per question").id == before, "another widget would be empty again"


def test_nothing_is_written_when_nothing_was_changed(open_page: Callable[[], Page]) -> None:
    assert "Nothing was changed" in save(open_page(), "Model").text
    assert not own().exists()


def test_what_is_not_allowed_is_refused_with_the_reason(open_page: Callable[[], Page]) -> None:
    page = open_page()
    page.field("Collection that chats").set_value("../../etc")
    save(page, "Documents")
    assert "knowledge.collection" in page.html and "Nothing was changed" in page.html
    assert not own().exists()


def test_a_permission_that_is_loosened_is_said(open_page: Callable[[], Page]) -> None:
    page = open_page()
    page.field("Tools that run code").set_value("allow")
    save(page, "Tools")
    assert "run without asking" in page.text and "Tools that run code" in page.text
    assert load_settings().tools.execute == "allow"


def test_a_key_is_entered_once_and_never_shown_again(open_page: Callable[[], Page]) -> None:
    page = open_page()
    assert "No key is set." in page.text
    page.field("New key for hosted").set_value(CANARY)
    page.at.button(key="settings-keep-model.api_key").click()
    page.run()
    assert load_settings().model.api_key.get_secret_value() == CANARY
    assert "A key is set." in page.text and CANARY not in everything(page)
    assert CANARY not in str(dict(page.at.session_state.items()))
    assert CANARY not in everything(open_page())
    page.at.button(key="settings-forget-model.api_key").click()
    page.run()
    assert not load_settings().model.api_key.get_secret_value()
    assert not any(CANARY in path.read_text() for path in own().parent.iterdir())


def test_an_empty_key_is_not_saved(open_page: Callable[[], Page]) -> None:
    page = open_page()
    page.at.button(key="settings-keep-model.api_key").click()
    assert "Enter a key first" in page.run().text
    assert not own().exists()


def test_a_folders_own_file_is_shown_and_not_changed(tmp_path: Path, open_page: Callable[[], Page]) -> None:
    (tmp_path / "ratchet.toml").write_text("[knowledge]\ntop_k = 7\n")
    page = open_page()
    assert "not changed" in page.text
    assert page.field("Passages per question").value == 7
    assert all(button.disabled for button in page.at.button if "save" in str(button.key))


def test_what_a_variable_decides_is_locked(open_page: Callable[[], Page], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_MODEL__NAME", "ollama:theirs")
    monkeypatch.setenv("RATCHET_MODEL__API_KEY", CANARY)
    page = open_page()
    field = page.field("Model (decided by a variable)")
    assert field.disabled and field.value == "ollama:theirs"
    assert "by a variable of the environment" in page.text and CANARY not in everything(page)
    page.field("Longest answer").set_value(300)
    save(page, "Model")
    assert load_settings().model.max_tokens == 300


def test_another_writer_is_seen_and_not_undone(open_page: Callable[[], Page]) -> None:
    page = open_page()
    own().parent.mkdir(parents=True)
    own().write_text("[model]\nmax_tokens = 99\n")
    page.run()
    assert page.field("Longest answer").value == 99
    page.field("Temperature").set_value(1.0)
    save(page, "Model")
    assert (load_settings().model.max_tokens, load_settings().model.temperature) == (99, 1.0)


def test_a_single_tool_is_denied_and_freed_again(open_page: Callable[[], Page]) -> None:
    own().parent.mkdir(parents=True)
    own().write_text('[tools.policy]\nrun_python = "ask"  # careful\n')
    page = open_page()
    assert page.field("What it may do").value == "ask", "what holds now"
    page.field("What it may do").set_value("deny")
    page.click("Save for this tool")
    assert load_settings().tools.policy == {"run_python": "deny"}
    page.field("What it may do").set_value("kind")
    page.click("Save for this tool")
    assert load_settings().tools.policy == {}


def test_every_setting_is_listed(open_page: Callable[[], Page]) -> None:
    html = open_page().html
    assert "tools.python_megabytes" in html and "knowledge.loaders" in html
