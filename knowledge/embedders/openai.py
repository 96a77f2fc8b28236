"""openai:NAME: an embedder behind OpenAI's `/v1/embeddings` or any server that speaks it."""

from __future__ import annotations

from typing import Any

from knowledge.embedders.registry import Surroundings
from knowledge.embedders.remote import RemoteEmbeddings
from knowledge.embedders.service import Service
from knowledge.errors import EmbedderError

_ADDRESS = "https://api.openai.com/v1"


class OpenAIEmbeddings(RemoteEmbeddings):
    """Vectors from an OpenAI-compatible server (https://platform.openai.com/docs/api-reference/embeddings)."""

    def _request(self, texts: list[str]) -> Any:
        body = {"model": self._name, "input": texts, "encoding_format": "float"}
        rows = self._service.post("embeddings", body).get("data")
        try:
            return [row["embedding"] for row in sorted(rows or [], key=lambda row: int(row["index"]))]
        except (KeyError, TypeError, ValueError):
            raise self._service.unreadable() from None


def build(name: str, given: Surroundings) -> OpenAIEmbeddings:
    """The embedder `name` at `services.base_url`, by default OpenAI's; first asked when it is first used.

    Raises:
        EmbedderError: neither a key nor an address of one's own is set.
    """
    services = given.services
    if not services.api_key and not services.base_url:
        raise EmbedderError(
            f"openai:{name} needs an API key.",
            fix="Set OPENAI_API_KEY or RATCHET_MODEL__API_KEY, or RATCHET_MODEL__BASE_URL for a server of your own.",
        )
    address = (services.base_url or _ADDRESS).rstrip("/")
    service = Service(
        spec=f"openai:{name}",
        address=address,
        start="Start the server, or correct RATCHET_MODEL__BASE_URL." if services.base_url else "Check the network.",
        get="Ask the server's /models for the names it knows, and check that the address is right.",
        timeout=services.timeout,
        key=services.api_key,
    )
    return OpenAIEmbeddings(name, service)
