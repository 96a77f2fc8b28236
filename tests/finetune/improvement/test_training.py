"""What is kept of a training run; the recipes themselves have tests of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune.export.lora_weights import WEIGHTS, read_safetensors
from finetune.improvement import training
from finetune.improvement.options import ImproveOptions
from finetune.improvement.training import KEPT, Task, Trained, train
from finetune.schema import DatasetSplits
from finetune.training.runs import read_record
from tests.finetune.loras import write_base, write_peft


@pytest.fixture
def learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What every recipe comes to."""
    folder = write_peft(tmp_path / "learned", seed=2)
    (folder / "run.json").write_text('{"base": "its hash"}', encoding="utf-8")

    def run(recipe: str, job: Any, options: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
        return folder, {"steps": 3, "loss": 0.5, "seconds": 1.0, "tokens": 9}

    for name, stand_in in {"_run": run, "check_torch": lambda: None, "share_cores": lambda: None}.items():
        monkeypatch.setattr(training, name, stand_in)
    return folder


def trained(tmp_path: Path, parent: Path | None) -> Trained:
    base = write_base(tmp_path / "base.gguf")
    return train(Task(DatasetSplits(()), tmp_path / "out", base, parent, ImproveOptions()))


def test_of_what_was_learned_since_the_parent_a_part_is_kept(tmp_path: Path, learned: Path) -> None:
    parent = write_peft(tmp_path / "parent", seed=1)
    before = {path: path.read_bytes() for folder in (parent, learned) for path in folder.iterdir()}
    done = trained(tmp_path, parent)
    begun, ended, made = (read_safetensors(folder / WEIGHTS) for folder in (parent, learned, done.folder))
    assert 0 < KEPT < 1
    for name, rows in made.items():
        np.testing.assert_allclose(rows, begun[name] + KEPT * (ended[name] - begun[name]), rtol=1e-5, atol=1e-7)
    assert done.options["kept"] == KEPT
    assert done.metrics["loss"] == 0.5
    assert {path: path.read_bytes() for path in before} == before
    assert read_record(done.folder) == {"base": "its hash", "kept": KEPT}
    (done.folder / WEIGHTS).write_bytes(b"half of it")
    after = read_safetensors(trained(tmp_path, parent).folder / WEIGHTS)
    assert {name: rows.tolist() for name, rows in after.items()} == {name: rows.tolist() for name, rows in made.items()}


def test_a_first_adapter_is_kept_whole(tmp_path: Path, learned: Path) -> None:
    done = trained(tmp_path, None)
    assert done.folder == learned
    assert "kept" not in done.options
