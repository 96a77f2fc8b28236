"""The model that is tuned: the very GGUF that is served, its weights read back into PyTorch.

An adapter corrects the weights it was trained on. Trained on the original weights and served over quantized ones it
would correct others than it knows; trained on the dequantized ones, it agrees with what serves it. (The same thought as
in QLoRA, Dettmers et al. 2023, whose frozen weights are quantized, too.)
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ModelFileInvalid, ModelNotFound, StorageError
from agent.models.gguf_check import model_context
from finetune.errors import refusal_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

_CACHE = "torch"
_DONE = "base.json"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A frozen model in 32-bit floats, and what it was read from.

    Attributes:
        model: in evaluation mode, no parameter requires a gradient.
        tokenizer: splits as llama.cpp does; adds no special tokens of its own.
        fingerprint: SHA-256 of the GGUF file.
        path: the GGUF file.
        context: tokens it was trained for.
        template: its chat template (Jinja).
    """

    model: PreTrainedModel
    tokenizer: Tokenizer
    template: str
    fingerprint: str
    path: Path
    context: int


def served_model(models_folder: Path) -> Path:
    """The GGUF file of the bundled model, as it is served."""
    from agent.models.bundled import prepare

    return prepare(models_folder)


def fingerprint_of(path: Path) -> str:
    """SHA-256 of a model file, by which adapters know their base.

    Raises:
        ModelNotFound: there is no such file.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelNotFound(f"There is no model file {path}.", fix="Check the path.") from error


def load_base(path: Path | None = None, models_folder: Path | None = None, checkpoint: Path | None = None) -> BaseModel:
    """Read a GGUF model into PyTorch; the first time takes half a minute, later ones a second or two.

    Args:
        path: a GGUF file; default: the bundled model.
        models_folder: where the dequantized copy is kept; default: the configured one.
        checkpoint: whose weights to read in place of those of `path`: a model that was made from it.

    Raises:
        ModelNotFound, ModelFileInvalid: no such file, or not a model whose architecture transformers can read.
        StorageError: the copy cannot be written.
    """
    from agent.config import load_settings

    folder = models_folder or load_settings().models_folder
    path = path or served_model(folder)
    context = model_context(path)
    copied = dequantized(path, folder)
    model = _weights(checkpoint or copied)
    tokenizer, template = _tokenizer(copied)
    return BaseModel(model, tokenizer, template, fingerprint_of(path), path, context)


def _weights(folder: Path) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    with _quiet():
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder, dtype="float32", attn_implementation="sdpa"
        )
    model.requires_grad_(False)
    model.train(False)
    return model


def load_tokenizer(path: Path | None = None, models_folder: Path | None = None) -> tuple[Tokenizer, str]:
    """The tokenizer and the chat template alone, which need no PyTorch once the model has been read."""
    from agent.config import load_settings

    folder = models_folder or load_settings().models_folder
    return _tokenizer(dequantized(path or served_model(folder), folder))


def _tokenizer(folder: Path) -> tuple[Tokenizer, str]:
    from tokenizers import Tokenizer

    template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    return Tokenizer.from_file(str(folder / "tokenizer.json")), template


def dequantized(path: Path, models_folder: Path) -> Path:
    """The folder that holds a GGUF model as a checkpoint of transformers, made once.

    Raises:
        ModelFileInvalid: transformers cannot read it.
        StorageError: the folder cannot be written.
    """
    from safetensors import SafetensorError

    target = models_folder / _CACHE / fingerprint_of(path)[:16]
    if (target / _DONE).is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".base-", dir=target.parent) as made:
            work = Path(made) / "checkpoint"
            _convert(path, work)
            if not (target / _DONE).is_file():  # another process may have been quicker, and have begun to read it
                shutil.rmtree(target, ignore_errors=True)
                work.rename(target)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"The dequantized model could not be written to {target.parent}: {refusal_of(error)}.",
            kept="Nothing was changed.",
            fix="Free some space (four bytes for each parameter) or set `models` to a folder you may write to.",
        ) from error
    return target


def _convert(path: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source: dict[str, Any] = {"gguf_file": path.name}
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(path.parent, **source)
            loaded = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **source)
            # A model that was read from a GGUF refuses to be saved; its weights in a fresh one do not.
            del loaded.config.quantization_config
            plain: Any = AutoModelForCausalLM.from_config(loaded.config)  # type: ignore[no-untyped-call]
            plain.load_state_dict(loaded.state_dict())
            plain.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise ModelFileInvalid(
            f"{path.name} cannot be read for training: {error}.",
            kept="The file was not changed.",
            fix="Choose a model of an architecture that transformers can read from GGUF (Llama, Qwen, Gemma …).",
        ) from error
    (folder / _DONE).write_text(json.dumps({"source": fingerprint_of(path)}), encoding="utf-8")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars and advice of the library."""
    from transformers.utils import logging

    library: Any = logging

    level, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        library.set_verbosity(level)
        if bars:
            library.enable_progress_bar()
