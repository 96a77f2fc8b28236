"""Matches between two models: what is asked, kept, hidden and voted on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit")

from agent import blind
from agent.blind import BlindPair
from agent.config import Settings
from agent.errors import ModelError, RecordError
from agent.models import registry
from agent.records import Records
from agent.schema import Turn, Usage
from tests.ui.pages import Page, opened
from tests.ui.scripted_provider import SAYS
from ui import arena_page
from ui.arena import Arena, without_asking
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


def test_nobody_is_asked_about_tools(settings: Settings) -> None:
    tools = settings.tools.model_copy(update={"policy": {"python": "ask", "calculator": "allow"}})
    calm = without_asking(settings.model_copy(update={"tools": tools})).tools
    assert (calm.read, calm.write, calm.execute, calm.network) == ("allow", "deny", "deny", "deny")
    assert calm.policy == {"python": "deny", "calculator": "allow"}


def test_votes_between_models_stay_in_the_match(desk: Desk) -> None:
    arena = Arena(desk)
    match_id = played(arena, BLUE, GREEN, blind=True)
    assert not arena.kept.match(match_id).recorded
    arena.vote(match_id, 0, "0")
    match = arena.vote(match_id, 1, "neither")
    assert match.decided and score(match, 0).votes == 1 and score(match, 1).votes == 0
    with closing(Records(desk.settings.database)) as records:
        assert records.choices() == []


def blind_pair(desk: Desk, first: int) -> Any:
    """What `agent.blind.compare` gives, without a model."""

    def compare(session: Any, question: str, adapters: tuple[str, str], *, seed: int = 0) -> BlindPair:
        if "broken" in adapters:
            raise ModelError("The adapter broken is damaged.")
        turn = Turn(f"turn {question}", session.thread_id, question, "served", "done", usage=Usage(30, 3))
        with closing(Records(desk.settings.database)) as records:
            records.append(turn)
        said = [f"{name} says" for name in adapters]
        order = (first, 1 - first)
        answers, names = [said[place] for place in order], [f"{adapters[place]}@1" for place in order]
        return BlindPair(turn, (answers[0], answers[1]), (names[0], names[1]), first, (1.0, 2.0), (3, 4))

    return compare


@pytest.mark.parametrize("first", [0, 1])
def test_votes_between_adapters_are_choices_to_learn_from(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    monkeypatch.setattr(blind, "compare", blind_pair(desk, first))
    monkeypatch.setattr("ui.arena.ChatSession", None, raising=False)
    sides = Contestant("local:default", "mine-1"), Contestant("local:default", "none")
    arena = Arena(desk)
    match_id = played(arena, *sides, blind=True)
    match = arena.kept.match(match_id)
    assert match.recorded and match.duels[0].first == first
    assert [reply.text for reply in match.duels[0].replies] == ["mine-1 says", "none says"]
    assert match.duels[0].replies[first].seconds == 1.0, "times are in the order shown"
    arena.vote(match_id, 0, "0")
    with closing(Records(desk.settings.database)) as records:
        (choice,) = records.choices()
    assert choice.chosen is not None
    assert choice.answers[choice.chosen] == "mine-1 says" and choice.adapters[choice.chosen] == "mine-1@1"
    assert choice.answers[first] == "mine-1 says", "as they were shown"


def test_an_adapter_that_fails_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blind, "compare", blind_pair(desk, 0))
    arena = Arena(desk)
    sides = Contestant("local:default", "broken"), Contestant("local:default", "none")
    match = arena.kept.match(played(arena, *sides, blind=True))
    assert "damaged" in match.duels[0].replies[0].failed


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
        page.click("Delete this match")
        assert "Nothing has been compared yet" in page.text


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
