"""`local:` models: a GGUF file run by llama.cpp in this process. No server, no key, no network."""

from __future__ import annotations

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

from agent.adapters import FILE, NONE, choose_adapter
from agent.config import ModelSettings
from agent.errors import ConfigError, ModelError, ModelNotFound
from agent.models.conversation import to_turns
from agent.models.engine import AdapterSet, Engine, shared_engine
from agent.models.exchange import Exchange
from agent.models.gguf_check import adapter_for, model_context
from agent.models.tool_calls import ToolChoice, text_grammar

# Tokens of context per conversation unless more is asked for; each thousand costs SmolLM2 46 MB.
DEFAULT_CONTEXT = 4096
_SAMPLING = ("temperature", "max_tokens", "seed", "top_p", "top_k", "min_p", "repeat_penalty")


def build(
    name: str, settings: ModelSettings, models_folder: Path, adapters_folder: Path | None = None
) -> BaseChatModel:
    """The model that "local:NAME" names.

    Args:
        name: "default", a path of a GGUF file, or the name of one in `models_folder`.
        settings: how it answers.
        models_folder: where prepared models are kept.
        adapters_folder: where trained adapters are kept, and which of them is promoted.

    Raises:
        ModelNotFound: no such file or adapter, or the bundled model is not installed.
        ModelFileInvalid: the model or an adapter is not a GGUF of the right kind.
        ConfigError: more context than the model was trained for.
    """
    path = _find(name, models_folder)
    adapter = choose_adapter(settings.adapter, path, adapters_folder, bundled=name == "default")
    return LocalChatModel(
        path=path,
        model_name=name,
        adapters=adapter.paths,
        adapter_name=adapter.name,
        adapter_note=adapter.note,
        temperature=settings.temperature,
        seed=settings.seed,
        max_tokens=settings.max_tokens,
        context_tokens=settings.context_tokens,
        timeout=settings.timeout,
        threads=settings.threads,
        literal=name == "default",
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
    context and threads share one copy in memory, whatever their adapters. Any call also takes `adapter=` (the
    stem, folder's name or path of one of `adapters`, "" or "none" for none), `stop`, `temperature`, `seed`,
    `max_tokens`, `top_p`, `top_k`, `min_p`, `repeat_penalty`, `literal` and `response_format` (`json_schema` or
    `json_object`).

    Attributes:
        path: the GGUF file.
        adapters: LoRA files for it (GGUF); the first is used unless a call says otherwise.
        adapter_name: what answers of the first are marked with in the records.
        adapter_note: what the user has to know about the choice of the adapter, if anything.
        context_tokens: per conversation; 0 takes 4096, or less where the model was trained on less.
        timeout: seconds without progress before `ModelTimeout`.
        threads: 0 measures how many cores are free.
        literal: hold the arguments of tool calls against what was said, as a small model makes some up and forgets
            others (`agent.models.literal_arguments`), and answers to the form that was asked for
            (`agent.models.asked_form`).

    Raises:
        ModelNotFound, ModelFileInvalid, ConfigError: as for `build`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    path: Path
    model_name: str = ""
    adapters: tuple[Path, ...] = ()
    adapter_name: str = ""
    adapter_note: str = ""
    temperature: float = 0.0
    seed: int | None = None
    max_tokens: int = 256
    context_tokens: int = 0
    timeout: float = 120.0
    threads: int = 0
    literal: bool = False

    _engine: Engine = PrivateAttr()
    _wanted: AdapterSet = PrivateAttr()

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
        self._engine = shared_engine(self.path, self.context_tokens, self.threads)
        self._wanted = AdapterSet(self.adapters)
        self._engine.wants(self._wanted)

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
        for _ in self._engine.stream(body or {}, self.timeout, self._wanted, self._chosen(None)):
            pass

    def log_probabilities(
        self, messages: Sequence[BaseMessage], reply: str, *, adapter: str | None = None
    ) -> list[float]:
        """The natural logarithm of each token's probability in a reply that is given.

        A grammar that admits nothing else leads the model through the reply; reported is how likely each token was
        without it. Where a text can be cut into tokens in several ways, the way is the one the model finds likelier;
        llama.cpp leaves out tokens that are a part of one character only.

        Raises:
            ModelError: the reply is empty, or llama.cpp did not keep to it; else as any call.
        """
        wanted = {"literal": False, "adapter": adapter, "max_tokens": 2 * len(reply.encode()) + 8, "temperature": 0.0}
        body = self._exchange(messages, None, wanted).next_request() or {}
        body |= {"grammar": text_grammar(reply), "logprobs": True, "top_logprobs": 1, "repeat_penalty": 1.0}
        found: list[float] = []
        written = ""
        for chunk in self._engine.stream(body, self.timeout, self._wanted, self._chosen(adapter)):
            for choice in chunk["choices"]:
                written += choice["delta"].get("content") or ""
                found += [token["logprob"] for token in (choice.get("logprobs") or {}).get("content") or ()]
        if not reply or written != reply:
            raise ModelError("The model could not be led through the given reply.", fix="Give another text.")
        return found

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
        if "ls_structured_output_format" in kwargs:  # LangChain's structured output reads the first call alone
            kwargs = {"parallel_tool_calls": False, "literal": False, **kwargs}  # it may sum up in words of its own
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
        exchange, chosen = self._exchange(messages, stop, kwargs), self._chosen(kwargs.get("adapter"))
        while (body := exchange.next_request()) is not None:
            with closing(self._engine.stream(body, self.timeout, self._wanted, chosen)) as raw:
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
        exchange, chosen = self._exchange(messages, stop, kwargs), self._chosen(kwargs.get("adapter"))
        while (body := exchange.next_request()) is not None:
            async with aclosing(self._engine.astream(body, self.timeout, self._wanted, chosen)) as raw:
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
        }
        several = kwargs.get("parallel_tool_calls", True) is not False
        literal = kwargs.get("literal", self.literal)
        choice = ToolChoice.of(kwargs.get("tools") or (), kwargs.get("tool_choice"), several=several, literal=literal)
        schema = _schema(kwargs.get("response_format"))
        end = self._engine.tokenizer.reply_end if literal or (choice.tools and not choice.forced) else ""
        return Exchange(messages, parameters, choice, self._is_control, schema, end, keep_form=literal)

    def _is_control(self, text: str) -> bool:
        return self._engine.tokenizer.is_control(text)

    def _chosen(self, name: str | None) -> Path | None:
        """The adapter of a request: the first by default, none for "" and "none"."""
        if name is None:
            return self.adapters[0] if self.adapters else None
        if name in ("", NONE):
            return None
        for path in self.adapters:
            if name in (path.stem, path.parent.name, str(path)):
                return path
        loaded = ", ".join(path.parent.name if path.name == FILE else path.stem for path in self.adapters) or "none"
        raise ModelNotFound(
            f'The adapter "{name}" is not loaded with this model (loaded: {loaded}).',
            fix="Name its file in model.adapter.",
        )


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
