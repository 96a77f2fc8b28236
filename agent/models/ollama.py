"""ollama:NAME: a model served by Ollama, with its context window set and never silently overrun.

Ollama gives every model a small default window and, when a prompt is longer, drops the beginning without
a word. So the window is set from what `/api/show` says, prompts that cannot fit are refused before they
are sent, the server is asked to refuse rather than to truncate (`truncate`, `shift` of its chat API), and
for servers too old to know these, the answer's own token count is checked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import ollama
from langchain_ollama import ChatOllama
from langchain_ollama._utils import parse_url_with_auth
from pydantic import PrivateAttr

from agent.models.forced_calls import forced_choice
from agent.models.foreign_errors import Endpoint, mapped, overflow
from agent.models.remote import DEFAULT_CONTEXT, RemoteModel

if TYPE_CHECKING:
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.outputs import ChatGenerationChunk
    from langchain_core.runnables import Runnable

    from agent.config import ModelSettings

_CONNECT_SECONDS = 10.0


class _Refusing:
    """Mixed into Ollama's clients: chat requests ask for an error where the default is to truncate."""

    def _request(self, cls: Any, *args: Any, **kwargs: Any) -> Any:
        if "/api/chat" in args:
            kwargs["json"] = {**kwargs["json"], "truncate": False, "shift": False}
        return super()._request(cls, *args, **kwargs)  # type: ignore[misc]


class _Client(_Refusing, ollama.Client):
    pass


class _AsyncClient(_Refusing, ollama.AsyncClient):
    pass


class OllamaModel(RemoteModel, ChatOllama):
    """`ChatOllama` with Ratchet's errors, a window that fits the model, and no silent truncation."""

    _forces_calls: bool = PrivateAttr(default=False)
    _patience: float = PrivateAttr(default=0.0)
    _measured: bool = PrivateAttr(default=False)

    def _endpoint(self) -> Endpoint:
        return Endpoint(
            spec=f"ollama:{self.model}",
            address=str(httpx.URL(self.base_url or "").copy_with(username=None, password=None)),
            start="Start it with `ollama serve`, or correct RATCHET_MODEL__OLLAMA_URL.",
            get=f"Get it with `ollama pull {self.model}`; `ollama list` shows what is there.",
            timeout=self._patience,
        )

    def _ends(self, chunk: ChatGenerationChunk) -> bool:
        return bool((chunk.generation_info or {}).get("done"))

    def _constrained(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {"format": schema}

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """As for every model; the server knows no `tool_choice`, so a call is forced by a schema.

        Raises:
            ConfigError: the choice names none of the tools.
        """
        from langchain_core.utils.function_calling import convert_to_openai_tool

        bound = {"tools": [convert_to_openai_tool(tool) for tool in tools], "tool_choice": tool_choice}
        forced_choice(bound)
        return self.bind(**bound, **kwargs)

    def _whole(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        with mapped(self._endpoint()):
            self._measure()
        words = self._check_fits(messages, kwargs.get("tools"))
        for chunk in super()._whole(messages, *args, **kwargs):
            self._check_read(chunk, words)
            yield chunk

    async def _awhole(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        with mapped(self._endpoint()):
            await self._ameasure()
        words = self._check_fits(messages, kwargs.get("tools"))
        async for chunk in super()._awhole(messages, *args, **kwargs):
            self._check_read(chunk, words)
            yield chunk

    def _chat_params(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        options = {
            "num_predict": kwargs.pop("max_tokens", None),
            "temperature": kwargs.pop("temperature", None),
            "seed": kwargs.pop("seed", None),
        }
        if kwargs.pop("tool_choice", None) == "none":
            kwargs.pop("tools", None)
        params = super()._chat_params(messages, stop, **kwargs)
        params["options"] |= {key: value for key, value in options.items() if value is not None}
        return params

    def talk_through(self, timeout: httpx.Timeout) -> None:
        """Replace the library's clients by ones that refuse to truncate and give up after `timeout`."""
        self._patience = timeout.read or 0.0
        address, headers = parse_url_with_auth(self.base_url)
        # A kept connection would belong to the event loop of its first call, and need closing.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = _Client(address, headers=headers, timeout=timeout, limits=limits)
        self._async_client = _AsyncClient(address, headers=headers, timeout=timeout, limits=limits)

    def _measure(self) -> None:
        if not self._measured:
            self._fit_window(self._client.show(self.model))

    async def _ameasure(self) -> None:
        if not self._measured:
            self._fit_window(await self._async_client.show(self.model))

    def _fit_window(self, shown: ollama.ShowResponse) -> None:
        """Lower the window to what the model was made for, when that is less than what was asked for."""
        info = shown.modelinfo or {}
        trained = info.get(f"{info.get('general.architecture')}.context_length")
        window = self.num_ctx or DEFAULT_CONTEXT
        self.num_ctx = min(window, trained) if isinstance(trained, int) and trained > 0 else window
        self.profile = {"max_input_tokens": self.num_ctx}
        self._measured = True

    def _check_fits(self, messages: list[BaseMessage], tools: Sequence[dict[str, Any]] | None) -> int:
        """Refuse a prompt that is estimated not to fit.

        Returns:
            The number of words of the prompt: no tokenizer makes fewer tokens of it.

        Raises:
            ContextOverflow: the estimate exceeds the window.
        """
        estimate = self.get_num_tokens_from_messages(messages, tools=tools)
        if estimate > (self.num_ctx or DEFAULT_CONTEXT):
            raise overflow(self._endpoint(), f"about {estimate} tokens, the window holds {self.num_ctx}")
        return sum(len(message.text.split()) for message in messages)

    def _check_read(self, chunk: ChatGenerationChunk, words: int) -> None:
        """Raise `ContextOverflow` when the server reports fewer prompt tokens than the prompt has words."""
        usage = getattr(chunk.message, "usage_metadata", None)
        read = usage["input_tokens"] if usage else 0
        if 0 < read < words:
            raise overflow(self._endpoint(), f"the server cut it to {read} tokens before answering")


def build(name: str, settings: ModelSettings, models_folder: Path) -> OllamaModel:
    """A chat model named `name` on the Ollama server at `settings.ollama_url`.

    The server is first asked when the model is first used: whether it is there, whether it has the
    model, and how long a context the model allows. The window is that length, at most
    `settings.context_tokens`, by default 8,192 (Ollama reserves memory for all of it).
    """
    timeout = httpx.Timeout(settings.timeout, connect=min(settings.timeout, _CONNECT_SECONDS))
    window = settings.context_tokens or DEFAULT_CONTEXT
    model = OllamaModel(
        model=name,
        base_url=settings.ollama_url,
        num_ctx=window,
        num_predict=settings.max_tokens,
        temperature=settings.temperature,
        seed=settings.seed,
        profile={"max_input_tokens": window},
    )
    model.talk_through(timeout)
    return model
