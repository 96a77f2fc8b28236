"""The loop from feedback to a served adapter: what it learns from, what it serves, and how it goes on when killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from agent.adapters import choose_adapter
from agent.config import Settings
from agent.prompts import REFUSAL
from agent.records import Records
from agent.schema import Turn
from finetune.dataset.example_files import read_splits
from finetune.errors import (
    DatasetError,
    EvaluationError,
    GateRefused,
    ImproveBusy,
    RecipeError,
    TooLittleFeedback,
)
from finetune.improvement import measuring, promotion
from finetune.improvement.feedback import LEAST_LEARNED, LEAST_TESTED, signals
from finetune.improvement.folder import alone, latest, runs, unfinished
from finetune.improvement.rehearsal import SILENT, guard_items
from finetune.improvement.watching import Watcher
from finetune.registry import AdapterRegistry
from finetune.suites import load_suite
from tests.finetune.improvement import loop
from tests.finetune.loras import write_base
from tests.finetune.scripted_model import ScriptedModel

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def wide_margins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "GUARDS", measuring.GUARDS)
    loop.widen_margins()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return loop.home_with_feedback(tmp_path / "home")


class Notes(Watcher):
    """Keeps what people are told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        """One more."""
        self.lines.append(text)


def served(settings: Settings) -> str:
    return choose_adapter("", settings.home / "base.gguf", settings.adapters_folder).name.partition("@")[0]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_loop_learns_measures_and_serves_what_is_better(settings: Settings) -> None:
    done = loop.improvement(settings)
    compared = done.go()
    assert compared.verdict.promoted, compared.verdict.reasons
    assert done.run.state == "waiting"
    assert served(settings) == "", "nothing is served until it is approved"
    promotion.promote(settings, "mine-1", reason="looks good")
    assert served(settings) == "mine-1"
    record = AdapterRegistry(settings.adapters_folder).verify("mine-1")
    assert record.provenance.dataset == done.run.facts["dataset"]
    assert (done.run.verdict / "verdict.md").is_file()


def test_a_data_set_that_was_changed_is_not_judged_by(settings: Settings) -> None:
    done = loop.improvement(settings)
    done.go()
    path = done.run.dataset / "test.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("grove 1", "quarry 1"), encoding="utf-8")
    with pytest.raises(DatasetError, match="changed since"):
        done.items()


