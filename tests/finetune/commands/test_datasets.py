"""Examples about documents on the command line: by templates or by a chosen model, with the tools there really are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli import app
from agent.config import Settings, load_settings, user_folder
from agent.models import registry
from finetune.dataset import load
from finetune.improvement.folder import STATE, runs
from tests.finetune.commands.running import ratchet
from tests.finetune.dataset.collection import indexed
from tests.finetune.improvement import loop
from tests.finetune.scripted_model import ScriptedModel
from tests.knowledge.words import WordEmbedder

ASKED = {
    "24 months": ("For how long is a broken engine repaired free?", "The warranty covers the motor for 24 months."),
    "turbine": ("Which part stops small stones?", "A sieve keeps gravel away from the turbine, and costs 900 euros."),
}
WRITER = ScriptedModel(reply=lambda adapter, messages: written(str(messages[-1].content)))


def written(prompt: str) -> str:
    """A question or an answer about two passages; about others what is neither. One answer is made up in part."""
    question, answer = next((said for mark, said in ASKED.items() if mark in prompt), ("No idea.", "It is so in Oslo."))
    return question if prompt.startswith("Write one short question") else answer


def build_writer(name: str, settings: Any, folder: Path) -> Any:
    return WRITER.bind(adapter="")


pytestmark = pytest.mark.usefixtures("pytorch_or_not")


@pytest.fixture(autouse=True)
def writer(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedModel]:
    """The model "scripted:it"; what it was asked is forgotten afterwards."""
    monkeypatch.setitem(registry.PROVIDERS, "scripted", f"{__name__}:build_writer")
    monkeypatch.setattr("agent.documents.open_embeddings", lambda settings: WordEmbedder())
    yield WRITER
    WRITER.asked.clear()


@pytest.fixture
def settings(own_home: Path) -> Settings:
    """A home with the collection "house", and without feedback."""
    settings = load_settings()
    indexed(settings.indexes_folder / "house")
    return settings


def built(settings: Settings, *words: str) -> tuple[dict[str, Any], list[Any]]:
    """The card, and all examples."""
    done = ratchet("dataset", "build", "made", "--no-records", "--documents", "house", "--json", *words)
    assert done.exit_code == 0, done.stderr
    splits = load(settings.home / "datasets" / "made").splits()
    return json.loads(done.stdout), [*splits.train, *splits.dev, *splits.test]


def test_a_chosen_model_writes_the_questions_and_what_is_not_in_the_documents_is_not_taken(
    settings: Settings, writer: ScriptedModel
) -> None:
    card, examples = built(settings, "--writer", "scripted:it")
    (source,) = card["sources"]
    assert "asked by scripted:it, and templates" in source["facts"]
    assert source["facts"].endswith("; 2 of 6 questions are the model's own")
    said = {one.messages[0]["content"]: one.messages[-1]["content"] for one in examples if not one.tools}
    (long, answer), (stones, _) = ASKED.values()
    assert said[long] == answer
    assert any("turbine" in prompt and stones in prompt for _, prompt in writer.asked), "its answer was made up in part"
    assert "900" not in json.dumps([one.to_json() for one in examples])
    assert len(said) > 2, "templates ask about the other passages"


def test_templates_ask_where_no_model_is_chosen(settings: Settings, writer: ScriptedModel) -> None:
    card, examples = built(settings)
    assert "asked by templates" in card["sources"][0]["facts"]
    assert examples and not writer.asked


def test_searches_are_among_the_tools_that_the_agent_has(settings: Settings) -> None:
    found = [one for seed in "0123" for one in searches(settings, "--seed", seed)]
    assert found
    for one in found:
        offered = [tool["function"]["name"] for tool in one.tools]
        assert "search_knowledge" in offered and len(offered) > 3
        assert {"calculator", "current_time", "read_document"} & set(offered)
        if calls := one.messages[-1].get("tool_calls"):
            assert [call["name"] for call in calls] == ["search_knowledge"]
    assert any(one.messages[-1].get("tool_calls") for one in found)


def searches(settings: Settings, *words: str) -> list[Any]:
    from shutil import rmtree

    rmtree(settings.home / "datasets", ignore_errors=True)
    return [one for one in built(settings, *words)[1] if one.tools]


@pytest.mark.parametrize("tools", ['policy = { search_knowledge = "deny" }', 'only = ["calculator"]'])
def test_without_the_search_no_searches_are_made(settings: Settings, tools: str) -> None:
    configured(tools)
    assert not [one for seed in "01" for one in searches(settings, "--seed", seed)]


def test_a_tool_that_is_not_allowed_is_not_beside_the_search(settings: Settings) -> None:
    offered: list[set[str]] = []
    for tools in ("", 'policy = { calculator = "deny" }'):
        configured(f'{tools}\nonly = ["calculator", "current_time", "search_knowledge"]')
        found = [one for seed in "0123" for one in searches(settings, "--seed", seed)]
        (names,) = {tuple(tool["function"]["name"] for tool in one.tools) for one in found}
        offered.append(set(names))
    assert offered == [{"calculator", "current_time", "search_knowledge"}, {"current_time", "search_knowledge"}]


def configured(tools: str) -> None:
    """Write the user's own settings of tools."""
    path = user_folder() / "ratchet.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[tools]\n{tools}\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--writer", "scripted:it"), 2, "Add --documents COLLECTION"),
        (("--writer", "parrot:it", "--documents", "house"), 4, "no model provider"),
    ],
)
def test_a_writer_who_cannot_write_is_told_at_once(
    settings: Settings, words: tuple[str, ...], code: int, said: str
) -> None:
    done = ratchet("dataset", "build", "made", "--no-records", *words)
    assert (done.exit_code, said in done.stderr) == (code, True), done.stderr
    assert not (settings.home / "datasets").exists()


