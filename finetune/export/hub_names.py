"""What a model is called on the Hugging Face hub, as far as its files say; the hub itself is never asked."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

from agent.adapters import FILE
from agent.models.bundled import NAME
from finetune.export.lora_weights import CONFIG
from knowledge.header import read_header

_PUBLISHER = "HuggingFaceTB"  # of the bundled model, whose file does not say it
_BUNDLED = re.compile(rf"{re.escape(NAME)}(?:[.-](?:B?F|I?Q)\d\w*)?\.gguf", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_LOCAL = re.compile(  # folders as people and trainers call them
    r"(?:models?|outputs?|checkpoints?|runs?|results?|data|home|tmp|mnt|content|workspace)/|[^/]+/checkpoint-\d+$",
    re.IGNORECASE,
)
_STORED = re.compile(r"(?:-(?:unsloth|bnb|gguf|awq|gptq|fp8|int[48]|[48]-?bit))+$")  # how weights are stored


def hub_name(text: str) -> str:
    """PUBLISHER/MODEL, of such a name or its address; "" for a path or anything else."""
    name = _ADDRESS.sub("", text.strip(), count=1).removesuffix("/").removesuffix(".git")
    return name if _NAME.fullmatch(name) and not _LOCAL.match(name) else ""


def base_hub_name(base: Path) -> str:
    """The name of the model in a GGUF file; "" where it is not known.

    What the file calls its base model is what this one was tuned from, and another.
    """
    if _BUNDLED.fullmatch(base.name):
        return f"{_PUBLISHER}/{NAME}"
    return _in_header(base, "general.source.repo_url") or _in_header(base, "general.repo_url")


def stated_hub_name(adapter: Path) -> str:
    """The name of the model that an adapter says it is of; "" where it says none, or a path.

    Args:
        adapter: a folder with PEFT's files, or a GGUF adapter, or its folder.
    """
    if (adapter / CONFIG).is_file():
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
            config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
            return hub_name(str(config.get("base_model_name_or_path") or ""))
        return ""
    return _in_header(adapter if adapter.is_file() else adapter / FILE, "general.base_model.0.repo_url")


def same_model(one: str, other: str) -> bool:
    """Whether two names are of the same weights, if from another publisher or stored in other blocks."""
    return _model(one) == _model(other)


def _model(name: str) -> str:
    return _STORED.sub("", name.rpartition("/")[2].lower())


def _in_header(path: Path, key: str) -> str:
    with contextlib.suppress(OSError, ValueError):
        return hub_name(str(read_header(path, ("repo_url",)).get(key, "")))
    return ""
