"""Adapters come in and go out: checked by name, by number, and by what both runtimes answer."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.adapters import FILE
from agent.config import Settings, load_settings
from finetune.export.base_layout import BaseLayout
from finetune.export.check import Agreement, Parting
from finetune.export.lora_gguf import lora_to_gguf
from finetune.export.lora_weights import CONFIG, WEIGHTS, LoraWeights
from finetune.registry import AdapterRegistry
from finetune.training.installed import NEEDED
from tests.finetune.commands.running import ratchet, told
from tests.finetune.export.test_lora_gguf import write_dora
from tests.finetune.loras import write_base, write_peft

INSTRUCT, OTHER = "HuggingFaceTB/SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M"


@pytest.fixture
def settings(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose model has the name of the bundled one and two layers without a tokenizer."""
    own_home.mkdir()
    base = write_base(own_home / "SmolLM2-135M-Instruct-Q8_0.gguf")
    monkeypatch.setenv("RATCHET_MODEL__NAME", f"local:{base}")
    return load_settings()


@pytest.fixture
def base(settings: Settings) -> Path:
    return settings.home / "SmolLM2-135M-Instruct-Q8_0.gguf"


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in NEEDED else found(name, *rest))


def read(folder: Path, base: Path) -> LoraWeights:
    return LoraWeights.read(folder, BaseLayout.read(base))


def corrections(weights: LoraWeights) -> dict[str, np.ndarray]:
    return {name: one.scale * (one.b @ one.a) for name, one in weights.modules.items()}


@pytest.mark.usefixtures("no_torch", "settings")
def test_an_adapter_comes_in_and_goes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agree = Agreement(8, 16, ())  # two layers without a tokenizer cannot answer
    monkeypatch.setattr("finetune.commands.exporting.check_merged", lambda served, merged: agree)
    folder = write_peft(tmp_path / "theirs")
    assert ratchet("import", str(folder)).exit_code == 0
    assert "not judged" in ratchet("list").stdout
    assert ratchet("export", "theirs", "--to", str(tmp_path / "out.gguf")).exit_code == 0
    merged = told("export", "theirs", "--format", "merged", "--type", "F16", "--to", str(tmp_path / "m.gguf"))
    assert merged["modules"] == 14 and (tmp_path / "m.gguf").is_file()
    assert (merged["same"], merged["prompts"]) == (8, 8)
    assert ratchet("export", "theirs", "--format", "ollama", "--to", str(tmp_path / "o")).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["Modelfile", "theirs-Q8_0.gguf"]
    again = ratchet("export", "theirs", "--to", str(tmp_path / "out.gguf"))
    assert again.exit_code == 1 and "is there already" in again.stderr
    assert "nothing was converted" in ratchet("import", str(tmp_path / "out.gguf"), "--name", "back").stdout
    one, other = (
        told("export", name, "--format", "merged", "--type", "F16", "--to", str(tmp_path / f"{name}.m"))
        for name in ("theirs", "back")
    )
    assert one["change"] == pytest.approx(other["change"], rel=1e-3)
    assert ratchet("remove", "back").exit_code == 0
    assert ratchet("remove", "back").exit_code == 3


@pytest.mark.usefixtures("no_torch", "settings")
def test_a_merged_model_that_answers_differently_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    differ = Agreement(2, 16, (Parting(0, 0, (5, 6), 3.0), Parting(1, 0, (5, 6), 3.0)))
    monkeypatch.setattr("finetune.commands.exporting.check_merged", lambda served, merged: differ)
    assert ratchet("import", str(write_peft(tmp_path / "theirs"))).exit_code == 0
    target = tmp_path / "m.gguf"
    refused = ratchet("export", "theirs", "--format", "merged", "--to", str(target))
    assert refused.exit_code == 1 and "answers differently" in refused.stderr and not target.exists()
    coarse = ratchet("export", "theirs", "--format", "merged", "--type", "Q4_0", "--to", str(target))
    assert coarse.exit_code == 0 and "0 of 2 answers" in coarse.stdout and target.is_file()
    unasked = told("export", "theirs", "--format", "merged", "--no-compare", "--to", str(tmp_path / "n.gguf"))
    assert unasked["compared"] == "not compared: --no-compare was given" and (tmp_path / "n.gguf").is_file()


@pytest.mark.usefixtures("no_torch")
def test_what_could_not_be_compared_is_said_and_stays_in_the_record(settings: Settings, tmp_path: Path) -> None:
    done = ratchet("import", str(write_peft(tmp_path / "theirs")))
    assert done.exit_code == 0
    assert "not compared: PyTorch is not installed" in done.stdout
    assert told("show", "theirs")["provenance"]["compared"] == "not compared: PyTorch is not installed"
    assert "Compared: not compared: PyTorch is not installed" in ratchet("show", "theirs").stdout
    unasked = told("import", str(tmp_path / "theirs"), "--name", "again", "--no-compare")
    assert unasked["provenance"]["compared"] == "not compared: --no-compare was given"


