"""PEFT adapters as GGUF: scale, order of rows, size, and everything that must be refused."""

import json

import numpy as np
import pytest
from gguf import GGUFReader, quants

from agent.errors import ModelFileInvalid, StorageError
from finetune.errors import AdapterInvalid, BaseMismatch, ExportError
from finetune.export.base_layout import BaseLayout
from finetune.export.lora_gguf import check_gguf_adapter, lora_to_gguf
from finetune.export.lora_weights import LoraWeights
from tests.finetune.loras import HIDDEN, SMOLLM2, write_base, write_peft

Q, K, V = (f"base_model.model.model.layers.0.self_attn.{name}_proj" for name in "qkv")


@pytest.fixture
def base(tmp_path):
    return write_base(tmp_path / "base.gguf")


def stored(path):
    reader = GGUFReader(path)
    tensors = {one.name: quants.dequantize(one.data, one.tensor_type) for one in reader.tensors}
    return float(reader.fields["adapter.lora.alpha"].contents()), tensors


def delta(path, name):
    """What llama.cpp adds to a matrix: alpha / rank · B A."""
    alpha, tensors = stored(path)
    a, b = tensors[f"{name}.lora_a"], tensors[f"{name}.lora_b"]
    return alpha / b.shape[1] * b @ a


@pytest.mark.parametrize(("rslora", "scale"), [(False, 8 / 4), (True, 8 / 2)])
def test_the_correction_is_the_one_peft_computes(base, tmp_path, rslora, scale):
    folder = write_peft(tmp_path / "a", use_rslora=rslora)
    path = lora_to_gguf(folder, base, tmp_path / "a.gguf", "f32")
    weights = LoraWeights.read(folder, BaseLayout.read(base))
    module = weights.modules["model.layers.0.self_attn.v_proj"]
    wanted = scale * module.b @ module.a
    assert np.allclose(delta(path, "blk.0.attn_v.weight"), wanted, atol=1e-6)


@pytest.mark.parametrize(("name", "heads"), [("attn_q", 4), ("attn_k", 2)])
def test_rows_of_queries_and_keys_are_paired_as_llama_cpp_rotates_them(base, tmp_path, name, heads):
    folder = write_peft(tmp_path / "a")
    path = lora_to_gguf(folder, base, tmp_path / "a.gguf", "f32")
    module = LoraWeights.read(folder, BaseLayout.read(base)).modules[f"model.layers.1.self_attn.{name[-1]}_proj"]
    theirs = module.scale * module.b @ module.a
    half = 16 // 2  # of a head of 16 rows
    order = [head * 16 + part * half + i for head in range(heads) for i in range(half) for part in (0, 1)]
    assert np.allclose(delta(path, f"blk.1.{name}.weight"), theirs[order], atol=1e-6)


def test_other_architectures_keep_their_rows(tmp_path):
    base = write_base(tmp_path / "qwen.gguf", architecture="qwen2")
    folder = write_peft(tmp_path / "a")
    path = lora_to_gguf(folder, base, tmp_path / "a.gguf", "f32")
    module = LoraWeights.read(folder, BaseLayout.read(base)).modules["model.layers.1.self_attn.q_proj"]
    assert np.allclose(delta(path, "blk.1.attn_q.weight"), module.scale * module.b @ module.a, atol=1e-6)


def test_layouts_are_each_others_inverse(base):
    layout = BaseLayout.read(base)
    rows = np.arange(HIDDEN * 3.0).reshape(HIDDEN, 3)
    assert np.array_equal(layout.as_torch("blk.0.attn_q.weight", layout.as_gguf("blk.0.attn_q.weight", rows)), rows)
    assert not np.array_equal(layout.as_gguf("blk.0.attn_q.weight", rows), rows)
    for tensor in layout.shapes:
        module = layout.module_of(tensor)
        assert module is None or layout.tensor_of(module) == tensor


