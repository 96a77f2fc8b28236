"""The embedder that the settings name, with the servers they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.embedders import Embedder


def build_embedder(settings: Settings) -> Embedder:
    """The embedder of `knowledge.embedder`; its server, if it has one, is the one of `model`.

    Raises:
        EmbedderError: there is no such embedder, or it cannot be used.
        StorageError: the bundled one cannot be prepared in the models folder.
    """
    from knowledge.embedders import Services, build_embeddings

    model = settings.model
    services = Services(
        ollama_url=model.ollama_url,
        base_url=model.base_url,
        api_key=model.api_key.get_secret_value(),
        timeout=model.timeout,
    )
    return build_embeddings(settings.knowledge.embedder, settings.models_folder, services=services)
