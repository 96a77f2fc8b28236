"""`ratchet improve` on the command line: what it says, what it asks, how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli import app
from agent.cli.plugins import GROUP
from agent.config import Settings
from agent.errors import RatchetError, StorageError
from agent.records import Records
from finetune.commands import improve as command
from finetune.commands.improve import finish
from finetune.errors import TrainingDiverged
from finetune.evaluation.verdict import Reason
from finetune.improve import Improvement
from finetune.improvement import measuring, promotion
from finetune.improvement.folder import latest, runs, unfinished
from finetune.registry import AdapterRegistry
from finetune.suites import load_suite
from finetune.training import installed
from finetune.training.installed import NEEDED
from tests.finetune.commands.running import ratchet
from tests.finetune.improvement import loop
from tests.finetune.loras import write_base, write_peft

ROOT = Path(__file__).resolve().parents[3]


pytestmark = pytest.mark.usefixtures("pytorch_or_not")


@pytest.fixture(autouse=True)
def wide_margins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "GUARDS", measuring.GUARDS)
    loop.widen_margins()


@pytest.fixture
def settings(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("RATCHET_MODEL__NAME", f"local:{own_home / 'base.gguf'}")
    return loop.home_with_feedback(own_home)


def finished(settings: Settings, name: str = "mine-1", **options: Any) -> Any:
    done = loop.improvement(settings, name, **options)
    return done, done.go()


def test_help_is_quick_and_loads_no_framework() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from agent.cli import app\n"
        "for words in (['--help'], ['improve', '--help']):\n"
        "    print(CliRunner().invoke(app, words).stdout)\n"
        "print(sorted({'torch', 'transformers', 'peft', 'numpy', 'langchain_core'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "Learn from feedback" in said
    assert "--minutes" in said and "rollback" in said
    assert said.rstrip().endswith("[]")


def test_too_little_feedback_ends_with_what_is_missing(own_home: Path) -> None:
    done = ratchet()
    assert done.exit_code == 1
    assert "There are 0 to learn from, and it takes 40" in done.stderr
    assert unfinished(own_home) is None


def test_scheduled_runs_end_quietly_when_little_is_new(settings: Settings) -> None:
    done = ratchet("--if-new", "61")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "60 new signals, and a run begins with 61: nothing to do.\n"
    finished(settings)
    done = ratchet("--if-new", "1")
    assert (done.exit_code, done.stdout) == (0, "0 new signals, and a run begins with 1: nothing to do.\n")
    with closing(Records(settings.database)) as records:
        records.add_feedback("t0", -1, correction="grove one")
    assert json.loads(ratchet("status", "--json").stdout)["new"] == 1


def test_an_interrupted_run_goes_on_only_with_the_same_options(settings: Settings) -> None:
    loop.improvement(settings)
    done = ratchet("--guards", "8", "--rehearsal", "0", "--minutes", "5")
    assert done.exit_code == 2
    assert "minutes (8.0 then, 5.0 now)" in done.stderr
    assert unfinished(settings.home) is not None


def test_another_run_is_not_disturbed(settings: Settings) -> None:
    from finetune.improvement.folder import alone

    with alone(settings.home):
        done = ratchet()
    assert done.exit_code == 1
    assert "Another `ratchet improve` is at work." in done.stderr


def test_ctrl_c_is_answered_kindly(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("finetune.improve.gather", interrupted)
    done = ratchet()
    assert done.exit_code == 130
    assert "Give the same command again to go on from there." in done.stderr
    run = unfinished(settings.home)
    assert run is not None and run.state == "running"
    assert f"{run.name} was interrupted" in ratchet("status").stdout
    assert "Going on with mine-1, which was interrupted." in ratchet().stderr
    ratchet("--fresh")
    assert [(run.name, run.state) for run in runs(settings.home)] == [("mine-1", "given up"), ("mine-2", "running")]


def test_without_pytorch_it_says_what_to_install(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(installed, "NEEDED", NEEDED)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in NEEDED else found(name, *rest))
    done = ratchet("--rehearsal", "0", "--guards", "8")
    assert done.exit_code == 2
    assert "Training needs torch, transformers, peft, accelerate, which are not installed." in done.stderr
    assert "pip install 'ratchet-agent[finetune]'" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--recipe", "lore"),
        ("--recipe", "full"),
        ("--recipe", "dpo"),
        ("--set", "rnk=3"),
        ("--minutes", "0"),
        ("--guards", "0"),
        ("--name", "my adapter"),
        ("--name", ".x"),
        ("--name", "../../x"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_read(own_home: Path, words: tuple[str, ...]) -> None:
    done = ratchet(*words)
    assert done.exit_code == 2
    assert not own_home.exists()


@pytest.mark.parametrize("folder", ["adapters", "runs", "datasets"])
def test_a_name_that_is_taken_is_told_before_anything_is_begun(settings: Settings, folder: str) -> None:
    (settings.home / folder / "birds").mkdir(parents=True)
    done = ratchet("--name", "birds")
    assert done.exit_code == 2
    assert '"birds" already' in done.stderr
    assert runs(settings.home) == []


def test_an_adapter_in_the_settings_stands_in_the_way(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(settings)
    monkeypatch.setenv("RATCHET_MODEL__ADAPTER", "none")
    for words in (("--if-new", "1"), ("promote", "mine-1"), ("promote", "mine-1", "--force", "--reason", "so")):
        done = ratchet(*words)
        assert (done.exit_code, "Clear model.adapter" in done.stderr) == (2, True), words
    assert AdapterRegistry(settings.adapters_folder).served() == {}


@pytest.mark.parametrize(("error", "state"), [(TrainingDiverged, "failed"), (StorageError, "running")])
def test_only_what_trying_again_may_cure_is_tried_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: type[RatchetError], state: str
) -> None:
    def fails(self: Improvement) -> None:
        raise error("It went wrong.")

    monkeypatch.setattr(Improvement, "_train", fails)
    words = ("--if-new", "1", "--rehearsal", "0", "--guards", "8")
    assert ratchet(*words).exit_code == error("").exit_code
    assert [run.state for run in runs(settings.home)] == [state]
    ratchet(*words)
    assert [run.name for run in runs(settings.home)] == (["mine-1", "mine-2"] if state == "failed" else ["mine-1"])


def test_an_adapter_that_was_served_before_is_not_served_again_unmeasured(settings: Settings) -> None:
    promotion.promote(settings, finished(settings)[0].run.name)
    assert ratchet("promote", "mine-1").exit_code == 0, "it is what is served"
    loop.add_feedback(settings.home, range(60, 90))
    registry = AdapterRegistry(settings.adapters_folder)
    write_peft(settings.home / "theirs", seed=5)
    registry.add("theirs", settings.home / "theirs", settings.home / "base.gguf")
    registry.promote("theirs", force=True, reason="a test")
    done = ratchet("promote", "mine-1")
    assert done.exit_code == 1
    assert "mine-1 was compared with the bare model, and theirs is served since" in done.stderr
    assert set(registry.served().values()) == {"theirs"}
    (settings.home / "runs" / "mine-1").rename(settings.home / "elsewhere")
    assert "is gone" in ratchet("promote", "mine-1").stderr
    assert set(registry.served().values()) == {"theirs"}
    assert ratchet("promote", "mine-1", "--force", "--reason", "so").exit_code == 0
    assert set(registry.served().values()) == {"mine-1"}


def test_a_roll_back_is_of_the_model_in_use(settings: Settings) -> None:
    promotion.promote(settings, finished(settings)[0].run.name)
    registry = AdapterRegistry(settings.adapters_folder)
    other = write_base(settings.home / "other.gguf", seed=9)
    registry.add("theirs", write_peft(settings.home / "theirs"), other)
    registry.promote("theirs", force=True, reason="a test")
    assert json.loads(ratchet("rollback", "--json").stdout) == {"served": ""}
    assert set(registry.served().values()) == {"theirs"}
    assert ratchet("rollback").exit_code == 3


def test_without_a_terminal_the_candidate_waits_and_can_be_promoted_later(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    done, compared = finished(settings)
    finish(done, compared, yes=False, as_json=False)
    said = capsys.readouterr().out
    assert "Serve it with `ratchet improve promote mine-1`" in said
    assert "grove" in said, "some answers are shown"
    assert AdapterRegistry(settings.adapters_folder).served() == {}
    assert ratchet("promote", "mine-1").exit_code == 0
    assert json.loads(ratchet("status", "--json").stdout)["served"] == "mine-1"
    assert latest(settings.home).state == "served"  # type: ignore[union-attr]
    assert json.loads(ratchet("rollback", "--json").stdout) == {"served": ""}


def test_with_yes_it_is_served_and_json_says_so(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    done, compared = finished(settings)
    finish(done, compared, yes=True, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], said["state"], said["verdict"]["promoted"]) == ("mine-1", "served", True)


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_asked(settings: Settings, monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    done, compared = finished(settings)
    monkeypatch.setattr(command, "_approved", lambda name: answer)
    finish(done, compared, yes=False, as_json=False)
    assert bool(AdapterRegistry(settings.adapters_folder).served()) is answer


def test_a_refusal_has_an_exit_code_and_reasons(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    done, compared = finished(settings, open_model=loop.ignorant_model)
    with pytest.raises(typer.Exit) as ended:
        finish(done, compared, yes=True, as_json=False)
    assert ended.value.exit_code == 1
    assert "right of yours is no better" in capsys.readouterr().err
    refused = ratchet("promote", "mine-1")
    assert refused.exit_code == 1 and "mine-1 is not promoted" in refused.stderr
    assert ratchet("promote", "mine-1", "--force").exit_code == 2, "a reason is wanted"
    assert ratchet("promote", "mine-1", "--force", "--reason", "I know better").exit_code == 0


def test_a_refusal_for_what_was_forgotten_says_what_to_try(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    done, compared = finished(settings)
    forgot = Reason("worse", "format of formats is worse.", "format of formats")
    compared = replace(compared, verdict=replace(compared.verdict, promoted=False, reasons=(forgot,)))
    done.run.note(state="refused")
    with pytest.raises(typer.Exit):
        finish(done, compared, yes=True, as_json=False)
    assert "It learned what it was taught, at a cost elsewhere: --minutes" in capsys.readouterr().err


def test_what_is_there_can_be_looked_at(settings: Settings) -> None:
    promotion.promote(settings, finished(settings)[0].run.name)
    loop.add_feedback(settings.home, range(60, 80))
    finished(settings, "mine-2", open_model=loop.ignorant_model)
    listed = ratchet("list").stdout.splitlines()
    assert listed[0].startswith("mine-1") and "served" in listed[0]
    assert listed[1].startswith("   └─ mine-2") and "refused" in listed[1]
    assert [row["state"] for row in json.loads(ratchet("list", "--json").stdout)] == ["served", "refused"]
    shown = ratchet("show", "mine-1").stdout
    assert "Recipe: lora" in shown and "The gate passed it." in shown
    assert json.loads(ratchet("show", "mine-2", "--json").stdout)["verdict"]["promoted"] is False
    won = json.loads(ratchet("diff", "mine-1", "--only", "won", "--json").stdout)
    assert won and all(one["candidate"]["output"].startswith("grove") for one in won)
    assert "wanted: grove" in ratchet("diff", "mine-1").stdout
    assert "mine-2: refused" in ratchet("status").stdout
    assert "left out" not in ratchet("dataset", "show", "mine-1").stderr
    assert json.loads(ratchet("dataset", "show", "mine-1", "--json").stdout)["examples"]["test"] >= 20


def test_a_data_set_is_built_from_a_file(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("question,answer\n" + "a,b\nc,d\ne,f\n")
    built = ratchet("dataset", "build", "faq", "--no-records", "--file", str(tmp_path / "faq.csv"), "--json")
    assert built.exit_code == 0, built.stderr
    assert sum(json.loads(built.stdout)["examples"].values()) == 3
    assert json.loads(ratchet("dataset", "build", "all", "--json").stdout)["kinds"] == {"turn": 60}
    few = json.loads(ratchet("dataset", "build", "few", "--limit", "12", "--json").stdout)
    assert sum(few["examples"].values()) == 12 and few["dropped"]["more than were asked for"] == 48


def test_the_first_lines_of_ten_gigabytes_make_a_data_set(settings: Settings, tmp_path: Path) -> None:
    rows = [{"question": f"Where is stone {number}?", "answer": f"At mark {number}."} for number in range(60)]
    with (tmp_path / "huge.jsonl").open("w+") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))
        file.truncate(10 * 2**30)
    words = ("--no-records", "--file", str(tmp_path / "huge.jsonl"), "--json")
    assert ratchet("dataset", "build", "all", *words).exit_code == 2
    few = ratchet("dataset", "build", "few", "--limit", "30", *words)
    assert few.exit_code == 0, few.stderr
    assert sum(json.loads(few.stdout)["examples"].values()) == 30


def test_what_models_are_evaluated_with_stays_out_of_a_data_set(settings: Settings, tmp_path: Path) -> None:
    asked = [item.messages[-1]["content"] for item in load_suite("general")[:2]]
    rows = [{"question": text, "answer": "It is so."} for text in (*asked, "Where is the heron?", "Where is the wren?")]
    (tmp_path / "faq.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ("--no-records", "--file", str(tmp_path / "faq.jsonl"), "--json")
    made = json.loads(ratchet("dataset", "build", "faq", *words).stdout)
    assert sum(made["examples"].values()) == 2
    assert made["dropped"] == {"held out for evaluation": 2}


def test_what_a_run_held_out_stays_out_of_a_data_set(settings: Settings) -> None:
    done, _ = finished(settings)
    held_out = (done.run.dataset / "test.jsonl").read_text(encoding="utf-8").splitlines()
    made = json.loads(ratchet("dataset", "build", "all", "--json").stdout)
    assert made["dropped"] == {"held out for evaluation": len(held_out)}


def test_a_command_that_cannot_be_loaded_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    broken = metadata.EntryPoint("broken", "no.such.module:register", GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [broken])
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 0
    assert "The command broken of no.such.module:register is not there" in done.stderr
    assert "ingest" in done.stdout
