"""What the pages read of training, and what they do to it, against what training itself wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.adapters import choose_adapter
from agent.config import Settings, load_settings, with_model
from agent.errors import RatchetError
from finetune.commands.improve import _check_same
from finetune.errors import GateRefused, ImproveBusy, RecipeError
from finetune.improvement.folder import alone, unfinished
from finetune.improvement.options import ImproveOptions
from finetune.training.options import named_values
from tests.finetune.improvement import loop
from tests.ui.improved import improved_home, needs_training, paused_home, waiting_home
from ui import improvement
from ui.job import Job

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def improved(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return improved_home(tmp_path_factory.mktemp("improved") / "home")


def test_no_page_loads_a_framework_of_training() -> None:
    program = (
        "import sys, tempfile, pathlib\n"
        "from agent.config import load_settings\n"
        "from ui import arena_page, improve_page, improvement, quality_page\n"
        "from ui.improve_parts import adapters, deciding, examples, feedback, sources, training, verdict\n"
        "settings = load_settings({'home': pathlib.Path(sys.argv[1]), 'model': {'name': 'openai:x'}})\n"
        "improvement.standing(settings), improvement.runs(settings), improvement.adapters(settings)\n"
        "print(sorted({'torch', 'transformers', 'peft', 'accelerate'} & set(sys.modules)))"
    )
    home = str(ROOT / "no-such-home")
    done = subprocess.run([sys.executable, "-c", program, home], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert not Path(home).exists(), "looking writes nothing"


def test_how_things_stand(improved: Settings) -> None:
    now = improvement.standing(improved)
    assert (now.signals, now.new, now.withheld, now.needed) == (90, 0, 0, 40)
    assert now.served == "mine-1" and now.problem == ""
    remote = improvement.standing(with_model(improved, "openai:gpt", None))
    assert remote.served == "" and "adapters are trained for local models" in remote.problem
    fixed = improvement.standing(with_model(improved, None, "none"))
    assert "Clear model.adapter" in fixed.problem


def test_runs_with_their_stages(improved: Settings) -> None:
    second, first = improvement.runs(improved)
    assert (first.name, first.state, first.judged, first.at_work) == ("mine-1", "served", True, False)
    assert (second.name, second.state) == ("mine-2", "refused")
    assert [stage.state for stage in first.stages] == ["done"] * 6
    assert first.facts["learned"] + first.facts["held_out"] == 60


def test_curves_are_read_from_what_a_run_writes(improved: Settings) -> None:
    (curve,) = improvement.curves(improved, "mine-1")
    assert [step.number for step in curve.steps] == list(range(1, 41))
    assert curve.steps[0].loss == 2.0 and curve.steps[0].tokens_per_second == 1000
    assert curve.steps[9].dev_loss == 0.1 and curve.steps[8].dev_loss is None
    assert curve.seconds_left == 0
    assert improvement.curves(improved, "mine-2") == []


def test_verdict_and_answers(improved: Settings) -> None:
    passed, refused = improvement.verdict(improved, "mine-1"), improvement.verdict(improved, "mine-2")
    assert passed is not None and refused is not None
    assert passed.promoted and not refused.promoted and refused.reasons
    assert passed.lines[0].primary and passed.lines[0].holds and passed.lines[0].limit == 0
    assert not refused.lines[0].holds and refused.base == "mine-1"
    assert {line.kind for line in passed.lines} >= {"share", "ratio"}
    assert all(line.limit < 0 for line in passed.lines[1:] if line.kind != "ratio")
    pairs = improvement.answers(improved, "mine-1")
    won = [one for one in pairs if one.change == "won"]
    assert won and all(one.after.startswith("grove") and one.wanted == one.after for one in won)


def test_data_sets_and_examples(improved: Settings) -> None:
    assert set(improvement.dataset_names(improved)) == {"mine-1", "mine-2"}
    found = improvement.dataset(improved, "mine-1")
    assert found.examples["test"] >= 20 and "# Data set" in found.card
    examples = improvement.examples(improved, "mine-1", "train")
    assert len(examples) == found.examples["train"]
    assert examples[0].source.startswith("turn:") and "nest, by list" in examples[0].text
    with pytest.raises(RatchetError):
        improvement.dataset(improved, "../../etc")


def test_the_store(improved: Settings) -> None:
    first, second = improvement.adapters(improved)
    assert (first.name, first.depth, first.standing) == ("mine-1", 0, "served")
    assert (second.name, second.depth, second.standing, second.parent) == ("mine-2", 1, "refused", "mine-1")
    assert "Recipe: lora" in improvement.card(improved, "mine-1")
    assert improvement.history(improved)[0]["name"] == "mine-1"


def test_promote_and_roll_back(tmp_path: Path) -> None:
    settings = waiting_home(tmp_path / "home")

    def served() -> str:
        return choose_adapter("", settings.home / "base.gguf", settings.adapters_folder).name.partition("@")[0]

    improvement.promote(settings, "mine-1", reason="a test")
    assert served() == "mine-1" and improvement.runs(settings)[0].state == "served"
    assert improvement.roll_back(settings) == "" and served() == ""
    with pytest.raises(RatchetError, match="nothing to roll back"):
        improvement.roll_back(settings)
    with pytest.raises(RatchetError, match="local models"):
        improvement.promote(with_model(settings, "openai:gpt", None), "mine-1")


def test_what_the_gate_refused_is_served_only_with_a_reason(tmp_path: Path) -> None:
    settings = improved_home(tmp_path / "home")
    with pytest.raises(GateRefused):
        improvement.promote(settings, "mine-2")
    improvement.promote(settings, "mine-2", force=True, reason="I know better")
    assert improvement.history(settings)[0]["reason"] == "I know better"


@needs_training
def test_a_command_asks_for_just_these_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = loop.home_with_feedback(tmp_path / "home")
    started: list[list[str]] = []
    monkeypatch.setattr(Job, "start", lambda self, words: started.append(list(words)))
    flags = {"preferences": True, "overturn": True}
    options = ImproveOptions(minutes=0.7, files=("/a b.csv",), documents="d", settings={"rank": "4"}, **flags)
    improvement.start(settings, options, "birds")
    (words,) = started
    assert words[:2] == ["improve", "--json"] and words[-2:] == ["--name", "birds"]
    given = dict(zip(words[2:], words[3:], strict=False))
    assert given["--file"] == "/a b.csv" and given["--documents"] == "d"
    assert {f"--{flag}" for flag in flags} <= set(words)
    assert named_values([given["--set"]]) == {"rank": "4"} and float(given["--minutes"]) == 0.7


@needs_training
def test_an_interrupted_run_goes_on_with_its_own_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = paused_home(tmp_path / "home")
    (run,) = improvement.runs(settings)
    assert run.state == "running" and not run.at_work
    assert [stage.title for stage in run.stages if stage.state == "now"] == ["Training"]
    assert improvement.curves(settings, "mine-1")[0].seconds_left == pytest.approx(10)
    started: list[list[str]] = []
    monkeypatch.setattr(Job, "start", lambda self, words: started.append(list(words)))
    improvement.resume(settings)
    given = dict(zip(started[0][2:], started[0][3:], strict=False))
    open_run = unfinished(settings.home)
    assert open_run is not None
    again = ImproveOptions(
        minutes=float(given["--minutes"]), guards=int(given["--guards"]), rehearsal=float(given["--rehearsal"])
    )
    _check_same(open_run, again, "")
    improvement.give_up(settings)
    assert [run.state for run in improvement.runs(settings)] == ["given up"]
    improvement.resume(settings)
    assert len(started) == 1, "there is nothing to go on with"


@needs_training
def test_a_run_in_a_terminal_is_not_disturbed(tmp_path: Path) -> None:
    settings = paused_home(tmp_path / "home")
    with alone(settings.home):
        assert improvement.runs(settings)[0].at_work
        improvement.improve_job(settings).stop()  # does nothing: it is none of ours
        for refused in (improvement.resume, improvement.give_up):
            with pytest.raises(ImproveBusy):
                refused(settings)


@needs_training
def test_what_cannot_be_trained_is_refused_before_anything_starts(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(RatchetError, match="local models"):
        improvement.start(with_model(settings, "openai:gpt", None), ImproveOptions())
    with pytest.raises(RecipeError, match="cannot be"):
        improvement.start(settings, ImproveOptions(), "../x")
    assert not Job(settings.home, "improve").folder.exists()


def test_who_holds_back() -> None:
    assert improvement.holds_back("The documents do not mention the price.")
    assert not improvement.holds_back("The pump costs 40 euros.")


def test_a_home_without_anything(own_home: Path) -> None:
    settings = load_settings({"model": {"name": "openai:gpt"}})
    assert improvement.runs(settings) == improvement.adapters(settings) == improvement.dataset_names(settings) == []
    assert improvement.standing(settings).signals == 0
    assert not own_home.exists()
