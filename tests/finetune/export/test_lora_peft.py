"""Adapters as PEFT's files: the same corrections as in the GGUF they were made from; or between two others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agent.errors import StorageError
from finetune.errors import AdapterInvalid
from finetune.export.base_layout import BaseLayout
from finetune.export.lora_gguf import lora_to_gguf
from finetune.export.lora_peft import between, copy_peft, gguf_to_peft
from finetune.export.lora_weights import CONFIG, WEIGHTS, LoraWeights, read_safetensors
from tests.finetune.loras import linears, write_base, write_peft


@pytest.mark.parametrize("shape", [{}, {"rank": 8, "use_rslora": True}, {"rank": 4, "rank_pattern": {"q_proj": 4}}])
def test_the_way_there_and_back_changes_nothing(tmp_path: Path, shape: dict[str, object]) -> None:
    base = write_base(tmp_path / "base.gguf")
    folder = write_peft(tmp_path / "peft", **shape)  # type: ignore[arg-type]
    gguf = lora_to_gguf(folder, base, tmp_path / "adapter.gguf", "f32")
    layout = BaseLayout.read(base)
    before, after = LoraWeights.read(folder, layout), LoraWeights.read(gguf_to_peft(gguf, base, tmp_path / "b"), layout)
    assert after.modules.keys() == before.modules.keys()
    assert len(after.modules) == 2 * len(linears({"hidden": 1, "inner": 1, "kv": 1}))
    for name, module in before.modules.items():
        zero = np.zeros((module.b.shape[0], module.a.shape[1]), dtype=np.float32)
        np.testing.assert_allclose(after.modules[name].added_to(zero), module.added_to(zero), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_an_adapter_between_two_others(tmp_path: Path, share: float) -> None:
    one, other = (write_peft(tmp_path / str(seed), seed=seed) for seed in (1, 2))
    begun, ended = (read_safetensors(folder / WEIGHTS) for folder in (one, other))
    made = read_safetensors(between(one, other, share, tmp_path / "between") / WEIGHTS)
    assert made.keys() == begun.keys()
    for name, rows in made.items():
        np.testing.assert_allclose(rows, (1 - share) * begun[name] + share * ended[name], rtol=1e-6)


def test_what_a_configuration_leaves_out_is_the_same_as_what_it_denies(tmp_path: Path) -> None:
    one, other = (write_peft(tmp_path / str(seed), seed=seed) for seed in (1, 2))
    config = json.loads((one / CONFIG).read_text(encoding="utf-8"))
    (one / CONFIG).write_text(json.dumps({**config, "use_rslora": None, "rank_pattern": {}}), encoding="utf-8")
    (other / CONFIG).write_text(json.dumps({**config, "use_rslora": False}), encoding="utf-8")
    assert between(one, other, 0.5, tmp_path / "between").is_dir()


@pytest.mark.parametrize("shape", [{"rank": 8}, {"alpha": 16}, {"use_rslora": True}])
def test_there_is_nothing_between_adapters_of_other_shapes(tmp_path: Path, shape: dict[str, object]) -> None:
    other = write_peft(tmp_path / "other", **shape)  # type: ignore[arg-type]
    with pytest.raises(AdapterInvalid, match="not of the same shape"):
        between(write_peft(tmp_path / "one"), other, 0.5, tmp_path / "between")
    assert not (tmp_path / "between").exists()


def test_a_copy_holds_the_same_bytes_and_names_the_base(tmp_path: Path) -> None:
    folder = write_peft(tmp_path / "one", rank=8, use_rslora=True, base_model_name_or_path="org/model")
    before = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    assert copy_peft(folder, tmp_path / "own") == "org/model"
    assert copy_peft(folder, tmp_path / "named", "/models/it", "# A card") == "/models/it"
    for name, base in (("own", "org/model"), ("named", "/models/it")):
        assert (tmp_path / name / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()
        config = json.loads((tmp_path / name / CONFIG).read_text(encoding="utf-8"))
        assert config == before | {"base_model_name_or_path": base}
    own, named = ((tmp_path / name / "README.md").read_text(encoding="utf-8") for name in ("own", "named"))
    assert own == "---\nbase_model: org/model\nlibrary_name: peft\n---\n\n"
    assert named == "---\nlibrary_name: peft\n---\n\n# A card", "a path says nothing to the hub"


def test_a_copy_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_peft(tmp_path / "one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("finetune.export.lora_peft.shutil.copyfile", full)
    with pytest.raises(StorageError, match="[Nn]o space left"):
        copy_peft(folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