def test_ranks_and_alphas_of_single_modules_are_kept(base, tmp_path):
    random = np.random.default_rng(5)
    own = {
        f"{Q}.lora_A.weight": random.normal(0, 1, (2, HIDDEN)).astype(np.float32),
        f"{Q}.lora_B.weight": random.normal(0, 1, (HIDDEN, 2)).astype(np.float32),
    }
    patterns = {"rank_pattern": {"layers.0.self_attn.q_proj": 2}, "alpha_pattern": {"layers.0.self_attn.q_proj": 6}}
    folder = write_peft(tmp_path / "a", tensors=own, **patterns)
    path = lora_to_gguf(folder, base, tmp_path / "a.gguf", "f32")
    layout = BaseLayout.read(base)
    wanted = 6 / 2 * layout.as_gguf("blk.0.attn_q.weight", own[f"{Q}.lora_B.weight"]) @ own[f"{Q}.lora_A.weight"]
    assert np.allclose(delta(path, "blk.0.attn_q.weight"), wanted, rtol=1e-5, atol=1e-5)
    other = LoraWeights.read(folder, layout).modules["model.layers.0.self_attn.v_proj"]
    assert np.allclose(delta(path, "blk.0.attn_v.weight"), 2 * other.b @ other.a, rtol=1e-5, atol=1e-5)


def test_bfloat16_and_half_precision_are_read(base, tmp_path):
    folder = write_peft(tmp_path / "a")
    path = folder / "adapter_model.safetensors"
    plain = LoraWeights.read(folder, BaseLayout.read(base)).modules["model.layers.0.mlp.up_proj"].b
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header, body, place = json.loads(raw[8 : 8 + length]), b"", 0
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            values = np.frombuffer(raw[8 + length + start : 8 + length + end], "<u4")
            short = (values >> 16).astype("<u2").tobytes()
            body += short
            header[name] = entry | {"dtype": "BF16", "data_offsets": [place, place + len(short)]}
            place += len(short)
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + body)
    widened = LoraWeights.read(folder, BaseLayout.read(base)).modules["model.layers.0.mlp.up_proj"].b
    assert np.allclose(widened, plain, rtol=1 / 128) and not np.array_equal(widened, plain)


