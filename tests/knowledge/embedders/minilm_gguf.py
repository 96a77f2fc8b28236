"""all-MiniLM-L6-v2 as a GGUF with 8-bit blocks: an embedder of the user's own, and what llama.cpp is measured with.

Layout: GGUF specification, architecture "bert".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file

from knowledge.embedders import minilm_file

_LAYERS = 6
# llama.cpp marks the start of a word, where WordPiece marks its continuation.
_WORD_START, _CONTINUES = "\u2581", "##"
_SPECIAL = {"[PAD]": "pad", "[UNK]": "unk", "[CLS]": "bos", "[SEP]": "sep", "[MASK]": "mask"}
_Q8 = gguf.GGMLQuantizationType.Q8_0


def write_minilm_gguf(path: Path) -> Path:
    """Write the file, from the installed package's weights."""
    packaged = minilm_file._located()
    writer = gguf.GGUFWriter(path, "bert")
    _describe(writer)
    _add_vocabulary(writer, (packaged / "vocab.txt").read_text(encoding="utf-8").splitlines())
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, _LAYERS)
    for source, tensor in sorted(load_file(packaged / "model.safetensors").items()):
        if not source.startswith(("pooler.", "embeddings.position_ids")):
            _add_tensor(writer, names.get_name(source, try_suffixes=(".weight", ".bias")), tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: Any) -> None:
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_context_length(512)
    writer.add_embedding_length(384)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(1536)
    writer.add_head_count(12)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)


def _add_vocabulary(writer: Any, vocabulary: list[str]) -> None:
    kinds = [gguf.TokenType.CONTROL if _is_special(token) else gguf.TokenType.NORMAL for token in vocabulary]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")  # llama.cpp's name for BERT's uncased pre-tokenizer
    writer.add_token_list([_spell(token) for token in vocabulary])
    writer.add_token_types(kinds)
    writer.add_token_type_count(2)
    for token, role in _SPECIAL.items():
        getattr(writer, f"add_{role}_token_id")(vocabulary.index(token))


def _is_special(token: str) -> bool:
    return token.startswith("[") and token.endswith("]") and len(token) > 2


def _spell(token: str) -> str:
    if _is_special(token):
        return token
    return token.removeprefix(_CONTINUES) if token.startswith(_CONTINUES) else _WORD_START + token


def _add_tensor(writer: Any, name: str, tensor: np.ndarray) -> None:
    if tensor.ndim == 2 and name not in ("position_embd.weight", "token_types.weight"):
        writer.add_tensor(name, gguf.quants.quantize(tensor.astype(np.float32), _Q8), raw_dtype=_Q8)
    else:
        writer.add_tensor(name, tensor.astype(np.float32))
