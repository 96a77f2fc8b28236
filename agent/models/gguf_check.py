"""What a GGUF file must be before llama.cpp is asked to load it, told from its first few kilobytes."""

from __future__ import annotations

from pathlib import Path

from agent.errors import ModelFileInvalid, ModelNotFound
from knowledge.header import Value, read_header
from knowledge.llama import is_gguf


def model_context(path: Path) -> int:
    """Tokens of context that a text-generating model was trained for.

    Raises:
        ModelNotFound: there is no such file.
        ModelFileInvalid: it is not a GGUF, or one that generates no text.
    """
    header = _header(path, "model")
    architecture = str(header["general.architecture"])
    if header.get("general.type") == "adapter":
        raise ModelFileInvalid(
            f"{path} is a LoRA adapter, not a model.",
            fix="Name its base model, and the adapter in model.adapter.",
        )
    context = header.get(f"{architecture}.context_length")
    if "bert" in architecture or not isinstance(context, int) or context < 1:
        raise ModelFileInvalid(
            f'{path} does not generate text (architecture "{architecture}").', fix="Name a chat model."
        )
    return context


def adapter_for(path: Path, model: Path) -> None:
    """Check that a file is a LoRA adapter for the architecture of a model.

    Raises:
        ModelNotFound: there is no such file.
        ModelFileInvalid: it is something else, or for another architecture.
    """
    header = _header(path, "adapter")
    if header.get("general.type") != "adapter" or header.get("adapter.type") != "lora":
        raise ModelFileInvalid(f"{path} is not a LoRA adapter.", fix="Name a LoRA adapter in GGUF format.")
    wanted, found = (item["general.architecture"] for item in (_header(model, "model"), header))
    if wanted != found:
        raise ModelFileInvalid(
            f'The adapter {path} is for the architecture "{found}", and {model.name} has "{wanted}".',
            fix="Name an adapter that was trained for this model.",
        )


def _header(path: Path, kind: str) -> dict[str, Value]:
    if not path.is_file():
        raise ModelNotFound(f"There is no {kind} file {path}.", fix="Check the path.")
    if not is_gguf(path):
        raise ModelFileInvalid(f"{path} is not a GGUF file.", fix=f"Name the {kind} in GGUF format.")
    try:
        header = read_header(path, ("context_length", "type"))
        header["general.architecture"]
    except (ValueError, KeyError, OSError) as error:
        raise ModelFileInvalid(f"The header of {path} is damaged.", fix="Download the file again.") from error
    return header