def test_numbers_too_large_for_half_precision_stay_whole(base, tmp_path):
    large = {f"{V}.lora_B.weight": np.full((HIDDEN // 2, 4), 1e5, np.float32)}
    path = lora_to_gguf(write_peft(tmp_path / "a", tensors=large), base, tmp_path / "a.gguf", "f16")
    assert stored(path)[1]["blk.0.attn_v.weight.lora_b"].max() == 1e5
    check_gguf_adapter(path, base)


@pytest.mark.parametrize(
    ("broken", "error", "match"),
    [
        ({"r": 0}, AdapterInvalid, "rank out of range"),
        ({"r": 5}, AdapterInvalid, "not the 5 of its configuration"),
        ({"lora_alpha": float("nan")}, AdapterInvalid, "no positive number"),
        ({"lora_alpha": -1}, AdapterInvalid, "no positive number"),
        ({"lora_alpha": 1e9}, AdapterInvalid, "no sane alpha"),
        ({"peft_type": "PROMPT_TUNING"}, AdapterInvalid, "LoRA only"),
        ({"fan_in_fan_out": True}, AdapterInvalid, "fan_in_fan_out"),
        ({"use_dora": True}, AdapterInvalid, "magnitudes"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(base, tmp_path, broken, error, match):
    folder = write_peft(tmp_path / "a")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | broken))
    with pytest.raises(error, match=match):
        lora_to_gguf(folder, base, tmp_path / "a.gguf")
    assert not (tmp_path / "a.gguf").exists()


def test_pickled_weights_are_never_opened(base, tmp_path):
    folder = write_peft(tmp_path / "a")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(AdapterInvalid, match="can run code"):
        lora_to_gguf(folder, base, tmp_path / "a.gguf")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(base, tmp_path, value):
    bad = np.full((HIDDEN, 4), 0.1, np.float32)
    bad[3, 1] = value
    with pytest.raises(AdapterInvalid, match="not finite"):
        LoraWeights.read(write_peft(tmp_path / "a", tensors={f"{Q}.lora_B.weight": bad}), BaseLayout.read(base))


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"\xff" * 64, b"\x08\0\0\0\0\0\0\0{}      "])
def test_damaged_weights_are_refused(base, tmp_path, content):
    folder = write_peft(tmp_path / "a")
    (folder / "adapter_model.safetensors").write_bytes(content)
    with pytest.raises(AdapterInvalid):
        lora_to_gguf(folder, base, tmp_path / "a.gguf")


def test_another_models_adapter_is_refused(base, tmp_path):
    wider = write_peft(tmp_path / "wide", size={"hidden": 96, "inner": 128, "kv": 32, "layers": 2})
    with pytest.raises(BaseMismatch, match="outputs and"):
        lora_to_gguf(wider, base, tmp_path / "a.gguf")
    deeper = write_peft(tmp_path / "deep", size={"hidden": 64, "inner": 128, "kv": 32, "layers": 3})
    with pytest.raises(BaseMismatch, match="layers.2"):
        lora_to_gguf(deeper, base, tmp_path / "a.gguf")


def test_half_a_correction_is_refused(base, tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = write_peft(tmp_path / "a")
    tensors = load_file(folder / "adapter_model.safetensors")
    del tensors[f"{K}.lora_A.weight"]
    save_file(tensors, folder / "adapter_model.safetensors")
    with pytest.raises(AdapterInvalid, match="one half"):
        lora_to_gguf(folder, base, tmp_path / "a.gguf")


def test_what_a_gguf_adapter_cannot_hold_is_refused_with_advice(base, tmp_path):
    embeddings = {"base_model.model.model.embed_tokens.weight": np.zeros((96, HIDDEN), np.float32)}
    with pytest.raises(ExportError, match="embed_tokens.*[Mm]erge"):
        lora_to_gguf(write_peft(tmp_path / "a", tensors=embeddings), base, tmp_path / "a.gguf")
    with pytest.raises(ExportError, match="DoRA.*[Mm]erge"):
        lora_to_gguf(write_dora(tmp_path / "d"), base, tmp_path / "d.gguf")


def write_dora(folder):
    from safetensors.numpy import load_file

    plain = load_file(write_peft(folder) / "adapter_model.safetensors")
    rows = {name: len(tensor) for name, tensor in plain.items() if "lora_B" in name}
    lengths = {
        name.replace("lora_B.weight", "lora_magnitude_vector"): np.ones(n, np.float32) for name, n in rows.items()
    }
    return write_peft(folder, tensors=lengths, use_dora=True)


@pytest.mark.parametrize("patterns", ["alpha_pattern", "rank_pattern"])
def test_a_scale_by_an_expression_is_refused_rather_than_passed_over(base, tmp_path, patterns):
    folder = write_peft(tmp_path / "a", **{patterns: {r"layers\.(0|1)\..*q_proj": 4}})
    with pytest.raises(AdapterInvalid, match="expression"):
        lora_to_gguf(folder, base, tmp_path / "a.gguf")
    lora_to_gguf(
        write_peft(tmp_path / "b", **{patterns: {r"^model\.layers\.0\.mlp\.up_proj$": 4}}), base, tmp_path / "b.gguf"
    )


def test_a_full_disk_leaves_nothing(base, tmp_path, monkeypatch):
    from finetune.export import lora_gguf

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lora_gguf, "finish", full)
    folder = write_peft(tmp_path / "a")
    with pytest.raises(StorageError, match="no space left"):
        lora_to_gguf(folder, base, tmp_path / "out" / "a.gguf")
    assert list((tmp_path / "out").iterdir()) == []


def test_gguf_adapters_from_elsewhere_are_checked(base, tmp_path):
    path = lora_to_gguf(write_peft(tmp_path / "a"), base, tmp_path / "a.gguf")
    check_gguf_adapter(path, base)
    other = write_base(tmp_path / "other.gguf", architecture="qwen2")
    with pytest.raises(ModelFileInvalid, match="architecture"):
        check_gguf_adapter(path, other)
    raw = path.read_bytes()
    (tmp_path / "cut.gguf").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(AdapterInvalid, match="damaged"):
        check_gguf_adapter(tmp_path / "cut.gguf", base)
    half = np.float16(np.nan).tobytes()
    (tmp_path / "nan.gguf").write_bytes(raw[:-64] + half * 32)
    with pytest.raises(AdapterInvalid, match="not finite"):
        check_gguf_adapter(tmp_path / "nan.gguf", base)


@pytest.mark.parametrize(("rank", "kind"), [(16, "f16"), (16, "q8_0"), (32, "q8_0")])
def test_adapters_of_the_bundled_model_fit_into_12_megabytes(smollm2, tmp_path, rank, kind):
    folder = write_peft(tmp_path / "a", size=SMOLLM2, rank=rank, alpha=rank)
    path = lora_to_gguf(folder, smollm2, tmp_path / "a.gguf", kind)
    assert path.stat().st_size <= 12_000_000
    check_gguf_adapter(path, smollm2)
