"""The rounds of the adapter that ships: one after the other, none twice, and what is shipped is what was learned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from agent.adapters import choose_adapter
from finetune.cli import app
from finetune.default import rounds as module
from finetune.default.mix import SHARES
from finetune.default.rounds import LICENCES, SHIPPED, Round, adapter_of, jobs, last_adapter, package
from finetune.errors import AdapterMissing, DatasetError
from finetune.schema import DatasetSplits
from tests.finetune.loras import write_base, write_peft
from tests.finetune.tiny_base import splits

TWO = (Round(seed=1, scale=0.5, learning_rate=1e-3), Round(seed=2, scale=1.0, learning_rate=5e-4))


@pytest.fixture(autouse=True)
def mixes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """A few examples in place of the public sets, and what was asked for."""
    made: list[tuple[int, float]] = []

    def few(seed: int, scale: float, more: Mapping[str, float]) -> DatasetSplits:
        made.append((seed, scale))
        return splits(6 + seed, 2)

    monkeypatch.setattr(module, "mix", few)
    return made


def learn(out: Path, number: int) -> Path:
    """A round's adapter, as training leaves it."""
    folder = adapter_of(out / f"round-{number}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    return write_peft(folder, seed=number)


def test_each_round_goes_on_from_the_one_before(tmp_path: Path, mixes: list[tuple[int, float]]) -> None:
    remaining = jobs(tmp_path, TWO)
    first, options = next(remaining)
    assert first.parent is None and first.out == tmp_path / "round-1" / "run"
    assert options["seed"] == 1 and options["learning_rate"] == 1e-3 and len(first.splits.train) == 7
    assert mixes == [(1, 0.5)], "the second mix is made when its turn comes"
    learned = learn(tmp_path, 1)
    second, options = next(remaining)
    assert second.parent == learned and options["learning_rate"] == 5e-4 and len(second.splits.train) == 8


def test_of_a_round_half_can_be_kept(tmp_path: Path) -> None:
    half = (TWO[0], replace(TWO[1], kept=0.5))
    weights = []
    for number, _ in enumerate(jobs(tmp_path, half), 1):
        weights.append(load_file(learn(tmp_path, number) / "adapter_model.safetensors"))
    between = load_file(last_adapter(tmp_path, half) / "adapter_model.safetensors")
    one, other = weights
    assert set(between) == set(one)
    for name, rows in between.items():
        np.testing.assert_allclose(rows, (one[name] + other[name]) / 2, rtol=1e-6)
        assert not np.array_equal(one[name], other[name])
    assert last_adapter(tmp_path, TWO) == adapter_of(tmp_path / "round-2")


def test_what_is_done_is_not_done_again(tmp_path: Path, mixes: list[tuple[int, float]]) -> None:
    next(jobs(tmp_path, TWO))
    next(jobs(tmp_path, TWO))
    assert mixes == [(1, 0.5)], "the mix is kept"
    learn(tmp_path, 1)
    ((job, _),) = jobs(tmp_path, TWO)
    assert job.out == tmp_path / "round-2" / "run"
    learn(tmp_path, 2)
    assert list(jobs(tmp_path, TWO)) == []


def test_data_that_was_changed_is_not_learned_from(tmp_path: Path) -> None:
    next(jobs(tmp_path, TWO))
    with (tmp_path / "round-1" / "data" / "train.jsonl").open("a") as file:
        file.write('{"messages": []}\n')
    with pytest.raises(DatasetError, match=r"train\.jsonl"):
        next(jobs(tmp_path, TWO))


def test_what_ships_is_what_was_learned_and_is_found_by_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, out, target = write_base(tmp_path / "base.gguf"), tmp_path / "out", tmp_path / "shipped"
    for number, _ in enumerate(jobs(out, TWO), 1):
        learn(out, number)
    (out / "round-2" / "run" / "run.json").write_text(json.dumps({"outcome": {"steps": 335}}))
    record = package(out, base, target, {"tools: exact": 0.5}, TWO)
    assert sorted(path.name for path in target.iterdir()) == sorted(SHIPPED)
    assert json.loads((target / "adapter.json").read_text())["files"] == record.files
    card = (target / "card.md").read_text()
    assert "seed 1 at scale 0.5" in card and "seed 2 at scale 1" in card and "tools: exact" in card
    assert card.count(" steps") == 1 and ", 335 steps" in card
    assert len(record.provenance.dataset.split(", ")) == 2
    monkeypatch.setattr("agent.adapters._FOLDER", target)
    served = choose_adapter("", base, None, bundled=True)
    assert served.paths == (target / "adapter.gguf",) and served.name.startswith("packaged@") and not served.note


def test_nothing_ships_before_the_last_round(tmp_path: Path) -> None:
    learn(tmp_path, 1)
    with pytest.raises(AdapterMissing, match="not done"):
        last_adapter(tmp_path, TWO)
    done = CliRunner().invoke(app, ["default", "--out", str(tmp_path / "none"), "--package", str(tmp_path / "ship")])
    assert done.exit_code != 0 and "are not done" in done.output and not (tmp_path / "ship").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"adapters": {"none": {"tools": {"exact": 1}}}}'])
def test_figures_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "figures.json").write_text(text)
    done = CliRunner().invoke(
        app, ["default", "--out", "o", "--package", "p", "--metrics", str(tmp_path / "figures.json")]
    )
    assert done.exit_code != 0 and "holds no figures" in " ".join(done.output.split())


def test_every_source_has_its_licence() -> None:
    assert set(LICENCES) == set(SHARES)
