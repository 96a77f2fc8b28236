"""Merged and quantized models, and the Modelfile."""

import json
import os
import sys

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, quants
from safetensors.numpy import load_file, save_file

from agent.errors import ModelFileInvalid
from finetune.errors import BaseMismatch, ExportError
from finetune.export.base_layout import BaseLayout
from finetune.export.lora_gguf import lora_to_gguf
from finetune.export.lora_weights import LoraWeights
from finetune.export.merge import merge_to_checkpoint, merge_to_gguf
from finetune.export.modelfile import write_modelfile
from finetune.export.quantize import K_QUANTS, quantize
from tests.finetune.export.test_lora_gguf import delta, write_dora
from tests.finetune.loras import HIDDEN, LAYERS, write_base, write_peft


@pytest.fixture
def base(tmp_path):
    return write_base(tmp_path / "base.gguf")


def weights_of(path):
    return {one.name: quants.dequantize(one.data, one.tensor_type) for one in GGUFReader(path).tensors}


def write_checkpoint(base, folder):
    """The same model as transformers stores it."""
    layout = BaseLayout.read(base)
    named = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    tensors = {}
    for name, matrix in weights_of(base).items():
        module = layout.module_of(name)
        if module:
            tensors[f"{module}.weight"] = np.ascontiguousarray(layout.as_torch(name, matrix))
        elif name in named:
            tensors[named[name]] = matrix
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "torch_dtype": "bfloat16"}))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def test_a_merged_model_is_base_plus_what_llama_cpp_would_add(base, tmp_path):
    folder = write_peft(tmp_path / "a", use_rslora=True)
    adapter = lora_to_gguf(folder, base, tmp_path / "a.gguf", "f32")
    merged = merge_to_gguf(base, folder, tmp_path / "merged.gguf", "F32")
    before, after = weights_of(base), weights_of(merged.path)
    assert merged.modules == 7 * LAYERS and merged.rounding == 0 and merged.change > 0.01
    for name, matrix in before.items():
        added = delta(adapter, name) if "attn_norm" not in name and name.startswith("blk") else 0
        assert np.allclose(after[name], matrix + added, atol=1e-5), name


