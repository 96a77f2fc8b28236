"""Which embedder a setting names: one provider per prefix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.errors import EmbedderError

if TYPE_CHECKING:
    from knowledge.embedders.protocol import Embedder

BUNDLED = "all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Services:
    """The servers of embedders that do not run in this process.

    Attributes:
        ollama_url: address of the Ollama server.
        base_url: address of an OpenAI-compatible server; empty for OpenAI's.
        api_key: for that server; never part of a message.
        timeout: seconds without an answer before giving up.
    """

    ollama_url: str = "http://127.0.0.1:11434"
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    timeout: float = 120.0


@dataclass(frozen=True)
class Surroundings:
    """What a provider may need besides the embedder's name."""

    models_folder: Path
    threads: int
    services: Services


def _local(name: str, given: Surroundings) -> Embedder:
    if name == BUNDLED:
        from knowledge.embedders.minilm import MiniLMEmbeddings
        from knowledge.embedders.minilm_file import prepare_minilm

        return MiniLMEmbeddings(prepare_minilm(given.models_folder), threads=given.threads)
    path = Path(name).expanduser()
    if not path.is_file():
        raise EmbedderError(
            f"There is no embedder {name}.",
            fix=f"Set knowledge.embedder to local:{BUNDLED} or local:PATH of a GGUF file.",
        )
    from knowledge.embedders.llama import LlamaEmbeddings

    return LlamaEmbeddings(path, threads=given.threads)


def _sentence_transformer(name: str, given: Surroundings) -> Embedder:
    from knowledge.embedders.sentence_transformer import build

    return build(name, given)


def _ollama(name: str, given: Surroundings) -> Embedder:
    from knowledge.embedders.ollama import build

    return build(name, given)


def _openai(name: str, given: Surroundings) -> Embedder:
    from knowledge.embedders.openai import build

    return build(name, given)


PROVIDERS: dict[str, Callable[[str, Surroundings], Embedder]] = {
    "local": _local,
    "st": _sentence_transformer,
    "ollama": _ollama,
    "openai": _openai,
}


def build_embeddings(spec: str, models_folder: Path, *, threads: int = 0, services: Services | None = None) -> Embedder:
    """The embedder that `spec` names.

    Args:
        spec: `local:all-MiniLM-L6-v2` (bundled), `local:PATH` of a GGUF file, `st:NAME` or `st:PATH` of a
            sentence-transformers model, `ollama:NAME`, or `openai:NAME` of any OpenAI-compatible server.
        models_folder: where the bundled embedder is prepared on first use.
        threads: worker threads of an embedder in this process; 0 lets it decide.
        services: addresses and key for embedders behind a network; default: an Ollama on this machine.

    Raises:
        EmbedderError: no embedder of that name, or it cannot be used.
        StorageError: the bundled embedder cannot be written to `models_folder`.
    """
    prefix, _, name = spec.partition(":")
    if prefix not in PROVIDERS or not name:
        known = ", ".join(f"{known}:" for known in PROVIDERS)
        raise EmbedderError(
            f'"{spec}" does not name an embedder.',
            fix=f"Use local:{BUNDLED} or local:PATH of a GGUF file (known prefixes: {known}).",
        )
    return PROVIDERS[prefix](name, Surroundings(models_folder, threads, services or Services()))
