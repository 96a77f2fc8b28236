"""What models are called on the hub: read from files, compared without regard to how the weights are stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from gguf import GGUFWriter

from finetune.export.hub_names import base_hub_name, hub_name, same_model, stated_hub_name
from tests.finetune.loras import write_base, write_peft

INSTRUCT = "HuggingFaceTB/SmolLM2-135M-Instruct"


def write_header(path: Path, **values: str) -> Path:
    """A GGUF file with no more than its first keys; dots stand as two underscores."""
    writer = GGUFWriter(path, "llama")
    for key, value in values.items():
        writer.add_string(key.replace("__", "."), value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (INSTRUCT, INSTRUCT),
        (f"https://huggingface.co/{INSTRUCT}", INSTRUCT),
        (f"https://hf.co/{INSTRUCT}.git/", INSTRUCT),
        ("https://github.com/org/model", ""),
        ("/models/SmolLM2-135M", ""),
        ("./models/SmolLM2-135M", ""),
        ("../SmolLM2-135M", ""),
        ("a/b/c", ""),
        ("models/base", ""),
        ("mine/checkpoint-500", ""),
        (r"C:\models\SmolLM2", ""),
        ("SmolLM2-135M-Instruct-Q8_0", ""),
        ("", ""),
    ],
)
def test_a_path_is_no_name(text: str, name: str) -> None:
    assert hub_name(text) == name


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("unsloth/smollm2-135m-instruct", True),
        ("unsloth/SmolLM2-135M-Instruct-unsloth-bnb-4bit", True),
        ("someone/SmolLM2-135M-Instruct-GGUF", True),
        ("someone/SmolLM2-135M-Instruct-GPTQ-Int4", True),
        ("HuggingFaceTB/SmolLM2-135M", False),
        ("HuggingFaceTB/SmolLM2-360M-Instruct", False),
    ],
)
def test_a_copy_of_the_same_weights_is_the_same_model(other: str, same: bool) -> None:
    assert same_model(INSTRUCT, other) is same_model(other, INSTRUCT) is same


def test_a_number_at_the_end_of_a_name_is_no_number_of_bits() -> None:
    assert not same_model("microsoft/phi-4", "microsoft/phi")


@pytest.mark.parametrize("file", ["SmolLM2-135M-Instruct-Q8_0.gguf", "SmolLM2-135M-Instruct.Q4_1.gguf"])
def test_the_bundled_model_is_known_by_its_file(tmp_path: Path, file: str) -> None:
    assert base_hub_name(write_base(tmp_path / file)) == INSTRUCT


def test_another_model_is_known_by_what_its_file_says(tmp_path: Path) -> None:
    address = "https://huggingface.co/org/tuned"
    said = write_header(tmp_path / "a.gguf", general__source__repo_url=address)
    stored = {"general__repo_url": "https://huggingface.co/org/tuned-GGUF", "general__source__repo_url": address}
    tuned_from = write_header(tmp_path / "c.gguf", general__base_model__0__repo_url="https://huggingface.co/org/raw")
    assert base_hub_name(said) == base_hub_name(write_header(tmp_path / "b.gguf", **stored)) == "org/tuned"
    assert base_hub_name(tuned_from) == "", "what it was tuned from is another model"
    assert base_hub_name(write_base(tmp_path / "SmolLM2-135M-Instruct-mine.gguf")) == ""
    assert base_hub_name(tmp_path / "none.gguf") == ""


def test_an_adapter_names_its_base(tmp_path: Path) -> None:
    assert stated_hub_name(write_peft(tmp_path / "a", base_model_name_or_path=INSTRUCT)) == INSTRUCT
    assert stated_hub_name(write_peft(tmp_path / "b", base_model_name_or_path="/models/a")) == ""
    assert stated_hub_name(write_peft(tmp_path / "c", base_model_name_or_path=None)) == ""
    (tmp_path / "c" / "adapter_config.json").write_text("[1", encoding="utf-8")
    assert stated_hub_name(tmp_path / "c") == ""
    made = write_header(
        tmp_path / "adapter.gguf", general__base_model__0__repo_url=f"https://huggingface.co/{INSTRUCT}"
    )
    assert stated_hub_name(made) == stated_hub_name(tmp_path) == INSTRUCT
    assert stated_hub_name(tmp_path / "nothing") == ""