def test_a_merged_checkpoint_is_the_same_model(base, tmp_path):
    folder = write_peft(tmp_path / "a")
    checkpoint = write_checkpoint(base, tmp_path / "base")
    made = merge_to_checkpoint(base, checkpoint, folder, tmp_path / "merged")
    merged, layout = load_file(made.path / "model.safetensors"), BaseLayout.read(base)
    again = weights_of(merge_to_gguf(base, folder, tmp_path / "m.gguf", "F32").path)
    for name in again:
        if module := layout.module_of(name):
            assert np.allclose(layout.as_gguf(name, merged[f"{module}.weight"]), again[name], atol=1e-5)
    assert json.loads((made.path / "config.json").read_text()) == {"model_type": "llama", "dtype": "float32"}
    assert (made.path / "tokenizer.json").is_file()
    with pytest.raises(ExportError, match="not empty"):
        merge_to_checkpoint(base, checkpoint, folder, tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_dora_and_embeddings_can_be_merged(base, tmp_path):
    after = weights_of(merge_to_gguf(base, write_dora(tmp_path / "d"), tmp_path / "d.gguf", "F32").path)
    assert np.allclose(np.linalg.norm(after["blk.0.attn_q.weight"], axis=1), 1, atol=1e-5)  # the magnitudes say 1
    new = np.full((96, HIDDEN), 0.25, np.float32)
    folder = write_peft(tmp_path / "e", tensors={"base_model.model.model.embed_tokens.weight": new})
    made = merge_to_checkpoint(base, write_checkpoint(base, tmp_path / "base"), folder, tmp_path / "merged")
    assert np.array_equal(load_file(made.path / "model.safetensors")["model.embed_tokens.weight"], new)
    with pytest.raises(ExportError, match="checkpoints only"):
        merge_to_gguf(base, folder, tmp_path / "e.gguf")


def test_an_adapter_that_changes_nothing_is_told(base, tmp_path):
    with pytest.raises(ExportError, match="changes nothing"):
        merge_to_gguf(base, write_peft(tmp_path / "a", strength=0), tmp_path / "m.gguf", "F32")


def test_a_checkpoint_of_another_model_is_refused(base, tmp_path):
    checkpoint = write_checkpoint(base, tmp_path / "base")
    tensors = load_file(checkpoint / "model.safetensors")
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, checkpoint / "model.safetensors")
    with pytest.raises(BaseMismatch, match="mlp.up_proj"):
        merge_to_checkpoint(base, checkpoint, write_peft(tmp_path / "a"), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_rounding_that_drowns_the_correction_is_measured(base, tmp_path):
    faint, strong = (write_peft(tmp_path / str(strength), strength=strength) for strength in (1e-4, 0.1))
    assert merge_to_gguf(base, faint, tmp_path / "m.gguf", "Q4_0").rounding > 1
    assert merge_to_gguf(base, strong, tmp_path / "m.gguf", "Q8_0").rounding < 0.2


@pytest.mark.parametrize(
    ("kind", "error", "bits"),
    [
        ("F16", 5e-4, 16),
        ("Q8_0", 0.01, 8.5),
        ("Q5_1", 0.06, 6),
        ("Q5_0", 0.07, 5.5),
        ("Q4_1", 0.12, 5),
        ("Q4_0", 0.14, 4.5),
    ],
)
def test_quantized_weights_are_near_and_small(base, tmp_path, kind, error, bits):
    small = quantize(base, tmp_path / "small.gguf", kind.lower())
    before, after = weights_of(base), weights_of(small)
    stored = {one.name: one for one in GGUFReader(small).tensors}
    for name, matrix in before.items():
        assert np.linalg.norm(after[name] - matrix) <= error * np.linalg.norm(matrix), name
    matrix = stored["blk.0.ffn_up.weight"]
    assert matrix.n_bytes * 8 / matrix.n_elements == bits
    assert stored["output_norm.weight"].tensor_type == GGMLQuantizationType.F32
    if kind.startswith("Q"):
        assert stored["token_embd.weight"].tensor_type == GGMLQuantizationType.Q8_0


def test_everything_else_is_copied(base, tmp_path):
    def facts(path):
        fields = GGUFReader(path).fields.values()
        return {one.name: one.contents() for one in fields if not one.name.startswith("GGUF.")}

    before, after = facts(base), facts(quantize(base, tmp_path / "q.gguf", "Q4_0"))
    assert after.pop("general.file_type") == 2
    assert after == before


def test_k_quants_need_llama_cpps_tool(base, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExportError, match="llama-quantize"):
        quantize(base, tmp_path / "k.gguf", "Q4_K_M")
    with pytest.raises(ExportError, match="Q4_K_M"):
        quantize(base, tmp_path / "k.gguf", "Q9")
    with pytest.raises(ModelFileInvalid):
        (tmp_path / "no.gguf").write_text("no model")
        quantize(tmp_path / "no.gguf", tmp_path / "k.gguf", "Q8_0")


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for the tool")
def test_k_quants_are_made_by_the_tool(base, tmp_path, monkeypatch):
    tool = tmp_path / "llama-quantize"
    tool.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "import shutil, sys; shutil.copy(sys.argv[2], sys.argv[3])" "$@"\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert quantize(base, tmp_path / "k.gguf", K_QUANTS[-1]).read_bytes() == base.read_bytes()
    tool.write_text("#!/bin/sh\necho out of tensors >&2\nexit 3\n")
    with pytest.raises(ExportError, match="out of tensors"):
        quantize(base, tmp_path / "k2.gguf", "Q4_K_M")
    assert not (tmp_path / "k2.gguf").exists()


def test_the_modelfile_speaks_the_models_format(base, tmp_path):
    text = write_modelfile(base, system="You are a lighthouse keeper.").read_text()
    assert text.startswith("FROM ./base.gguf\n")
    assert "<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>" in text
    assert 'PARAMETER stop "<|im_end|>"' in text and 'SYSTEM """You are a lighthouse keeper."""' in text
    elsewhere = write_modelfile(base, tmp_path / "out" / "Modelfile").read_text()
    assert elsewhere.startswith(f"FROM {base.resolve()}\n")


def test_an_unknown_prompt_format_is_refused(tmp_path, monkeypatch):
    from tests.finetune import loras

    monkeypatch.setattr(loras, "TEMPLATE", "{{ messages }}")
    with pytest.raises(ExportError, match="prompt format"):
        write_modelfile(write_base(tmp_path / "b.gguf"))


def test_merging_reads_every_kind_of_base(tmp_path):
    base, folder = write_base(tmp_path / "q.gguf", kind="Q8_0"), write_peft(tmp_path / "a")
    merged = weights_of(merge_to_gguf(base, folder, tmp_path / "m.gguf", "F32").path)
    module = LoraWeights.read(folder, BaseLayout.read(base)).modules["model.layers.0.mlp.down_proj"]
    assert np.allclose(
        merged["blk.0.ffn_down.weight"], module.added_to(weights_of(base)["blk.0.ffn_down.weight"]), atol=1e-5
    )
