"""The chat page as a person uses it: clicks and questions through the real desk, with a model that plays a script."""

from __future__ import annotations

import threading
import tomllib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.config import Settings
from agent.errors import ApprovalError, ServerUnreachable, SessionBusy
from agent.schema import ToolCall, Turn
from tests.agent.scripted import ScriptedModel
from tests.agent.witness import Witness, witnessed

pytest.importorskip("streamlit")

import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from agent import blind
from agent.adapters import ServedAdapter
from agent.calls.approvals import ApprovalRequest
from knowledge.schema import IngestProgress
from ui import app as app_pages
from ui import app_desk, chat_page
from ui.app_library import apply_settings
from ui.chat_parts import approval_cards, comparing, composer, jobs
from ui.desk import Desk

UI = Path(app_desk.__file__).parent
HOUSE = """# The house

The door of the house is painted blue. The house was built in 1901 by Ada Byron.

## Garden

Seven apple trees grow in the garden behind the house.
"""
BLUE = "The door of the house is painted blue."


def chat() -> None:
    from ui import chat_page

    chat_page.page()


class Page:
    """A tab of the browser at the chat page, and the desk behind it."""

    def __init__(self, desk: Desk, model: ScriptedModel, settings: Settings) -> None:
        self.desk = desk
        self.model = model
        self.settings = settings
        self.at = AppTest.from_function(chat, default_timeout=60)

    @property
    def thread(self) -> str:
        named = self.at.query_params["thread"]
        return named if isinstance(named, str) else str(named[0])

    def run(self) -> Page:
        self.at.run()
        assert not self.at.exception, self.at.exception
        return self

    def ask(self, question: str) -> Page:
        self.at.chat_input[0].set_value(question)
        return self.run()

    def click(self, start: str) -> Page:
        next(button for button in self.at.button if str(button.key).startswith(start)).click()
        return self.run()

    def choose(self, turn_id: str, kind: str) -> Page:
        """Pick from the menu More of an answer."""
        self.at.menu_button(key=f"more-{turn_id}").click(kind)
        return self.run()

    @property
    def html(self) -> str:
        return "\n".join(element.value for element in self.at.get("html"))

    def other_tab(self, thread: str) -> Page:
        tab = Page(self.desk, self.model, self.settings)
        tab.at.query_params["thread"] = thread
        return tab


@pytest.fixture
def open_page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Page]]:
    desks: list[Desk] = []

    def open_one(*script: Any) -> Page:
        st.cache_data.clear()
        st.cache_resource.clear()
        model = ScriptedModel(script=list(script))
        scripted = settings.model_copy(update={"model": settings.model.model_copy(update={"name": "openai:scripted"})})
        desk = Desk(scripted, model=model)
        desks.append(desk)
        monkeypatch.setattr(app_desk, "open_desk", lambda: desk)
        return Page(desk, model, scripted).run()

    yield open_one
    st.cache_resource.clear()
    for desk in desks:
        desk.close()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "house.md").write_text(HOUSE)
    return folder


def add(page: Page, folder: Path) -> None:
    page.desk.add_files([(file.name, file.read_bytes()) for file in sorted(folder.iterdir())])


def test_a_question_is_answered_with_its_source(open_page: Callable[..., Page], house: Path) -> None:
    page = open_page(BLUE)
    add(page, house)
    page.ask("What colour is the door of the house?")
    (turn,) = page.desk.turns(page.thread)
    assert turn.answer == f"{BLUE} [1]"
    assert "painted blue" in page.html
    assert "house.md" in page.html
    assert "What colour is the door" in page.html
    assert [message.name for message in page.at.chat_message] == ["user", "assistant"]


def test_an_empty_page_teaches_and_then_suggests(open_page: Callable[..., Page], house: Path) -> None:
    page = open_page(BLUE)
    assert "There are none yet" in page.html
    add(page, house)
    page.run()
    suggested = [button for button in page.at.button if str(button.key).startswith("suggested-")]
    assert suggested
    page.click("suggested-0")
    assert len(page.desk.turns(page.thread)) == 1


def test_a_reload_comes_back_to_the_conversation(open_page: Callable[..., Page]) -> None:
    page = open_page("Hello there.").ask("Say hello to me, please")
    again = page.other_tab(page.thread).run()
    assert "Hello there." in again.html
    assert again.thread == page.thread


