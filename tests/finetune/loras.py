"""A small base model and LoRA adapters for it, made from a seed without PyTorch, as PEFT's `save_pretrained` would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quants
from safetensors.numpy import save_file

HIDDEN, INNER, HEADS, KV_HEADS, LAYERS = 64, 128, 4, 2, 2
TINY = {"hidden": HIDDEN, "inner": INNER, "kv": HIDDEN * KV_HEADS // HEADS, "layers": LAYERS}
SMOLLM2 = {"hidden": 576, "inner": 1536, "kv": 192, "layers": 30}
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


def linears(size: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Outputs and inputs of the linear modules of a Llama layer."""
    hidden, inner, kv = size["hidden"], size["inner"], size["kv"]
    return {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (kv, hidden),
        "self_attn.v_proj": (kv, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }


_GGUF = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def write_base(path: Path, *, seed: int = 0, kind: str = "F32", architecture: str = "llama") -> Path:
    """A GGUF model of two layers; good for reading, too small to be run (it has no tokenizer)."""
    random = np.random.default_rng(seed)
    writer = GGUFWriter(path, architecture)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_chat_template(TEMPLATE)
    blocks = GGMLQuantizationType[kind]

    def add(name: str, *shape: int) -> None:
        matrix = random.normal(0, 0.05, shape).astype(np.float32)
        if len(shape) == 1 or kind == "F32":
            writer.add_tensor(name, matrix)
        else:
            writer.add_tensor(name, quants.quantize(matrix, blocks), raw_dtype=blocks)

    add("token_embd.weight", 96, HIDDEN)
    add("output_norm.weight", HIDDEN)
    for layer in range(LAYERS):
        for name, shape in zip(_GGUF, linears(TINY).values(), strict=True):
            add(f"blk.{layer}.{name}.weight", *shape)
        add(f"blk.{layer}.attn_norm.weight", HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_peft(
    folder: Path,
    *,
    size: Mapping[str, int] = TINY,
    rank: int = 4,
    alpha: float = 8,
    seed: int = 0,
    strength: float = 0.05,
    tensors: Mapping[str, np.ndarray] | None = None,
    **config: Any,
) -> Path:
    """An adapter of all linear modules; `tensors` replaces or adds some, `config` adds to its configuration."""
    random = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}
    for layer in range(size["layers"]):
        for name, (outputs, inputs) in linears(size).items():
            stem = f"base_model.model.model.layers.{layer}.{name}"
            weights[f"{stem}.lora_A.weight"] = random.normal(0, inputs**-0.5, (rank, inputs)).astype(np.float32)
            weights[f"{stem}.lora_B.weight"] = random.normal(0, strength, (outputs, rank)).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights | dict(tensors or {}), folder / "adapter_model.safetensors", metadata={"format": "pt"})
    given = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "",
        "r": rank,
        "lora_alpha": alpha,
        "bias": "none",
        "target_modules": [name.split(".")[-1] for name in linears(size)],
    }
    (folder / "adapter_config.json").write_text(json.dumps(given | config), encoding="utf-8")
    return folder
