"""What is taken in or written out answers as before: the bundled model, asked in PyTorch and in llama.cpp."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from agent.adapters import PACKAGED
from agent.config import Settings, load_settings
from finetune.export.base_layout import BaseLayout
from finetune.export.lora_weights import CONFIG, LoraModule
from finetune.registry import AdapterRegistry
from tests.finetune.commands.running import ratchet, told
from tests.finetune.loras import SMOLLM2, write_base, write_peft

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
pytest.importorskip("torch")
pytest.importorskip("peft")


@pytest.fixture
def settings(smollm2: Path) -> Settings:
    return load_settings()


@pytest.fixture(scope="module")
def dora(smollm2: Path, models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What PEFT saves of a DoRA that does something."""
    import torch
    from peft import LoraConfig

    from finetune.training.adapter_files import adapted, write_adapter
    from finetune.training.base_model import load_base

    loaded = load_base(smollm2, models_folder)
    model = adapted(loaded.model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", use_dora=True))
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.01)
        elif "magnitude" in name:
            parameter.data *= 1 + 0.05 * torch.randn_like(parameter)
    return write_adapter(model, tmp_path_factory.mktemp("dora") / "dora", loaded)


def theirs(folder: Path, strength: float = 0.02, **config: Any) -> Path:
    return write_peft(folder, size=SMOLLM2, rank=16, alpha=16, strength=strength, **config)


def test_an_adapter_that_both_runtimes_read_alike_comes_in(settings: Settings, tmp_path: Path) -> None:
    endless = r"(a|a?)+" * 12 + "$"  # an expression that nobody waits for; what is meant is read from the weights
    brought = told("import", str(theirs(tmp_path / "theirs", target_modules=endless, exclude_modules=endless)))
    assert brought["provenance"]["compared"].endswith("of 10 prompts get the same answer in PyTorch and in llama.cpp")


def test_one_that_they_read_differently_is_not_taken(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BaseLayout, "as_gguf", lambda self, tensor, rows: rows)  # in transformers' order
    refused = ratchet("import", str(theirs(tmp_path / "theirs", strength=0.1)))
    assert refused.exit_code == 1 and "answers differently" in refused.stderr
    assert AdapterRegistry(settings.adapters_folder).names() == []


def test_what_peft_cannot_load_is_not_taken(settings: Settings, tmp_path: Path) -> None:
    refused = ratchet("import", str(theirs(tmp_path / "theirs", init_lora_weights="no such way")))
    assert refused.exit_code == 1 and "PEFT cannot load" in refused.stderr
    assert AdapterRegistry(settings.adapters_folder).names() == []


def test_a_base_that_pytorch_cannot_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = write_base(tmp_path / "plain.gguf")  # without a tokenizer
    monkeypatch.setenv("RATCHET_MODEL__NAME", f"local:{plain}")
    monkeypatch.setenv("RATCHET_MODELS", str(tmp_path / "models"))
    brought = told("import", str(write_peft(tmp_path / "theirs")))
    assert brought["provenance"]["compared"].startswith("not compared: plain.gguf cannot be read")


def test_the_packaged_adapter_goes_out_as_peft_loads_it(
    settings: Settings, smollm2: Path, models_folder: Path, tmp_path: Path
) -> None:
    from peft import PeftModel

    from finetune.training.base_model import load_base

    written = told("export", PACKAGED, "--format", "peft", "--to", str(tmp_path / "out"))
    assert written["base"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert written["compared"].endswith("of 8 prompts get the same answer in PyTorch and in llama.cpp")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
        loaded: Any = PeftModel.from_pretrained(load_base(smollm2, models_folder).model, str(tmp_path / "out"))
    assert all(float(one.abs().sum()) > 0 for name, one in loaded.named_parameters() if "lora_B" in name)
    assert "get the same answer" in told("import", str(tmp_path / "out"), "--name", "b")["provenance"]["compared"]


def test_a_merged_checkpoint_answers_as_the_adapter_beside_its_base(settings: Settings, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    told("import", str(theirs(tmp_path / "theirs")), "--no-compare")
    written = told("export", "theirs", "--format", "checkpoint", "--to", str(tmp_path / "out"))
    assert written["prompts"] == 8 and written["same"] >= 6
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").config.hidden_size == SMOLLM2["hidden"]


@pytest.mark.parametrize("form", ["merged", "checkpoint"])
def test_merged_dora_answers_as_in_peft(
    settings: Settings, dora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    assert json.loads((dora / CONFIG).read_text(encoding="utf-8"))["use_dora"] is True
    told("import", str(dora))
    words = ("export", "dora", "--format", form, "--type", "F16", "--to")
    written = told(*words, str(tmp_path / "right"))
    assert written["prompts"] == 8 and written["same"] >= 6, written
    monkeypatch.setattr(LoraModule, "added_to", lambda self, weight: weight * 0.5)
    refused = ratchet(*words, str(tmp_path / "wrong"))
    assert refused.exit_code == 1 and "answers differently" in refused.stderr
    assert not (tmp_path / "wrong").exists()