def test_what_is_promoted_while_another_is_being_checked_is_not_replaced(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = loop.improvement(settings)
    done.go()
    registry = AdapterRegistry(settings.adapters_folder)
    registry.add("other", settings.adapters_folder / "mine-1", settings.home / "base.gguf")

    def meanwhile(*_: object) -> None:
        registry.promote("other", force=True, reason="on another page")

    monkeypatch.setattr("finetune.improvement.promotion.check_still_served", meanwhile)
    with pytest.raises(EvaluationError, match="served has changed"):
        promotion.promote(settings, "mine-1")
    assert served(settings) == "other"


def test_what_is_held_out_is_not_learned_from(settings: Settings) -> None:
    done = loop.improvement(settings, rehearsal=0.5)
    done.go()
    asked = {item.messages[-1]["content"] for item in done.items() if item.suite == "yours"}
    learned = {
        message["content"]
        for line in json.loads((done.run.path / "training" / "learned.json").read_text(encoding="utf-8"))
        for message in line["messages"]
    }
    assert len(asked) >= LEAST_TESTED
    assert sum(text.startswith("Where does the") for text in learned) >= LEAST_LEARNED
    assert not asked & learned
    assert any(not text.startswith(("Where does", "grove")) for text in learned), "something is rehearsed, too"


@pytest.mark.parametrize("rehearsal", [0.5, 0.0])
def test_feedback_about_an_item_of_a_suite_is_not_learned_from(settings: Settings, rehearsal: float) -> None:
    # An item that this very run does not ask: it would spoil what `ratchet improve eval` says of the adapter.
    items = load_suite("general")
    asked = {item.messages[-1]["content"] for item in items} - {
        item.messages[-1]["content"] for item in guard_items(loop.FEW)
    }
    question = sorted(asked)[0]
    with closing(Records(settings.database)) as records:
        records.append(Turn("spoiled", "other", question, "I cannot tell.", "done", created_at="2026-01-02T00:00:00"))
        records.add_feedback("spoiled", -1, correction="the answer, by heart")
    watch = Notes()
    done = loop.improvement(settings, rehearsal=rehearsal, watch=watch)
    done.go()
    splits = read_splits(done.run.dataset)
    assert not [one for one in splits.train if one.messages[0]["content"] == question]
    assert "left out, asked in an evaluation: 1" in watch.lines
    assert done.run.facts["learned"] == len([one for one in splits.train if one.source.startswith("turn:")])


@pytest.mark.parametrize("rehearsal", [0.5, 0.0])
def test_some_questions_are_asked_again_without_what_answered_them(tmp_path: Path, rehearsal: float) -> None:
    done = loop.improvement(loop.home_with_feedback(tmp_path / "depot", shown=True), rehearsal=rehearsal)
    done.go()
    splits = read_splits(done.run.dataset)
    own = [one for one in splits.train if one.source.startswith("turn:")]
    again = [one for one in own if one.messages[-1]["content"] == REFUSAL]
    assert len(again) == (round(len(own) * SILENT) if rehearsal else 0)
    counts = {"learned": len(own) - len(again), "again": len(again), "rehearsed": len(splits.train) - len(own)}
    assert {name: done.run.facts[name] for name in counts} == counts
    for one in again:
        assert one.source in {other.source for other in own if other not in again}
        answered, other = one.messages[-2]["passages"]
        assert answered.endswith("feeds at dusk.")
        assert other == "The owl of the quay nests in a barrel."


def test_too_little_feedback_is_said_and_costs_nothing(tmp_path: Path) -> None:
    settings = loop.home_with_feedback(tmp_path / "home", 12)
    with pytest.raises(TooLittleFeedback, match="12 to learn from, and it takes 40"):
        loop.improvement(settings).go()
    assert not settings.adapters_folder.exists()


def test_threads_without_consent_are_never_read(settings: Settings) -> None:
    with closing(Records(settings.database)) as records:
        for thread in records.threads()[:25]:
            records.set_consent(thread.thread_id, False)
    found = signals(settings.database)
    assert (len(found.ids), found.withheld) == (10, 50)
    with pytest.raises(TooLittleFeedback, match="without consent: 50"):
        loop.improvement(settings).go()


def test_a_refused_candidate_leaves_what_is_served_alone(settings: Settings) -> None:
    first = loop.improvement(settings)
    first.go()
    promotion.promote(settings, first.run.name)
    loop.add_feedback(settings.home, range(60, 90))
    done = loop.improvement(settings, "mine-2", open_model=loop.ignorant_model, seed=1)
    compared = done.go()
    assert [reason.kind for reason in compared.verdict.reasons] == ["not better"]
    assert done.run.state == "refused"
    assert served(settings) == "mine-1"
    with pytest.raises(GateRefused, match="no better"):
        promotion.promote(settings, done.run.name)
    record = AdapterRegistry(settings.adapters_folder).verify("mine-2")
    assert record.provenance.parent == "mine-1", "training went on from what was served"


def test_what_was_learned_once_is_never_held_out_later_and_the_other_way_round(settings: Settings) -> None:
    loop.improvement(settings).go()
    loop.add_feedback(settings.home, range(60, 120))
    loop.improvement(settings, "mine-2").go()
    first, second = (
        {part: _asked(settings, name, part) for part in ("train", "test")} for name in ("mine-1", "mine-2")
    )
    assert first["train"] <= second["train"]
    assert first["test"] <= second["test"]


def _asked(settings: Settings, name: str, part: str) -> set[str]:
    path = settings.home / "datasets" / name / f"{part}.jsonl"
    return {str(line["messages"][0]["content"]) for line in lines(path)}  # type: ignore[index]


def test_a_candidate_compared_with_another_adapter_is_not_served(settings: Settings) -> None:
    done = loop.improvement(settings)
    done.go()
    other = loop.improvement(settings, "mine-2", seed=3)
    other.go()
    promotion.promote(settings, other.run.name)
    with pytest.raises(EvaluationError, match="mine-1 was compared with the bare model, and mine-2 is served since"):
        promotion.promote(settings, done.run.name)
    assert served(settings) == "mine-2"


@pytest.mark.parametrize("forgotten", [True, False])
def test_what_is_forgotten_is_seen(settings: Settings, monkeypatch: pytest.MonkeyPatch, forgotten: bool) -> None:
    monkeypatch.undo()  # the margins as they are, but that no clock is judged
    monkeypatch.setattr(measuring, "GUARDS", tuple(one for one in measuring.GUARDS if one.metric != "seconds"))

    def after_training(settings: Settings, adapters: Sequence[Path]) -> ScriptedModel:
        model = loop.learned_model(settings, adapters)
        knowing = model.reply

        def reply(adapter: str, messages: list[Any]) -> Any:
            if "nest, by list" in str(messages[-1].content):
                return knowing(adapter, messages)
            return "I'm sorry, I can't help with that." if adapter and forgotten else "Sure."

        model.reply = reply
        return model

    compared = loop.improvement(settings, open_model=after_training, guards=64).go()
    worse = {reason.metric for reason in compared.verdict.reasons if reason.kind == "worse"}
    assert ("compliance of refusals" in worse) is forgotten
    assert compared.verdict.promoted is not forgotten, compared.verdict.reasons


def mixed(number: int) -> str:
    """A third of the answers are long ones, which are measured by their likelihood."""
    return f"grove {number}" if number % 3 else f"grove {number}, " + "and then down to the water " * 4


@pytest.mark.parametrize(("count", "spoiled"), [(60, False), (60, True), (42, False)])
def test_short_and_long_answers_are_each_measured_in_their_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, spoiled: bool
) -> None:
    class Spoiled(ScriptedModel):
        def log_probabilities(self, messages: Any, reply: str, *, adapter: str | None = None) -> list[float]:
            return [-9.0 if adapter else -2.0] * len(reply.split())

    def model(settings: Settings, adapters: Sequence[Path]) -> ScriptedModel:
        made = loop.learned_model(settings, adapters)
        return Spoiled(reply=made.reply, adapters=made.adapters) if spoiled else made

    monkeypatch.setattr(loop, "answer", mixed)
    compared = loop.improvement(loop.home_with_feedback(tmp_path / "home", count, 1), open_model=model).go()
    assert compared.verdict.primary is not None and compared.verdict.primary.count >= LEAST_TESTED
    reasons = [(reason.kind, reason.metric) for reason in compared.verdict.reasons]
    assert reasons == ([("worse", "bits_per_byte of yours")] if spoiled else [])