def test_the_model_is_not_asked_where_a_file_is_broken(
    settings: Settings, writer: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [json.dumps({"question": f"{n}?", "answer": "yes"}) for n in range(80)]
    (tmp_path / "a.jsonl").write_text("\n".join([*rows, "{"]))
    (tmp_path / "b.jsonl").write_text("\n".join(rows))
    files = [word for name in "ba" for word in ("--file", str(tmp_path / f"{name}.jsonl"))]
    monkeypatch.setattr("finetune.dataset.privacy.Scrubber.__call__", lambda *given: pytest.fail("scrubbed already"))
    for command in (("dataset", "build", "made", "--no-records"), ()):
        done = ratchet(*command, *files, "--documents", "house", "--writer", "scripted:it")
        assert done.exit_code == 2 and "a.jsonl, line 81: the line is not JSON" in " ".join(done.stderr.split())
    assert not writer.asked
    assert runs(settings.home) == []


def test_the_loop_lets_the_chosen_model_write(settings: Settings, writer: ScriptedModel) -> None:
    done = ratchet("--documents", "house", "--writer", "scripted:it")
    assert done.exit_code == 1
    assert "and it takes 40" in done.stderr
    assert any("24 months" in prompt for _, prompt in writer.asked)


def test_a_run_begun_before_there_were_writers_goes_on(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home = loop.home_with_feedback(settings.home)
    run = loop.improvement(at_home).run
    state = json.loads((run.path / STATE).read_text())
    assert state["options"].pop("writer") == ""
    (run.path / STATE).write_text(json.dumps(state))
    assert loop.improvement(at_home).options.writer == ""
    monkeypatch.setattr("finetune.improve.Improvement.go", lambda self: pytest.fail("it went on"))
    words = ("--guards", str(loop.FEW), "--rehearsal", "0")
    with pytest.raises(pytest.fail.Exception, match="it went on"):
        CliRunner().invoke(app, ["improve", *words], catch_exceptions=False)
    done = ratchet(*words, "--documents", "house", "--writer", "scripted:it")
    assert done.exit_code == 2
    assert "writer ( then, scripted:it now)" in " ".join(done.stderr.split())
