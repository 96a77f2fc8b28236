"""openai:NAME: a model behind OpenAI's chat API or any server that speaks it (vLLM, LM Studio, llama-server)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import openai
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr, SecretStr

from agent.errors import MissingKey
from agent.models.foreign_errors import Endpoint
from agent.models.remote import DEFAULT_CONTEXT, RemoteModel

if TYPE_CHECKING:
    from langchain_core.outputs import ChatGenerationChunk

    from agent.config import ModelSettings

OPENAI_ADDRESS = "https://api.openai.com/v1"
_RETRIES = 2
_CONNECT_SECONDS = 10.0
_NO_KEY = "none"  # servers of one's own ask for no key, the client library insists on one


class OpenAIModel(RemoteModel, ChatOpenAI):
    """`ChatOpenAI` with Ratchet's errors, time limits and token estimates."""

    _forces_calls: bool = PrivateAttr(default=True)

    def _endpoint(self) -> Endpoint:
        address = (self.openai_api_base or OPENAI_ADDRESS).rstrip("/")
        own = address != OPENAI_ADDRESS
        key = self.openai_api_key.get_secret_value() if isinstance(self.openai_api_key, SecretStr) else ""
        return Endpoint(
            spec=f"openai:{self.model_name}",
            address=address,
            start="Start the server, or correct RATCHET_MODEL__BASE_URL." if own else "Check the network connection.",
            get=f"Ask {address}/models for the names it knows, and check that the address is right.",
            timeout=getattr(self.request_timeout, "read", None) or 0.0,
            key="" if key == _NO_KEY else key,
        )

    def _ends(self, chunk: ChatGenerationChunk) -> bool:
        return bool((chunk.generation_info or {}).get("finish_reason"))

    def _constrained(self, schema: dict[str, Any]) -> dict[str, Any]:
        # By its own parameter the answer would go through the library's parser, which reports usage twice.
        asked = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        return {"extra_body": {"response_format": asked}}

    def _get_request_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        payload = super()._get_request_payload(*args, **kwargs)
        if self.openai_api_base != OPENAI_ADDRESS and "max_completion_tokens" in payload:
            # Other servers knew the older name first, and some know it alone.
            payload["max_tokens"] = payload.pop("max_completion_tokens")
        return payload


class _Client(openai.DefaultHttpxClient):
    """Reports a timeout in the library's own class, which it does not retry: the limit is the user's patience."""

    def send(self, request: httpx2.Request, **kwargs: Any) -> httpx2.Response:
        try:
            return super().send(request, **kwargs)
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request) from error

    def __del__(self) -> None:
        self.close()


class _AsyncClient(openai.DefaultAsyncHttpxClient):
    """The same; it keeps no connection, because the next call may come from another event loop."""

    async def send(self, request: httpx2.Request, **kwargs: Any) -> httpx2.Response:
        try:
            return await super().send(request, **kwargs)
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request) from error


def build(name: str, settings: ModelSettings, models_folder: Path) -> OpenAIModel:
    """A chat model named `name` at `settings.base_url`, by default OpenAI's.

    Failed connections, HTTP 408, 409, 429 and 5xx are tried again, twice at most, with growing and
    jittered pauses or as long as the server asks for; timeouts are not.

    Raises:
        MissingKey: neither a key nor an address of one's own is set.
    """
    key = settings.api_key.get_secret_value()
    if not key and not settings.base_url:
        raise MissingKey(
            f"openai:{name} needs an API key.",
            fix="Set OPENAI_API_KEY or RATCHET_MODEL__API_KEY, or RATCHET_MODEL__BASE_URL for a server of your own.",
        )
    return OpenAIModel(**_arguments(name, settings, key or _NO_KEY))


def _arguments(name: str, settings: ModelSettings, key: str) -> dict[str, Any]:
    timeout = openai.Timeout(settings.timeout, connect=min(settings.timeout, _CONNECT_SECONDS))
    profile = {"max_input_tokens": settings.context_tokens or DEFAULT_CONTEXT}
    return {
        "model": name,
        "base_url": settings.base_url or OPENAI_ADDRESS,
        "api_key": SecretStr(key),
        "temperature": settings.temperature,
        "seed": settings.seed,
        "max_tokens": settings.max_tokens,
        "timeout": timeout,
        "max_retries": _RETRIES,
        "stream_usage": True,
        "stream_chunk_timeout": settings.timeout,
        "use_responses_api": False,
        "http_client": _Client(timeout=timeout),
        "http_async_client": _AsyncClient(timeout=timeout, limits=httpx2.Limits(max_keepalive_connections=0)),
        **({"profile": profile} if settings.context_tokens or settings.base_url else {}),
    }