@pytest.mark.parametrize("adapter", ["none", "mine-1"])
def test_an_adapter_in_the_settings_stands_in_the_way(settings: Settings, adapter: str) -> None:
    done = loop.improvement(settings)
    done.go()
    pinned = settings.model_copy(update={"model": settings.model.model_copy(update={"adapter": adapter})})
    with pytest.raises(RecipeError, match="answers whatever is promoted") as refused:
        promotion.promote(pinned, done.run.name)
    assert "Clear model.adapter" in refused.value.fix
    assert served(settings) == ""
    with pytest.raises(RecipeError, match="answers whatever is promoted"):
        loop.improvement(pinned, "mine-2").go()
    assert not (settings.home / "datasets" / "mine-2").exists()


def test_a_candidate_of_another_model_is_neither_measured_nor_served(settings: Settings) -> None:
    def interrupted(*given: object) -> ScriptedModel:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.improvement(settings, open_model=interrupted).go()
    bases = {seed: write_base(settings.home / f"{seed}.gguf", seed=seed).read_bytes() for seed in (0, 1)}
    (settings.home / "base.gguf").write_bytes(bases[1])
    with pytest.raises(EvaluationError, match="mine-1 was trained for another model"):
        loop.improvement(settings).go()
    (settings.home / "base.gguf").write_bytes(bases[0])
    done = loop.improvement(settings)
    done.go()
    (settings.home / "base.gguf").write_bytes(bases[1])
    with pytest.raises(EvaluationError, match="mine-1 was trained for another model"):
        promotion.promote(settings, done.run.name)


