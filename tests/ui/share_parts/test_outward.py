"""What a visitor sees of a turn: the words, and nothing of where on the owner's machine they stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import DatabaseError, QuestionError, RatchetError, ServerUnreachable
from agent.schema import Citation, Event, Failed, ToolCall, Turn, Verdict
from knowledge.schema import Passage
from ui.answering import LiveAnswer
from ui.share_parts.outward import TROUBLE, Outward, name_of, outward, three_sentences
from ui.share_parts.transcript import live_html

PATH = "/srv/private/projects/house.md"
PASSAGE = Passage("p1", PATH, "The door is blue.", 1, 1)


def turn(answer: str) -> Turn:
    call = ToolCall(
        "c1",
        "search_knowledge",
        {"query": f"what stands in {PATH}"},
        f"{PATH}, line 1:\nThe door is blue.",
        artifact={
            "files": [{"name": "plot.png", "path": "/srv/private/artifacts/plot.png"}],
            "passages": ["p1"],
            "table": {"columns": ["file"], "rows": [[PATH]]},
        },
    )
    return Turn(
        turn_id="t1",
        thread_id="a",
        question="Where?",
        answer=answer,
        status="done",
        citations=(Citation(1, PATH, "line 1", "The door is blue.", "p1"),),
        passages=(PASSAGE,),
        tool_calls=(call,),
        notes=(f"{PATH} was cut.", "/srv/private/projects is large."),
        verdicts=(Verdict(0, 5, "not"),),
        model="local:/srv/private/models/own.gguf",
        adapter="/srv/private/adapters/own",
    )


def test_no_folder_of_the_owner_is_in_what_goes_out() -> None:
    shown = outward(turn(f"It stands in {PATH}."))
    assert "/srv" not in json.dumps(shown.to_json())
    assert shown.answer == "It stands in house.md."
    assert shown.verdicts == ()  # their offsets belong to the longer text
    assert shown.tool_calls[0].artifact == {"table": {"columns": ["file"], "rows": [["house.md"]]}}


def test_words_and_marks_stay_as_they_are() -> None:
    shown = outward(turn("The door is blue."))
    assert (shown.answer, shown.verdicts) == ("The door is blue.", (Verdict(0, 5, "not"),))
    assert shown.citations[0].text == "The door is blue." and shown.citations[0].source == "house.md"


def test_the_home_of_the_owner_is_hidden_where_no_document_is_known() -> None:
    assert Outward([]).text(f"see {Path.home()}/x") == "see …/x"


@pytest.mark.parametrize(
    ("path", "name"),
    [(PATH, "house.md"), ("C:\\a\\b.txt", "b.txt"), ("x.md", "x.md"), ("https://a.b/c/", "c"), ("/", "/")],
)
def test_names_of_paths(path: str, name: str) -> None:
    assert name_of(path) == name


def test_only_what_a_visitor_can_mend_is_told_as_it_is() -> None:
    assert three_sentences(QuestionError("The question is empty.", fix="Write one.")) == (
        "The question is empty.",
        "",
        "Write one.",
    )
    for matter in (
        ServerUnreachable("Nothing answers at http://10.0.0.5:11434."),
        DatabaseError("/srv/private/ratchet.db is locked."),
        Failed("http://10.0.0.5 timed out.", "", "Start it."),
    ):
        assert three_sentences(matter)[:2] == TROUBLE


@pytest.mark.parametrize(("stopped", "said"), [(True, "Stopped before the answer began."), (False, TROUBLE[0])])
def test_who_stops_an_answer_is_not_told_that_something_went_wrong(stopped: bool, said: str) -> None:
    def fails(live: LiveAnswer) -> Iterator[Event]:
        raise RatchetError("A matter of the owner.")

    live = LiveAnswer("thread", "Question?", fails)
    if stopped:
        live.stop()
    assert live.start().join(30)
    shown = live_html(live)
    assert [each for each in ("Stopped before the answer began.", TROUBLE[0]) if each in shown] == [said]
    assert "owner" not in shown and "Try again" in shown
