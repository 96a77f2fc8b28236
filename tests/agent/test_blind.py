"""Two adapters side by side: one turn, one prompt, one engine, and an order that tells nothing."""

import hashlib
import json

import pytest

from agent import ChatSession, blind
from agent.blind import compare, record_choice
from agent.config import with_model
from agent.errors import ModelError, ModelNotFound, RecordError
from agent.models.bundled import prepare
from tests.agent.models.test_local_files import write_lora
from tests.agent.scripted import ScriptedModel

QUESTION = "Write one short sentence about rivers."


@pytest.fixture
def session(settings, models_folder, tmp_path):
    try:
        prepare(models_folder)
    except ModelNotFound as error:
        pytest.skip(f"the bundled model is not here: {error}")
    limited = settings.model.model_copy(update={"max_tokens": 16, "adapter": "none"})
    with ChatSession(settings.model_copy(update={"model": limited})) as opened:
        yield opened


def test_both_answer_the_same_prompt_and_the_conversation_has_one_turn(session, tmp_path):
    lora = str(write_lora(tmp_path / "one.gguf", seed=1))
    pair = compare(session, QUESTION, ("none", lora), seed=1)
    assert session.turns() == [pair.turn] and pair.turn.adapter == ""
    assert set(pair.adapters) == {"none", lora} and len(set(pair.answers)) == 2
    plain = dict(zip(pair.adapters, pair.answers, strict=True))["none"]
    assert plain == session.model.invoke(session.last_prompt).text.strip()
    kept = record_choice(session, pair, 1)
    assert kept == session.records.choices(pair.turn.turn_id)[0]
    assert (kept.answers, kept.adapters, kept.chosen) == (pair.answers, pair.adapters, 1)
    with pytest.raises(RecordError):
        record_choice(session, pair, 2)
    with pytest.raises(ModelNotFound):
        compare(session, QUESTION, ("none", "nowhere"))
    assert len(session.turns()) == 1  # asked before anything was answered


def test_the_order_is_tossed_by_seed_and_question():
    tosses = [[blind._first(seed, f"question {number}") for number in range(200)] for seed in range(2)]
    assert tosses[0] != tosses[1] and all(70 < sum(one) < 130 for one in tosses)
    assert tosses[0] == [blind._first(0, f"question {number}") for number in range(200)]


def test_a_model_without_adapters_is_refused(settings):
    with ChatSession(with_model(settings, "openai:x", None), model=ScriptedModel(script=["Hi."])) as opened:
        with pytest.raises(ModelError, match="takes no adapters"):
            compare(opened, QUESTION, ("none", "none"))
        assert opened.turns() == []


def test_a_promotion_while_the_chat_runs_is_taken_up_with_the_next_question(session, tmp_path):
    session.settings = with_model(session.settings, None, "")
    session._runtime.settings = session.settings
    folder = session.settings.adapters_folder
    lora = write_lora_named(folder / "mine" / "adapter.gguf")
    assert session.ask(QUESTION).adapter.startswith("packaged@")
    engine = session.model._engine
    digest = hashlib.sha256(lora.read_bytes()).hexdigest()
    base = hashlib.sha256(session.model.path.read_bytes()).hexdigest()
    entry = {"name": "mine", "sha256": digest}
    (folder / "current.json").write_text(json.dumps({"served": {base: [entry]}, "history": []}))
    assert session.ask(QUESTION).adapter == f"mine@{digest[:12]}"
    assert session.model._engine is engine
    lora.write_bytes(lora.read_bytes()[:-1])
    (folder / "current.json").write_text(json.dumps({"served": {base: [entry, entry]}, "history": []}))
    turn = session.ask(QUESTION)
    assert turn.adapter.startswith("packaged@") and any("damaged" in note for note in turn.notes)
    assert not any("damaged" in note for note in session.ask(QUESTION).notes)  # said once


def test_an_adapter_that_llama_cpp_refuses_does_not_keep_the_chat_from_starting(settings, models_folder):
    folder = settings.adapters_folder
    lora = write_lora_named(folder / "wide" / "adapter.gguf", width=1024)
    base = hashlib.sha256(prepare(models_folder).read_bytes()).hexdigest()
    entry = {"name": "wide", "sha256": hashlib.sha256(lora.read_bytes()).hexdigest()}
    (folder / "current.json").write_text(json.dumps({"served": {base: [entry]}, "history": []}))
    limited = settings.model.model_copy(update={"max_tokens": 8})
    with ChatSession(settings.model_copy(update={"model": limited})) as opened:
        turn = opened.ask(QUESTION)
    assert turn.status in ("done", "limit") and turn.adapter == ""
    assert any("cannot load" in note for note in turn.notes)


def write_lora_named(path, **how):
    path.parent.mkdir(parents=True)
    return write_lora(path, **how)
