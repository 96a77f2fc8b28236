"""The model of a conversation: chosen, inherited by what is forked from it, and left again."""

from __future__ import annotations

from contextlib import closing

from agent.config import Settings
from tests.agent.scripted import ScriptedModel
from ui.answering import LiveAnswer
from ui.desk import Desk

USUAL, MISSING = ("openai:scripted", ""), ("local:/nowhere/model.gguf", "")
PATIENCE = 60.0  # seconds after which a test gives up


def ended(live: LiveAnswer) -> LiveAnswer:
    assert live.join(PATIENCE)
    return live


def test_the_usual_model_answers_again_when_another_was_chosen_before_the_session_was_opened(
    settings: Settings,
) -> None:
    own = settings.model_copy(update={"model": settings.model.model_copy(update={"name": USUAL[0]})})
    with closing(Desk(own, model=ScriptedModel(script=["One."]))) as before:
        turn = ended(before.ask("thread", "First")).turn
        assert turn is not None
        before.use_model("thread", *MISSING)
        into, live = before.fork("thread", turn.turn_id, "First, but otherwise")
        assert ended(live).status == "failed" and before.model_of(into) == MISSING
    with closing(Desk(own, model=ScriptedModel(script=["Two."]))) as desk:
        failed = ended(desk.ask("thread", "Second")).failed
        assert failed is not None and "model.gguf" in failed.what
        desk.use_model("thread", *USUAL)
        assert ended(desk.ask("thread", "Third")).text == "Two."
