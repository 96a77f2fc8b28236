"""Which model and adapter answer now, and what training can go on from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.adapters import FILE, NONE, PACKAGED, file_digest
from finetune.errors import RecipeError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agent.config import Settings

PEFT_FILES = ("adapter_config.json", "adapter_model.safetensors")
MOST_TOKENS = 128  # of a reply in the comparison; both are cut alike


@dataclass(frozen=True, slots=True)
class Serving:
    """What answers now.

    Attributes:
        base: the GGUF file of the model.
        adapter: the GGUF file of its adapter; None for the bare model.
        name: the adapter's name in the store, "packaged", or a path; empty for none.
        digest: SHA-256 of the adapter's file; empty for none.
    """

    base: Path
    adapter: Path | None
    name: str
    digest: str

    @property
    def alias(self) -> str:
        """How a model that has it loaded knows it."""
        return str(self.adapter) if self.adapter else ""


def serving(settings: Settings) -> Serving:
    """What answers now, by the settings.

    Raises:
        RecipeError: the model is not one that adapters can be trained for.
        ModelError: it cannot be used.
    """
    from agent.models import build_chat_model

    chat = build_chat_model(settings.model.name, settings)
    base = getattr(chat, "path", None)
    if base is None:
        raise RecipeError(
            f"{settings.model.name} runs in another program, and adapters are trained for local models.",
            kept="Nothing was done.",
            fix='Set model.name to "local:default", or to local:PATH of a GGUF file, in ratchet.toml.',
        )
    adapters: tuple[Path, ...] = getattr(chat, "adapters", ())
    if not adapters:
        return Serving(base, None, "", "")
    path = adapters[0]
    stored = path.name == FILE and path.parent.parent == settings.adapters_folder
    marked = str(getattr(chat, "adapter_name", ""))
    name = path.parent.name if stored else PACKAGED if marked.startswith(f"{PACKAGED}@") else str(path)
    return Serving(base, path, name, file_digest(path))


def open_model(settings: Settings, adapters: Sequence[Path]) -> BaseChatModel:
    """The model with these adapters loaded, and short replies."""
    from agent.models import build_chat_model

    files = os.pathsep.join(map(str, adapters)) or NONE
    return build_chat_model(settings.model.name, settings, adapter=files, max_tokens=MOST_TOKENS, temperature=0.0)


def trainable(now: Serving, work: Path) -> Path | None:
    """A folder with what PEFT needs to go on from the adapter that is served; None for the bare model.

    Args:
        now: what is served.
        work: where the files are put if only the GGUF is there.

    Raises:
        AdapterInvalid: the adapter cannot be read.
        StorageError: the disk refused.
    """
    if now.adapter is None:
        return None
    if all((now.adapter.parent / name).is_file() for name in PEFT_FILES):
        return now.adapter.parent
    from finetune.export.lora_peft import gguf_to_peft

    return gguf_to_peft(now.adapter, now.base, work / "parent")