def test_a_reload_amid_an_answer_shows_all_of_it(open_page: Callable[..., Page]) -> None:
    page = open_page("One two three four five.")
    go_on = threading.Event()
    page.model._after_first = lambda: go_on.wait(10)
    thread = page.thread
    page.desk.ask(thread, "Count to five for me, please")
    threading.Timer(0.7, go_on.set).start()
    tab = page.other_tab(thread).run()
    assert "One two three four five." in tab.html
    assert len(page.desk.turns(thread)) == 1


def test_an_answer_that_new_settings_broke_off_is_given_anew(
    open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page("One two three four five.", "Once more.")
    speaking, go_on = threading.Event(), threading.Event()
    page.model._after_first = lambda: (speaking.set(), go_on.wait(10))
    page.desk.ask(page.thread, "Count to five for me, please")
    assert speaking.wait(60)
    later = Desk(page.settings, model=page.model)
    monkeypatch.setattr(app_desk, "open_desk", lambda: later)
    threading.Timer(0.3, go_on.set).start()
    apply_settings()
    assert "Once more." in page.run().html
    later.close()


def test_a_question_sent_amid_an_answer_is_asked_after_it(open_page: Callable[..., Page]) -> None:
    page = open_page("One two three.", "Four five six.")
    go_on = threading.Event()
    page.model._after_first = lambda: go_on.wait(10)
    page.desk.ask(page.thread, "Count to three for me, please")
    threading.Timer(0.7, go_on.set).start()
    page.ask("Count to six for me, please")
    assert [turn.answer for turn in page.desk.turns(page.thread)] == ["One two three.", "Four five six."]


def test_what_another_tab_does_is_noticed(open_page: Callable[..., Page]) -> None:
    page = open_page("One two three.")
    before = chat_page._standing(page.desk, page.thread)
    assert chat_page._standing(page.desk, page.thread) == before
    page.other_tab(page.thread).run().ask("Count to three for me, please")
    assert chat_page._standing(page.desk, page.thread) != before


def test_stopping_keeps_what_was_said(open_page: Callable[..., Page]) -> None:
    page = open_page("One two three four five six seven eight nine ten.")

    def stop() -> None:
        live = page.desk.live(page.thread)
        if live is not None:
            live.stop()

    page.model._after_first = stop
    page.ask("Count to ten for me, please")
    (turn,) = page.desk.turns(page.thread)
    assert turn.status == "cancelled"
    assert "Stopped; what was said is kept." in page.html


def test_a_failure_is_explained_and_can_be_tried_again(open_page: Callable[..., Page]) -> None:
    gone = ServerUnreachable("Nothing answers at the address.", fix="Start the server.")
    page = open_page(gone, "Here I am again.").ask("Tell me something, please")
    assert "Nothing answers at the address." in page.html
    assert "Start the server." in page.html
    page.click("retry-")
    assert "Here I am again." in page.html


def test_an_answer_can_be_given_again(open_page: Callable[..., Page]) -> None:
    page = open_page("First answer.", "Second answer.").ask("Tell me something, please")
    page.click("again-")
    (turn,) = page.desk.turns(page.thread)
    assert turn.answer == "Second answer."


def test_thumbs_are_recorded_and_a_bad_one_asks_for_the_right_answer(open_page: Callable[..., Page]) -> None:
    page = open_page("The capital is Lyon.").ask("Tell me the capital of France, please")
    (turn,) = page.desk.turns(page.thread)
    page.click("rate-1-")
    page.click("rate--1-")
    page.at.text_area(key=f"correction-{turn.turn_id}").set_value("The capital is Paris.")
    page.at.text_input(key=f"comment-{turn.turn_id}").set_value("It is well known.")
    page.click("FormSubmitter:correct-form")
    given = app_desk.get_records().feedback(turn.turn_id)
    assert [each.rating for each in given] == [1, -1, -1]
    assert (given[-1].correction, given[-1].comment) == ("The capital is Paris.", "It is well known.")
    assert not any(str(area.key).startswith("correction-") for area in page.at.text_area)


def test_what_was_said_of_an_answer_outlasts_another_thumb_and_a_flag(
    open_page: Callable[..., Page], house: Path
) -> None:
    page = open_page(BLUE)
    add(page, house)
    page.ask("What colour is the door of the house?").click("rate--1-")
    (turn,) = page.desk.turns(page.thread)
    correction = f"correction-{turn.turn_id}"
    page.at.text_area(key=correction).set_value("It is green.")
    page.click("FormSubmitter:correct-form").click("rate--1-")
    assert page.at.text_area(key=correction).value == "It is green.", "to be changed, not written anew"
    page.choose(turn.turn_id, "flag").click("FormSubmitter:flag-form")
    page.choose(turn.turn_id, "flag").click("FormSubmitter:flag-form")
    latest = app_desk.get_records().feedback(turn.turn_id)[-1]
    assert (latest.rating, latest.correction, latest.comment) == (-1, "It is green.", "wrong citation [1]")


def test_a_question_that_cannot_be_asked_is_kept_and_asked_later(
    open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*given: Any, **named: Any) -> None:
        raise SessionBusy("Too many questions wait already.")

    page = open_page("Here it is.")
    with monkeypatch.context() as patch:
        patch.setattr(Desk, "ask", refuses)
        page.ask("Tell me something, please")
        assert "Too many questions wait" in page.html
        assert [button.label for button in page.at.button if str(button.key).startswith("next-")]
    assert "Here it is." in page.run().html
    assert not any(str(button.key).startswith("next-") for button in page.at.button)


def test_an_answer_given_again_looks_only_where_the_page_says(open_page: Callable[..., Page], house: Path) -> None:
    page = open_page(BLUE, BLUE)
    add(page, house)
    page.ask("What colour is the door of the house?")
    page.at.session_state[f"scope-{page.thread}"] = "elsewhere.md"
    page.click("again-")
    (turn,) = page.desk.turns(page.thread)
    assert turn.passages == ()


def test_a_broken_image_does_not_break_the_page(open_page: Callable[..., Page]) -> None:
    page = open_page()
    path = page.settings.artifacts_folder / "plot.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    call = ToolCall("c", "run_python", {}, artifact={"files": [{"name": "plot.png", "path": str(path)}, 7]})
    turn = Turn("turn", page.thread, "Draw it", "Drawn.", "done", tool_calls=(call,))
    app_desk.get_records().append(turn)
    page.run()
    assert "plot\\.png cannot be shown" in "".join(caption.value for caption in page.at.caption)
    assert page.choose("turn", "files").at.button(key="close-turn")


def test_what_waits_in_a_conversation_goes_with_it(open_page: Callable[..., Page]) -> None:
    page = open_page("One.", "Two.").ask("Tell me the first thing, please")
    thread = page.thread
    composer._drafts()[thread] = deque([composer.Draft("Tell me more, please")])
    app = AppTest.from_file(str(UI / "app.py"), default_timeout=60)
    app.query_params["thread"] = thread
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composer, "send_next", lambda desk, thread_id: False)
        app.run()
        app.button(key=f"delete-{thread}").click().run()
        app.button(key=f"sure-{thread}").click().run()
    assert composer._drafts() == {}


