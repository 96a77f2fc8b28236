"""`local:` models: a GGUF file run by llama.cpp in this process. No server, no key, no network."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, PrivateAttr, ValidationError

from agent.config import ModelSettings
from agent.errors import ConfigError, ModelError, ModelNotFound
from agent.models.conversation import to_turns
from agent.models.engine import Engine, shared_engine
from agent.models.exchange import Exchange
from agent.models.gguf_check import adapter_for, model_context
from agent.models.tool_calls import ToolChoice

# Tokens of context per conversation unless more is asked for; each thousand costs SmolLM2 46 MB.
DEFAULT_CONTEXT = 4096
_SAMPLING = ("temperature", "max_tokens", "seed", "top_p", "top_k", "min_p", "repeat_penalty")


def build(name: str, settings: ModelSettings, models_folder: Path) -> BaseChatModel:
    """The model that "local:NAME" names.

    Args:
        name: "default", a path of a GGUF file, or the name of one in `models_folder`.
        settings: how it answers.
        models_folder: where prepared models are kept.

    Raises:
        ModelNotFound: no such file, or the bundled model is not installed.
        ModelFileInvalid: the model or an adapter is not a GGUF of the right kind.
        ConfigError: more context than the model was trained for.
    """
    return LocalChatModel(
        path=_find(name, models_folder),
        model_name=name,
        adapters=tuple(Path(part).expanduser() for part in settings.adapter.split(os.pathsep) if part),
        temperature=settings.temperature,
        seed=settings.seed,
        max_tokens=settings.max_tokens,
        context_tokens=settings.context_tokens,
        timeout=settings.timeout,
        threads=settings.threads,
    )


def _find(name: str, models_folder: Path) -> Path:
    if name == "default":
        from agent.models.bundled import prepare

        return prepare(models_folder)
    for path in (Path(name).expanduser(), models_folder / name, models_folder / f"{name}.gguf"):
        if path.is_file():
            return path
    known = ", ".join(f"local:{path.stem}" for path in sorted(models_folder.glob("*.gguf")))
    raise ModelNotFound(
        f"There is no model file {name}.",
        fix=f"Name a GGUF file, or local:default{f' ({known} are in {models_folder})' if known else ''}.",
    )


class LocalChatModel(BaseChatModel):
    """A LangChain chat model over an in-process llama.cpp.

    The file is checked at once and loaded by the first request, or by `warm`. Models of the same file,
    adapters, context and threads share one copy in memory. Any call also takes `adapter=` (the stem or
    path of a loaded adapter, "" for none), `stop`, `temperature`, `seed`, `max_tokens`, `top_p`, `top_k`,
    `min_p`, `repeat_penalty` and `response_format` (`json_schema` or `json_object`).

    Attributes:
        path: the GGUF file.
        adapters: LoRA files for it (GGUF); the first is used unless a call says otherwise.
        context_tokens: per conversation; 0 takes 4096, or less where the model was trained on less.
        timeout: seconds without progress before `ModelTimeout`.
        threads: 0 measures how many cores are free.

    Raises:
        ModelNotFound, ModelFileInvalid, ConfigError: as for `build`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    path: Path
    model_name: str = ""
    adapters: tuple[Path, ...] = ()
    temperature: float = 0.0
    seed: int | None = None
    max_tokens: int = 256
    context_tokens: int = 0
    timeout: float = 120.0
    threads: int = 0

    _engine: Engine = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Check the files and find the engine; nothing is loaded yet."""
        super().model_post_init(context)
        trained = model_context(self.path)
        if self.context_tokens > trained:
            raise ConfigError(
                f"{self.path.name} was trained for {trained} tokens of context, not {self.context_tokens}.",
                fix=f"Set model.context_tokens to {trained} or less.",
            )
        for adapter in self.adapters:
            adapter_for(adapter, self.path)
        self.context_tokens = self.context_tokens or min(trained, DEFAULT_CONTEXT)
        self.model_name = self.model_name or self.path.stem
        if self.profile is None:
            self.profile = ModelProfile(max_input_tokens=self.context_tokens, tool_calling=True, structured_output=True)
        self._engine = shared_engine(self.path, self.adapters, self.context_tokens, self.threads)

    @property
    def _llm_type(self) -> str:
        return "ratchet-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("temperature", "seed", "max_tokens", "context_tokens")
        return {"model": str(self.path), **{name: getattr(self, name) for name in names}}

    def warm(self, messages: Sequence[BaseMessage] = ()) -> None:
        """Load the model and compute `messages`, so that a prompt that begins with them starts quickly.

        Raises:
            ModelError: as any call.
        """
        exchange = self._exchange(messages or [HumanMessage("Hello")], None, {"max_tokens": 1})
        body = exchange.next_request()
        for _ in self._engine.stream(body or {}, self.timeout):
            pass

    def close(self) -> None:
        """Free the weights' memory, also for models that share them; the next call loads them again."""
        self._engine.close()

    def get_token_ids(self, text: str) -> list[int]:
        """Token numbers of a text, by the model's own tokenizer."""
        return self._engine.tokenizer.tokenize(text)

    def get_num_tokens(self, text: str) -> int:
        """Exact number of tokens of a text; remembered, as a prompt's parts come again every turn."""
        return self._engine.tokenizer.count(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Tokens of the messages' text, plus eight a message for what the chat template adds."""
        turns = to_turns(messages, self._engine.tokenizer.is_control)
        system = ToolChoice.of([convert_to_openai_tool(tool) for tool in tools]).prompt if tools else ""
        return sum(self.get_num_tokens(turn["content"]) + 8 for turn in turns) + self.get_num_tokens(system)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools; see `agent.models.tool_calls` for how it calls them.

        Raises:
            ConfigError: `tool_choice` names none of them.
        """
        formatted = [convert_to_openai_tool(tool) for tool in tools]
        ToolChoice.of(formatted, tool_choice)
        return self.bind(tools=formatted, tool_choice=tool_choice, **kwargs)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """As LangChain's, by a tool call; what a class's own validators refuse is a `ModelError`."""
        chain = super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        return chain if include_raw else _own_errors(chain)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        async with aclosing(self._astream(messages, stop, run_manager, **kwargs)) as stream:
            return await agenerate_from_stream(stream)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        exchange = self._exchange(messages, stop, kwargs)
        while (body := exchange.next_request()) is not None:
            with closing(self._engine.stream(body, self.timeout)) as raw:
                for item in raw:
                    if text := exchange.feed(item):
                        chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
                        if run_manager:
                            run_manager.on_llm_new_token(text, chunk=chunk)
                        yield chunk
        yield ChatGenerationChunk(message=exchange.last_chunk(self.model_name))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        exchange = self._exchange(messages, stop, kwargs)
        while (body := exchange.next_request()) is not None:
            async with aclosing(self._engine.astream(body, self.timeout)) as raw:
                async for item in raw:
                    if text := exchange.feed(item):
                        chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
                        if run_manager:
                            await run_manager.on_llm_new_token(text, chunk=chunk)
                        yield chunk
        yield ChatGenerationChunk(message=exchange.last_chunk(self.model_name))

    def _exchange(self, messages: Sequence[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> Exchange:
        given = {name: kwargs.get(name, getattr(self, name, None)) for name in _SAMPLING}
        parameters = {name: value for name, value in given.items() if value is not None}
        parameters |= {
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,  # a sign of life, and a chance to cancel, in the middle of a long prompt
            "stop": stop or [],
            **self._adapter(kwargs.get("adapter")),
        }
        choice = ToolChoice.of(kwargs.get("tools") or (), kwargs.get("tool_choice"))
        schema = _schema(kwargs.get("response_format"))
        return Exchange(messages, parameters, choice, self._is_control, schema)

    def _is_control(self, text: str) -> bool:
        return self._engine.tokenizer.is_control(text)

    def _adapter(self, name: str | None) -> dict[str, Any]:
        """The request's choice of adapter: the first by default, none for ""."""
        chosen = name if name is not None else str(self.adapters[0]) if self.adapters else ""
        known = [{path.stem, str(path)} for path in self.adapters]
        if chosen and not any(chosen in names for names in known):
            loaded = ", ".join(path.stem for path in self.adapters) or "none"
            raise ModelNotFound(
                f'The adapter "{chosen}" is not loaded with this model (loaded: {loaded}).',
                fix="Name its file in model.adapter.",
            )
        return {"lora": [{"id": i, "scale": float(chosen in names)} for i, names in enumerate(known)]}


def _own_errors(chain: Runnable[LanguageModelInput, Any]) -> Runnable[LanguageModelInput, Any]:
    """The chain, with what its parser raises made a `ModelError`."""

    def refused(error: Exception) -> ModelError:
        return ModelError(f"The model's answer is not acceptable: {error}.", fix="Ask again, or ask more precisely.")

    def run(value: LanguageModelInput, config: RunnableConfig) -> Any:
        try:
            return chain.invoke(value, config)
        except (ValidationError, OutputParserException) as error:
            raise refused(error) from error

    async def arun(value: LanguageModelInput, config: RunnableConfig) -> Any:
        try:
            return await chain.ainvoke(value, config)
        except (ValidationError, OutputParserException) as error:
            raise refused(error) from error

    return RunnableLambda(run, arun)


def _schema(response_format: Any) -> dict[str, Any] | None:
    """The JSON Schema of OpenAI's `response_format`; an empty one admits any object."""
    if not response_format or response_format.get("type") == "text":
        return None
    wrapped = response_format.get("json_schema") or {}
    schema: dict[str, Any] = wrapped.get("schema") or response_format.get("schema") or {}
    return schema
