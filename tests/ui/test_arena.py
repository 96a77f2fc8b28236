"""Matches between two models: what is asked, kept, hidden and voted on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit")

import streamlit as st

from agent import blind
from agent.adapters import ServedAdapter
from agent.config import Settings
from agent.errors import ModelError, RecordError
from agent.models import registry
from agent.records import Records
from tests.agent.witness import Witness, witnessed
from tests.ui import scripted_provider
from tests.ui.pages import Page, opened
from tests.ui.scripted_provider import SAYS
from ui import app_desk, arena_page
from ui.app_library import apply_settings
from ui.arena import Arena
from ui.desk import Desk
from ui.matches import Contestant, MatchFolder, Reply, new_match, score

BLUE, GREEN = Contestant("scripted:blue"), Contestant("scripted:green")
QUESTIONS = ["What colour is the door?", "What is the door made of?"]
HOUSE = "# The house\n\nThe door of the house is painted blue. It was built in 1901.\n"


def arena_script() -> None:
    from ui import arena_page

    arena_page.page()


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.PROVIDERS, "scripted", "tests.ui.scripted_provider:build")


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    made = Desk(settings.model_copy(update={"model": settings.model.model_copy(update={"name": "scripted:blue"})}))
    made.add_files([("house.md", HOUSE.encode())])
    yield made
    made.close()


def played(arena: Arena, *sides: Contestant, blind: bool = False) -> str:
    match = new_match((sides[0], sides[1]), QUESTIONS, blind)
    arena.start(match)
    arena.join(match.match_id, 120)
    assert not arena.running(match.match_id) and arena.trouble(match.match_id) is None
    return match.match_id


def test_both_answer_and_what_is_supported_is_counted(desk: Desk) -> None:
    arena = Arena(desk)
    match = arena.kept.match(played(arena, BLUE, GREEN))
    assert match.answered == 2 and match.contestants == (BLUE, GREEN)
    assert SAYS["blue"] in match.duels[0].replies[0].text and "glass" in match.duels[0].replies[1].text
    blue, green = score(match, 0, (1.0, 2.0)), score(match, 1)
    assert blue.grounded == 1.0 and green.grounded is not None and green.grounded < 1
    assert blue.answers == 2 and blue.seconds and blue.tokens and blue.cost > 0 == green.cost
    assert desk.threads() == [], "the conversations of a match are not the user's"


def test_a_side_that_fails_loses_nothing_of_the_other(desk: Desk) -> None:
    arena = Arena(desk)
    match_id = played(arena, BLUE, Contestant("scripted:nowhere"), blind=True)
    match = arena.kept.match(match_id)
    assert "There is no model nowhere" in match.duels[0].replies[1].failed
    assert (score(match, 1).answers, score(match, 1).failed, score(match, 0).answers) == (0, 2, 2)
    assert not match.duels[0].votable and match.decided


def test_an_interrupted_match_goes_on_where_it_was(desk: Desk) -> None:
    arena = Arena(desk)
    match_id = played(arena, BLUE, GREEN)
    match = arena.kept.match(match_id)
    first = match.duels[0]
    arena.kept.keep(match.with_duel(1, match.duels[1].__class__(QUESTIONS[1])))
    later = Arena(desk)
    assert later.kept.matches()[0].answered == 1
    later.start(later.kept.match(match_id))
    later.join(match_id, 120)
    again = later.kept.match(match_id)
    assert again.answered == 2 and again.duels[0] == first


def test_nobody_is_asked_about_tools(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    arena, witness = Arena(desk), Witness()
    with witnessed(witness, monkeypatch):
        match = arena.kept.match(played(arena, Contestant("scripted:calls"), BLUE))
    assert SAYS["blue"] in match.duels[0].replies[0].text and witness.ran == []


def held(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """From now on, models wait after their first word: until the second event, having set the first."""
    speaking, go_on = threading.Event(), threading.Event()
    build = scripted_provider.build

    def holding(*given: Any, **named: Any) -> Any:
        model = build(*given, **named)
        model._after_first = lambda: (speaking.set(), go_on.wait(60))
        return model

    monkeypatch.setattr(scripted_provider, "build", holding)
    return speaking, go_on


@pytest.mark.parametrize("who", ["person", "server"])
def test_a_match_that_is_cut_off_keeps_its_questions(desk: Desk, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    speaking, go_on = held(monkeypatch)
    arena, match = Arena(desk), new_match((BLUE, GREEN), QUESTIONS, False)
    arena.start(match)
    assert speaking.wait(120)
    threading.Timer(0.5, go_on.set).start()
    if who == "person":
        arena.stop(match.match_id)
    else:
        desk.close()
    arena.join(match.match_id, 120)
    assert arena.kept.match(match.match_id).answered == 0, "so that it can go on"
    if who == "person":
        assert desk.threads() == []


def test_votes_between_models_stay_in_the_match(desk: Desk) -> None:
    arena = Arena(desk)
    match_id = played(arena, BLUE, GREEN, blind=True)
    assert not arena.kept.match(match_id).recorded
    arena.vote(match_id, 0, "0")
    match = arena.vote(match_id, 1, "neither")
    assert match.decided and score(match, 0).votes == 1 and score(match, 1).votes == 0
    with closing(Records(desk.settings.database)) as records:
        assert records.choices() == []


@pytest.fixture(params=[0, 1])
def first(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Which side is shown first, where adapters only say their names, without a model that could load them."""

    def sides(session: Any, adapters: tuple[str, str]) -> list[ServedAdapter]:
        if "broken" in adapters:
            raise ModelError("The adapter broken is damaged.")
        return [ServedAdapter((), f"{name}@1") for name in adapters]

    def reply(model: Any, prompt: Any, side: ServedAdapter, stopped: Any) -> Any:
        return blind._Reply(f"{side.name} says", float(len(side.name)), 3)

    monkeypatch.setitem(registry.PROVIDERS, "local", "tests.ui.scripted_provider:build")
    monkeypatch.setattr(blind, "_sides", sides)
    monkeypatch.setattr(blind, "_with_adapters", lambda model, sides: model)
    monkeypatch.setattr(blind, "_reply", reply)
    monkeypatch.setattr(blind, "_first", lambda seed, question: request.param)
    return int(request.param)