def test_an_earlier_question_asked_differently_makes_a_new_conversation(open_page: Callable[..., Page]) -> None:
    page = open_page("One.", "Two.", "Other.")
    page.ask("Tell me the first thing, please").ask("Tell me the second thing, please")
    before = page.thread
    first, second = page.desk.turns(before)
    page.choose(second.turn_id, "edit")
    page.at.text_area(key=f"other-{second.turn_id}").set_value("Tell me another thing, please")
    page.click("FormSubmitter:edit-form")
    assert page.thread != before
    assert [turn.answer for turn in page.desk.turns(page.thread)] == [first.answer, "Other."]
    assert page.desk.turns(before) == [first, second]


def test_a_wrong_citation_is_flagged(open_page: Callable[..., Page], house: Path) -> None:
    page = open_page(BLUE)
    add(page, house)
    page.ask("What colour is the door of the house?")
    (turn,) = page.desk.turns(page.thread)
    page.choose(turn.turn_id, "flag")
    page.click("FormSubmitter:flag-form")
    (given,) = app_desk.get_records().feedback(turn.turn_id)
    assert given.rating == -1
    assert "[1]" in given.comment


def test_files_sent_with_a_question_answer_it(open_page: Callable[..., Page]) -> None:
    page = open_page(BLUE)
    page.at.chat_input[0].upload("house.md", HOUSE.encode()).set_value("What colour is the door of the house?")
    page.run()
    (turn,) = page.desk.turns(page.thread)
    assert [Path(citation.source).name for citation in turn.citations] == ["house.md"]
    assert "Files: 1 added" in page.html


