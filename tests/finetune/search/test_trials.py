"""Trials of a search that really train: on one base, one set of prepared data, ended early where hopeless."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("accelerate")
pytest.importorskip("optuna")

import torch

from finetune.errors import DatasetError, TrainingPruned
from finetune.search.space import parse_space
from finetune.search.study import POINTS, Plan, Trial, open_search
from finetune.search.trials import Trials, spread, subject
from finetune.training.base_model import BaseModel
from finetune.training.formatting import Renderer
from finetune.training.job import Job
from finetune.training.tracking import read_metrics
from tests.finetune.tiny_base import job, splits, tiny_base

pytestmark = pytest.mark.slow
FIXED: dict[str, Any] = {
    "threads": 1,
    "precision": "fp32",
    "step_targets": 30,
    "pack_tokens": 256,
    "epochs": 4,
    "loraplus": 1,
    "minutes": 1.0,
}


def weights(base: BaseModel) -> dict[str, torch.Tensor]:
    model: Any = base.model
    return {name: one.clone() for name, one in model.state_dict().items()}


def a_trial(folder: Path, number: int = 0, **values: Any) -> tuple[Trial, list[tuple[float, int]]]:
    reported: list[tuple[float, int]] = []
    return Trial(number, folder, values, lambda loss, point: reported.append((loss, point))), reported


@pytest.mark.parametrize("recipe", ["lora", "full", "prompt_tuning"])
def test_trials_share_what_was_read_and_leave_it_as_it_was(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = job(tmp_path)
    assert isinstance(given.base, BaseModel)
    before = weights(given.base)
    rendered = []
    render = Renderer.render
    monkeypatch.setattr(Renderer, "render", lambda *call: rendered.append(1) or render(*call))
    fixed = {name: value for name, value in FIXED.items() if name != "loraplus" or recipe == "lora"}
    trials = Trials(recipe, given, fixed)
    first, reported = a_trial(tmp_path / "0", learning_rate=0.01)
    once = trials(first)
    times = len(rendered)
    again = trials(a_trial(tmp_path / "1", learning_rate=0.01)[0])
    assert times and len(rendered) == times  # prepared once
    assert once == again  # the second began where the first did
    after = weights(given.base)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert [point for _, point in reported] == sorted({point for _, point in reported})
    assert reported[0][1] == 0 and 1 < len(reported) <= POINTS + 1


def test_shared_weights_are_not_copied_but_for_recipes_that_change_them(tmp_path: Path) -> None:
    for recipe, shared in (("lora", True), ("full", False)):
        given = job(tmp_path)
        base: Any = given.base
        copied: Any = Trials(recipe, given, {})._job.load_base().model
        pairs = list(zip(base.model.parameters(), copied.parameters(), strict=True))
        assert all((one is other) == shared for one, other in pairs)
        assert copied is not base.model


def test_a_pruned_trial_stops_at_once_with_its_files_closed(tmp_path: Path) -> None:
    def report(loss: float, point: int) -> None:
        if point >= 2:
            raise TrainingPruned("hopeless")

    shown = []
    trials = Trials("lora", job(tmp_path), FIXED, shown.append)
    with pytest.raises(TrainingPruned):
        trials(Trial(0, tmp_path / "0", {"learning_rate": 0.01}, report))
    steps = read_metrics(tmp_path / "0")
    assert 0 < max(steps) == shown[-1].step < shown[-1].total * 0.7


def test_the_development_sequences_are_the_same_however_rows_are_packed(tmp_path: Path) -> None:
    def at_start(**values: Any) -> float:
        first = []

        def report(loss: float, point: int) -> None:
            first.append(loss)
            raise TrainingPruned("enough")

        fixed = FIXED | {"dev_tokens": 150} | values
        with pytest.raises(TrainingPruned):
            Trials("lora", job(tmp_path), fixed)(Trial(0, tmp_path / str(values), {}, report))
        return first[0]

    assert at_start(pack_tokens=128) == pytest.approx(at_start(pack_tokens=512), rel=1e-4)


def test_data_without_a_development_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No development example"):
        Trials("lora", job(tmp_path, splits=splits(12, 0)), FIXED)(a_trial(tmp_path / "0")[0])


def test_spread_keeps_within_its_tokens() -> None:
    from finetune.schema import TokenSequence

    sequences = [TokenSequence(list(range(size)), [True] * size) for size in (3, 40, 5, 40, 7, 40)]
    chosen = spread(sequences, 60)
    assert 0 < sum(len(one.ids) for one in chosen) <= 60 and spread(sequences, 500) == sequences
    assert len(spread(sequences, 1)) == 1


def test_a_search_finds_what_learns_best_and_knows_its_data_again(tmp_path: Path) -> None:
    given: Job = job(tmp_path / "s")
    space = parse_space("lora", ["learning_rate=1e-5|1e-2", "rank=2|4"], {"step_targets": 30, "loraplus": 1})
    plan = Plan("lora", space, {}, 1.0, 0, subject(given))
    with open_search(tmp_path / "s", plan) as search:
        result = search.run(Trials("lora", given, FIXED), 60)
    assert result.ended == "space" and len(result.trials) == 4
    assert result.best is not None and result.best.values["learning_rate"] == 1e-2
    assert json.loads((tmp_path / "s" / "result.json").read_text())["best"]["trial"] == result.best.number
    assert not list((tmp_path / "s").glob("trials/*/checkpoints"))
    assert subject(job(tmp_path, splits=splits(23, 6))) != subject(given) == subject(job(tmp_path))


def test_the_command_searches_goes_on_and_prints_a_command_that_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shlex

    from typer.testing import CliRunner

    from finetune.cli import app
    from finetune.training import base_model

    monkeypatch.setattr(base_model, "load_base", lambda path: tiny_base())
    monkeypatch.setattr(base_model, "served_model", lambda folder: folder)
    monkeypatch.setattr(base_model, "fingerprint_of", lambda path: "f" * 64)
    data, out = tmp_path / "data", tmp_path / "s"
    data.mkdir()
    for name in ("train", "dev"):
        lines = [json.dumps(one.to_json()) for one in getattr(splits(), name)]
        (data / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")

    def call(*words: str) -> Any:
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == 0, done.output
        return done

    fixed = "--set step_targets=30 --set loraplus=1 --set precision=fp32 --set pack_tokens=256".split()
    words = ["search", "--data", str(data), "--out", str(out), "--minutes", "30", "--threads", "1", *fixed]
    words += ["--space", "rank=2|4"]
    call(*words, "--trials", "1")
    done = call(*words, "--trials", "3", "--json")
    result = json.loads(done.stdout)
    assert len(result["trials"]) == 3 and result["ended"] == "trials"
    assert "trial" in call(*words, "--trials", "3").stdout and (out / "trials.png").is_file()
    train = shlex.split(result["command"])
    assert train[:4] == ["python", "-m", "finetune", "train"]
    call(*train[3:])
    assert (out / "best" / "adapter").is_dir()