def test_votes_between_adapters_are_choices_to_learn_from(desk: Desk, first: int) -> None:
    sides = Contestant("local:blue", "mine-1"), Contestant("local:blue", "none")
    arena = Arena(desk)
    match_id = played(arena, *sides, blind=True)
    match = arena.kept.match(match_id)
    assert match.recorded and match.duels[0].first == first
    assert [reply.text for reply in match.duels[0].replies] == ["mine-1@1 says", "none@1 says"]
    assert [reply.seconds for reply in match.duels[0].replies] == [8.0, 6.0], "not in the order shown"
    assert [thread.title for thread in desk.threads()] == [f"Arena: {question}" for question in QUESTIONS[::-1]]
    arena.vote(match_id, 0, "0")
    with closing(Records(desk.settings.database)) as records:
        (choice,) = records.choices()
    assert choice.chosen is not None
    assert choice.answers[choice.chosen] == "mine-1@1 says" and choice.adapters[choice.chosen] == "mine-1@1"
    assert choice.answers[first] == "mine-1@1 says", "as they were shown"


@pytest.mark.usefixtures("first")
def test_an_adapter_that_fails_is_told(desk: Desk) -> None:
    arena = Arena(desk)
    sides = Contestant("local:blue", "broken"), Contestant("local:blue", "none")
    match = arena.kept.match(played(arena, *sides, blind=True))
    assert "damaged" in match.duels[0].replies[0].failed and desk.threads() == []


def test_matches_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="1 to 100"):
        new_match((BLUE, GREEN), [" ", ""], True)
    with pytest.raises(RecordError, match="the same"):
        new_match((BLUE, BLUE), QUESTIONS, True)
    assert len(new_match((BLUE, GREEN), ["a  b", "a b", "c"], True).duels) == 2
    folder = MatchFolder(tmp_path / "arena")
    assert folder.matches() == []
    kept = new_match((BLUE, GREEN), QUESTIONS, False)
    folder.keep(kept)
    assert folder.matches() == [kept]
    (folder.folder / "0123456789ab.json").write_text("{")
    assert folder.matches() == [kept]
    for name in ("0123456789ab", "../x", "nothing"):
        with pytest.raises(RecordError):
            folder.match(name)
    folder.delete("../x")
    folder.delete(kept.match_id)
    assert folder.matches() == []


def test_the_cost_follows_the_prices() -> None:
    assert Reply("x", prompt_tokens=1_000_000, completion_tokens=500_000).cost((2.0, 10.0)) == 7.0


def until_over(page: Page) -> None:
    arena = arena_page.get_arena(page.desk)
    for match in arena.kept.matches():
        arena.join(match.match_id, 120)
    page.run()


def test_a_blind_match_on_the_page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    named = settings.model_copy(update={"model": settings.model.model_copy(update={"name": "scripted:blue"})})
    monkeypatch.setattr(Desk, "models", lambda self: ["scripted:blue", "scripted:green"])
    with opened(arena_script, named, monkeypatch) as page:
        page.run()
        assert "Nothing has been compared yet" in page.text
        page.click("Begin")
        assert "takes 1 to 100 questions" in page.html
        page.field("Second model").set_value("scripted:green")
        page.field("Questions").set_value("What colour is the door?\nWhat is it made of?")
        page.click("Begin")
        until_over(page)
        assert "Which answer is better? 2 to go" in page.text
        assert SAYS["blue"] in page.html and "scripted:green" not in page.html, "names are hidden"
        page.click("Neither")
        assert "1 to go" in page.text
        page.click("A is better")
        assert "Results" in page.text and "scripted:green" in page.html
        assert len(page.charts) == 2 and "scripted:blue:" in page.charts[1]
        page.field("Price of a million tokens of prompts, side 1").set_value(100.0)
        page.run()
        page.click("Delete for good")
        assert "Nothing has been compared yet" in page.text


def test_the_arena_follows_the_settings_in_use(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_desk, "open_desk", lambda: desk)
    st.cache_resource.clear()
    before = arena_page.get_arena(app_desk.get_desk())
    assert arena_page.get_arena(app_desk.get_desk()) is before
    later = Desk(desk.settings)
    monkeypatch.setattr(app_desk, "open_desk", lambda: later)
    apply_settings()
    assert arena_page.get_arena(app_desk.get_desk()) is not before
    st.cache_resource.clear()
    later.close()


def test_an_open_match_shows_names_and_takes_votes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    named = settings.model_copy(update={"model": settings.model.model_copy(update={"name": "scripted:blue"})})
    monkeypatch.setattr(Desk, "models", lambda self: ["scripted:blue", "scripted:nowhere"])
    with opened(arena_script, named, monkeypatch) as page:
        page.run()
        page.field("Second model").set_value("scripted:nowhere")
        page.field("Questions").set_value("What colour is the door?")
        page.field("Vote blind").set_value(False)
        page.click("Begin")
        until_over(page)
        assert "There is no model nowhere" in page.html and "No answer" in page.html
