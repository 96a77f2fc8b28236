"""ollama:NAME: an embedder served by Ollama (`/api/embed` of its docs/api.md)."""

from __future__ import annotations

from typing import Any

from knowledge.embedders.registry import Surroundings
from knowledge.embedders.remote import RemoteEmbeddings
from knowledge.embedders.service import Service

# Between two batches of a long ingest the model should not be unloaded.
_KEEP_ALIVE = "10m"


class OllamaEmbeddings(RemoteEmbeddings):
    """Vectors from Ollama, which is told to refuse texts that it would cut off otherwise."""

    def _request(self, texts: list[str]) -> Any:
        body = {"model": self._name, "input": texts, "truncate": False, "keep_alive": _KEEP_ALIVE}
        return self._service.post("api/embed", body).get("embeddings")

    def _version(self) -> str:
        """The digest that `ollama list` shows, so that another `ollama pull` under the same name is noticed."""
        listed = self._service.get_json("api/tags").get("models")
        names = {self._name, f"{self._name}:latest"}
        for model in listed if isinstance(listed, list) else []:
            if isinstance(model, dict) and model.get("name") in names:
                return str(model.get("digest", ""))[:12]
        return ""


def build(name: str, given: Surroundings) -> OllamaEmbeddings:
    """The embedder `name` of the server at `services.ollama_url`, which is first asked when it is first used."""
    service = Service(
        spec=f"ollama:{name}",
        address=given.services.ollama_url,
        start="Start it with `ollama serve`, or correct RATCHET_MODEL__OLLAMA_URL.",
        get=f"Get it with `ollama pull {name}`; `ollama list` shows what is there.",
        timeout=given.services.timeout,
    )
    return OllamaEmbeddings(name, service)