@pytest.mark.parametrize("gone", ["consent", "turn"])
def test_what_may_no_longer_be_learned_from_is_not_trained_on(settings: Settings, gone: str) -> None:
    def interrupted(task: object) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.improvement(settings, trainer=interrupted).go()
    with closing(Records(settings.database)) as records:
        records.set_consent("thread3", False) if gone == "consent" else records.retract("t7")
    with pytest.raises(DatasetError, match="may no longer be learned from") as refused:
        loop.improvement(settings).go()
    assert "--fresh" in refused.value.fix
    assert not settings.adapters_folder.exists() or not AdapterRegistry(settings.adapters_folder).names()


def test_a_run_is_the_users_alone(settings: Settings) -> None:
    before = os.umask(0o022)
    try:
        done = loop.improvement(settings)
        done.go()
    finally:
        os.umask(before)
    assert done.run.path.stat().st_mode & 0o777 == 0o700
    assert done.run.dataset.stat().st_mode & 0o777 == 0o700


def test_one_run_at_a_time(settings: Settings) -> None:
    with alone(settings.home), pytest.raises(ImproveBusy), alone(settings.home):
        pass
    with alone(settings.home):
        pass


def test_a_look_at_whether_a_run_is_at_work_turns_none_away(settings: Settings) -> None:
    with ExitStack() as looking:
        looking.enter_context(alone(settings.home))
        threading.Timer(0.2, looking.pop_all().close).start()
        with alone(settings.home):
            pass


@pytest.mark.parametrize("writes", range(9))
def test_a_run_that_is_killed_goes_on_where_it_was(settings: Settings, writes: int) -> None:
    """The state is written for the start, the data set, the parent, the adapter, the store, the comparison, the verdict
    and the promotion: the process is killed before each of them.
    """
    code = (
        f"from pathlib import Path; from tests.finetune.improvement.loop import run_and_die as go; "
        f"go(Path({str(settings.home)!r}), {writes})"
    )
    died = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert died.returncode in (-9, 0), died.stderr
    if (last := latest(settings.home)) is None:
        again = loop.improvement(settings)
        compared = again.go()
        assert compared.verdict.promoted
        last = again.run
    if last.state == "waiting":
        AdapterRegistry(settings.adapters_folder).promote(last.name)
    assert served(settings) == "mine-1"
    assert unfinished(settings.home) is None
    assert [run.name for run in runs(settings.home)] == ["mine-1"]
    assert len(lines(last.verdict / "items.jsonl")) == len(lines(last.verdict / "candidate.jsonl")) > 0
    assert not list(settings.home.rglob(".new-*"))
    asked = [line["id"] for line in lines(next(last.path.glob("replies-bare.jsonl")))[1:]]
    assert len(asked) == len(set(asked)), "no item was put twice"


def test_answers_to_what_was_declined_that_slipped_in_are_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = loop.improvement(settings)
    monkeypatch.setattr("finetune.improve.overturns", lambda example: True)
    assert {reason.kind for reason in done.go().verdict.reasons} == {"overturned"}