def test_a_file_that_cannot_be_read_is_named(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.at.chat_input[0].upload("picture.xyz", b"\x00\x01")
    page.run()
    assert "xyz" in page.html


def test_a_long_conversation_has_buttons_for_its_latest_answers(open_page: Callable[..., Page]) -> None:
    page = open_page(*(f"Answer {number}." for number in range(12)))
    for number in range(12):
        page.desk.session(page.thread).ask(f"Tell me thing {number}, please")
    page.run()
    assert sum(str(button.key).startswith("rate-1-") for button in page.at.button) == 8
    assert "Answer 0." in page.html
    page.click("more-with-actions-")
    assert sum(str(button.key).startswith("rate-1-") for button in page.at.button) == 12


class TestApproval:
    """A call that waits is shown in full, and runs as it was decided."""

    @pytest.fixture
    def waiting(
        self, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[tuple[Page, Witness]]:
        witness = Witness()
        with witnessed(witness, monkeypatch):
            page = open_page([("save", {"text": "<b>now</b>"})], "It is done.")
            page.ask("Please save the text now")
            yield page, witness

    def test_the_card_shows_everything_and_nothing_runs(self, waiting: tuple[Page, Witness]) -> None:
        page, witness = waiting
        assert "save" in page.html and "writes" in page.html
        assert "&lt;b&gt;now&lt;/b&gt;" in page.html
        assert witness.ran == []

    def test_approved(self, waiting: tuple[Page, Witness]) -> None:
        page, witness = waiting
        page.click("approve-")
        assert witness.ran == [("save", "<b>now</b>")]
        assert "It is done." in page.html

    def test_edited(self, waiting: tuple[Page, Witness]) -> None:
        page, witness = waiting
        page.click("edit-")
        next(area for area in page.at.text_area if str(area.key).startswith("argument-")).set_value("later")
        page.click("run-")
        assert witness.ran == [("save", "later")]

    def test_rejected(self, waiting: tuple[Page, Witness]) -> None:
        page, witness = waiting
        next(field for field in page.at.text_input if str(field.key).startswith("reason-")).set_value("not today")
        page.click("reject-")
        assert witness.ran == []
        assert page.desk.waiting(page.thread) == []

    def test_it_waits_in_another_tab_too(self, waiting: tuple[Page, Witness]) -> None:
        page, witness = waiting
        tab = page.other_tab(page.thread).run()
        tab.click("approve-")
        assert witness.ran == [("save", "<b>now</b>")]
        page.click("approve-") if any(str(b.key).startswith("approve-") for b in page.at.button) else page.run()
        assert len(witness.ran) == 1


def request(**arguments: Any) -> ApprovalRequest:
    return ApprovalRequest("c-0", "t", "write_file", arguments, "write", "d", preview="+ one\n+ two\u202e", why="It.")


def test_typed_arguments_are_text_or_json_as_they_were() -> None:
    asked = request(path="a.txt", lines=[1, 2])
    assert approval_cards.edited(asked, {"path": "b.txt", "lines": "[3]"}) == {"path": "b.txt", "lines": [3]}
    with pytest.raises(ApprovalError, match="no JSON"):
        approval_cards.edited(asked, {"path": "a.txt", "lines": "[3"})


def test_the_workbench_lists_renames_and_deletes_conversations(open_page: Callable[..., Page]) -> None:
    page = open_page("Good morning.").ask("![](https://evil.example/x.png) wish me a good morning, please")
    thread = page.thread
    app = AppTest.from_file(str(UI / "app.py"), default_timeout=60)
    app.query_params["thread"] = thread
    app.run()
    assert not app.exception
    listed = next(button for button in app.button if button.key == f"open-{thread}")
    assert "![](" not in listed.label
    app.button(key=f"rename-{thread}").click().run()
    app.text_input(key=f"title-{thread}").set_value("Morning")
    next(button for button in app.button if "rename-form" in str(button.key)).click().run()
    assert [each.title for each in page.desk.threads()] == ["Morning"]
    app.text_input(key="search-threads").set_value("nothing of this kind").run()
    assert not any(str(button.key).startswith("open-") for button in app.button)
    app.text_input(key="search-threads").set_value("").run()
    app.button(key=f"delete-{thread}").click().run()
    app.button(key=f"sure-{thread}").click().run()
    assert page.desk.threads() == []
    assert app.query_params["thread"] != [thread]


ADDRESSES = [address for group in app_pages.PAGES.values() for _, _, _, address in group if address]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_opens_beside_the_conversations(open_page: Callable[..., Page], address: str) -> None:
    page = open_page("Good morning.").ask("Please wish me a good morning")
    app = AppTest.from_file(str(UI / "app.py"), default_timeout=60).run()
    app._page_hash = calc_hash(address)  # AppTest itself only switches to pages that are files
    app.run()
    assert not app.exception
    assert [title.value.lower() for title in app.title] == [address]
    app.button(key=f"open-{page.thread}").click().run()
    assert not app.exception
    assert [message.name for message in app.chat_message] == ["user", "assistant"]


@pytest.fixture
def paired(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted model answers in place of both adapters, too."""
    sides = [ServedAdapter((Path(f"{name}.gguf"),), name) for name in ("mine", "none")]
    monkeypatch.setattr(comparing, "possible", lambda desk, thread_id: True)
    monkeypatch.setattr(blind, "_sides", lambda session, adapters: sides)
    monkeypatch.setattr(blind, "_with_adapters", lambda model, sides: model)
    monkeypatch.setattr(blind, "_first", lambda seed, question: 0)


def twice(page: Page) -> None:
    """From now on, questions are answered twice."""
    page.at.session_state[f"blind-{page.thread}"] = True


def test_a_model_without_adapters_is_not_asked_twice(open_page: Callable[..., Page]) -> None:
    page = open_page("Here it is.")
    assert not page.at.toggle
    twice(page)  # chosen while another model was
    page.ask("Write something for me, please")
    assert "Here it is." in page.html


@pytest.mark.usefixtures("paired")
def test_a_blind_choice_hides_who_said_what_until_it_is_made(open_page: Callable[..., Page]) -> None:
    page = open_page("The served answer.", "Alpha **said** so.", "Beta said so.")
    twice(page)
    page.ask("Tell me something, please")
    assert "<strong>said</strong>" in page.html and "Beta said so." in page.html
    assert "The served answer." not in page.html and "mine" not in page.html
    (turn,) = page.desk.turns(page.thread)
    page.click("choose-1-")
    (choice,) = app_desk.get_records().choices(turn.turn_id)
    assert (choice.chosen, choice.adapters) == (1, ("mine", "none"))
    assert "The served answer." in page.html


@pytest.mark.usefixtures("paired")
@pytest.mark.parametrize(("said", "shown"), [(2, "The served"), (5, "The served answer.")])
def test_a_comparison_is_queued_and_stopped_like_any_answer(
    open_page: Callable[..., Page], said: int, shown: str
) -> None:
    page = open_page("The served answer.", "Alpha said so.", "Beta said so.", "Next.")
    twice(page)

    def stop() -> None:
        live = page.desk.live(page.thread)
        if live is not None and page.model.said == said:
            assert page.desk.statuses() == {page.thread: "answering"}
            live.stop()

    page.model._after_first = stop
    page.ask("Tell me something, please")
    assert page.model.said <= said + 1, "nothing is said after the stop"
    assert "Beta said so." in page.model.script
    assert shown in page.html and "Which answer is better" not in page.html
    page.at.session_state[f"blind-{page.thread}"] = False
    page.model.script[:] = ["Next."]
    page.ask("Tell me another thing, please")
    assert "Next." in page.html


@pytest.mark.usefixtures("paired")
def test_a_comparison_looks_only_where_it_was_told_to(open_page: Callable[..., Page], house: Path) -> None:
    page = open_page(BLUE, BLUE, BLUE)
    add(page, house)
    twice(page)
    page.at.session_state[f"scope-{page.thread}"] = "elsewhere.md"
    page.ask("What colour is the door of the house?")
    (turn,) = page.desk.turns(page.thread)
    assert turn.passages == ()


def test_files_being_read_can_be_stopped(open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page("Never said.")
    reads = Desk.add_files

    def stopped(desk: Desk, files: Any, report: Callable[[IngestProgress], None]) -> Any:
        job = jobs.of(page.thread)
        while job is None:
            job = jobs.of(page.thread)
        assert isinstance(job, jobs.Upload)
        job.stop()
        return reads(desk, files, report)

    monkeypatch.setattr(Desk, "add_files", stopped)
    page.at.chat_input[0].upload("house.md", HOUSE.encode()).set_value("What colour is the door of the house?")
    page.run()
    assert "Reading was stopped." in page.html and "What colour is the door" in page.html
    assert page.desk.turns(page.thread) == []


def test_streamlit_sends_nothing_and_listens_to_this_machine_alone() -> None:
    config = tomllib.loads((UI / ".streamlit" / "config.toml").read_text())
    assert config["browser"]["gatherUsageStats"] is False
    assert config["server"]["address"] == "127.0.0.1"
    assert set(config["server"]["allowedHosts"]) == {"localhost", "127.0.0.1"}
