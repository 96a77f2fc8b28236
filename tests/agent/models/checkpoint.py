"""A GGUF file as a transformers checkpoint, written without PyTorch as `save_pretrained` would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, quants
from safetensors.numpy import save_file

_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}


def write_checkpoint(source: Path, folder: Path) -> Path:
    """Write what the GGUF file `source` (Llama architecture, byte-level BPE) holds into `folder`."""
    reader = GGUFReader(source)
    values = {name: field.contents() for name, field in reader.fields.items()}
    count = "llama.attention.head_count"
    heads = {"attn_q": values[count], "attn_k": values[f"{count}_kv"]}
    weights = {}
    for tensor in reader.tensors:
        matrix = quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float16)
        part = tensor.name.split(".")
        if part[0] in _OUTER:
            name = _OUTER[part[0]]
        else:
            name = f"model.layers.{part[1]}.{_LAYER[part[2]]}"
            if part[2] in heads:  # llama.cpp interleaves the two halves of each head's rotary dimensions
                rows = matrix.reshape(heads[part[2]], -1, 2, matrix.shape[1])
                matrix = rows.swapaxes(1, 2).reshape(matrix.shape)
        weights[f"{name}.weight"] = np.ascontiguousarray(matrix)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _write(folder / "config.json", _config(values))
    _write(folder / "tokenizer.json", _tokenizer(values))
    tokens = values["tokenizer.ggml.tokens"]
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "GPT2Tokenizer",
            "bos_token": tokens[values["tokenizer.ggml.bos_token_id"]],
            "eos_token": tokens[values["tokenizer.ggml.eos_token_id"]],
            "unk_token": tokens[values["tokenizer.ggml.unknown_token_id"]],
            "chat_template": values["tokenizer.chat_template"],
        },
    )
    return folder


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def _config(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": values["llama.embedding_length"],
        "intermediate_size": values["llama.feed_forward_length"],
        "num_hidden_layers": values["llama.block_count"],
        "num_attention_heads": values["llama.attention.head_count"],
        "num_key_value_heads": values["llama.attention.head_count_kv"],
        "rms_norm_eps": values["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": values["llama.rope.freq_base"],
        "max_position_embeddings": values["llama.context_length"],
        "vocab_size": values["llama.vocab_size"],
        "tie_word_embeddings": True,
        "bos_token_id": values["tokenizer.ggml.bos_token_id"],
        "eos_token_id": values["tokenizer.ggml.eos_token_id"],
        "torch_dtype": "float16",
    }


def _tokenizer(values: dict[str, Any]) -> dict[str, Any]:
    tokens = values["tokenizer.ggml.tokens"]
    control = [number for number, kind in enumerate(values["tokenizer.ggml.token_type"]) if kind == 3]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "added_tokens": [{"id": number, "content": tokens[number], **flags} for number in control],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, level]},
        "decoder": level,
        "model": {
            "type": "BPE",
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": values["tokenizer.ggml.merges"],
        },
    }