def test_a_name_that_is_taken_is_told_before_anything_is_asked(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def compared(path: Path, *rest: object) -> str:
        asked.append(path)
        return "alike"

    monkeypatch.setattr("finetune.commands.importing.compared", compared)
    folder = write_peft(tmp_path / "theirs")
    assert ratchet("import", str(folder)).exit_code == 0
    done = ratchet("import", str(folder))
    assert (done.exit_code, len(asked)) == (4, 1) and '"theirs" already' in done.stderr


@pytest.mark.usefixtures("no_torch")
def test_an_adapter_of_another_base_comes_in_only_on_purpose(settings: Settings, tmp_path: Path) -> None:
    folder = write_peft(tmp_path / "theirs", base_model_name_or_path=OTHER)
    refused = ratchet("import", str(folder))
    assert refused.exit_code == 4
    assert OTHER in refused.stderr and "--other-base" in refused.stderr
    assert AdapterRegistry(settings.adapters_folder).names() == []
    taken = told("import", str(folder), "--other-base")
    assert taken["provenance"]["stated_base"] == OTHER
    assert f"Made for: {OTHER}" in ratchet("show", "theirs").stdout
    own = write_peft(tmp_path / "own", base_model_name_or_path=INSTRUCT)
    assert told("import", str(own), "--other-base")["provenance"]["stated_base"] == "", "it is no other"


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize("own", ["peft", "gguf"])
def test_an_adapter_is_written_for_programs_that_read_pefts_files(base: Path, tmp_path: Path, own: str) -> None:
    folder = write_peft(tmp_path / "theirs", base_model_name_or_path="elsewhere")
    source = folder if own == "peft" else lora_to_gguf(folder, base, tmp_path / "theirs.gguf", "f32")
    assert ratchet("import", str(source), "--name", "theirs").exit_code == 0
    written = told("export", "theirs", "--format", "peft", "--to", str(tmp_path / "out"))
    assert written["base"] == INSTRUCT
    assert written.get("compared") == (None if own == "peft" else "not compared: PyTorch is not installed")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", CONFIG, WEIGHTS]
    before, after = corrections(read(folder, base)), corrections(read(tmp_path / "out", base))
    assert after.keys() == before.keys()
    assert all(np.allclose(after[name], before[name], atol=1e-6) for name in before)
    config = json.loads((tmp_path / "out" / CONFIG).read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == INSTRUCT
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert f"base_model: {INSTRUCT}" in card and "# Adapter theirs" in card
    again = ratchet("export", "theirs", "--format", "peft", "--to", str(tmp_path / "out"))
    assert again.exit_code == 1 and "is there already" in again.stderr
    assert ratchet("import", str(tmp_path / "out"), "--name", "back").exit_code == 0


@pytest.mark.usefixtures("no_torch", "settings")
def test_the_base_is_called_as_one_says(tmp_path: Path) -> None:
    assert ratchet("import", str(write_peft(tmp_path / "theirs"))).exit_code == 0
    said = told("export", "theirs", "--format", "peft", "--base-name", "org/copy", "--to", str(tmp_path / "out"))
    assert said["base"] == "org/copy"
    assert json.loads((tmp_path / "out" / CONFIG).read_text())["base_model_name_or_path"] == "org/copy"
    wrong = ratchet("export", "theirs", "--base-name", "org/copy", "--to", str(tmp_path / "out.gguf"))
    assert wrong.exit_code == 2 and not (tmp_path / "out.gguf").exists()


@pytest.mark.usefixtures("no_torch")
def test_where_the_base_has_no_name_the_adapters_own_stays(own_home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    own_home.mkdir()
    monkeypatch.setenv("RATCHET_MODEL__NAME", f"local:{write_base(own_home / 'base.gguf')}")
    assert ratchet("import", str(write_peft(tmp_path / "theirs", base_model_name_or_path=OTHER))).exit_code == 0
    assert told("export", "theirs", "--format", "peft", "--to", str(tmp_path / "out"))["base"] == OTHER


@pytest.mark.usefixtures("no_torch")
def test_dora_is_written_whole_and_merged_with_a_word_about_the_comparison(base: Path, tmp_path: Path) -> None:
    brought = told("import", str(write_dora(tmp_path / "dora")))
    assert brought["provenance"]["compared"].startswith("not compared: it can only be merged")
    refused = ratchet("export", "dora")
    assert refused.exit_code == 1 and "--format merged, or peft" in refused.stderr
    told("export", "dora", "--format", "peft", "--to", str(tmp_path / "out"))
    assert all(module.magnitude is not None for module in read(tmp_path / "out", base).modules.values())
    words = ("export", "dora", "--format", "merged", "--type", "F16", "--to")
    assert told(*words, str(tmp_path / "m.gguf"))["compared"] == "not compared: PyTorch is not installed"
    assert "not compared: PyTorch is not installed" in ratchet(*words, str(tmp_path / "n.gguf")).stdout


@pytest.mark.usefixtures("no_torch")
def test_an_adapter_is_merged_into_its_own_base_alone(settings: Settings, tmp_path: Path, monkeypatch: Any) -> None:
    assert ratchet("import", str(write_peft(tmp_path / "theirs"))).exit_code == 0
    other = write_base(tmp_path / "other.gguf", seed=9)  # of the same shapes
    monkeypatch.setenv("RATCHET_MODEL__NAME", f"local:{other}")
    for form in ("merged", "ollama", "peft", "checkpoint"):
        done = ratchet("export", "theirs", "--format", form, "--to", str(tmp_path / form))
        assert done.exit_code != 0 and "the model in use is other.gguf" in done.stderr, form
        assert not (tmp_path / form).exists()
    assert ratchet("export", "theirs", "--to", str(tmp_path / FILE)).exit_code == 0
