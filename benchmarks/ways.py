"""The ways in which `benchmarks.turns` asks a question: each returns a `Run`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agent.config import Settings
from agent.models.bundled import prepare
from agent.models.engine import SLOTS
from agent.schema import Done, Token
from agent.session import ChatSession
from knowledge.embedders import build_embeddings
from knowledge.index import KnowledgeIndex
from knowledge.llama import start_server
from knowledge.retriever import HybridRetriever

KEY = "benchmark"
BARE_STEPS = 8  # of LangGraph: three model calls with the tools between them
BARE_PROMPT = "Answer the user's question in one to three short sentences, using the search tool to find the facts."


@dataclass(slots=True)
class Run:
    """One question, asked one way: seconds since then, NaN for what did not happen; tokens, -1 if unknown.

    Attributes:
        first: the first text that a user could read.
        generated: the first text that the model wrote.
        total: the last event.
        prompt_tokens, cached_tokens, completion_tokens: of the model calls, as the server counted them.
        tool_calls: how often a tool answered.
        error: what broke.
    """

    first: float = math.nan
    generated: float = math.nan
    total: float = math.nan
    answer: str = ""
    prompt_tokens: int = -1
    cached_tokens: int = -1
    completion_tokens: int = -1
    tool_calls: int = 0
    same_prompt: bool = True
    error: str = ""

    def count(self, usage: Any) -> None:
        """Add the tokens of one more model call, as LangChain reports them."""
        if usage:
            self.prompt_tokens = max(0, self.prompt_tokens) + usage["input_tokens"]
            self.completion_tokens = max(0, self.completion_tokens) + usage["output_tokens"]
            found = (usage.get("input_token_details") or {}).get("cache_read") or 0
            self.cached_tokens = max(0, self.cached_tokens) + found


@dataclass(slots=True)
class Case:
    """One question, asked all ways; the session's prompt, and how many tokens its model wrote."""

    question: str
    messages: list[Any]
    written: int
    runs: dict[str, Run] = field(default_factory=dict)


def ratchet(session: ChatSession, case: Case) -> Run:
    """A turn of the session, in a thread of its own."""
    session.new_thread()
    run = Run()
    began = time.perf_counter()
    for event in session.stream(case.question):
        if isinstance(event, Token) and math.isnan(run.first):
            run.first = time.perf_counter() - began
        elif isinstance(event, Done):
            usage, timings = event.turn.usage, event.turn.timings
            run.generated = math.nan if timings.model_token is None else timings.model_token
            run.completion_tokens, run.answer = usage.completion_tokens, event.turn.answer
            # A call that was stopped early never reports what it found in the cache.
            run.cached_tokens = usage.cached_tokens or -1
            run.prompt_tokens = usage.prompt_tokens if usage.cached_tokens else -1
    run.total = time.perf_counter() - began
    run.same_prompt = [m.content for m in session.last_prompt] == [m.content for m in case.messages]
    return run


class Direct:
    """The model server alone: a request goes in, parsed chunks come out, without HTTP."""

    def __init__(self, settings: Settings, system: list[Any]) -> None:
        self._settings = settings
        self._server = server(settings)
        self._send(system, 1, lambda chunk: None)

    def _send(self, messages: list[Any], limit: int, receive: Callable[[Any], None]) -> None:
        from langchain_core.messages import convert_to_openai_messages

        body = {
            "messages": convert_to_openai_messages(messages),
            "max_tokens": limit,
            "temperature": self._settings.model.temperature,
            "seed": self._settings.model.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        self._server.handle_chat_completions(body, receive)

    def ask(self, case: Case) -> Run:
        """Send the captured prompt, for as many tokens as the session let the model write."""
        run = Run()

        def receive(chunk: dict[str, Any]) -> None:
            if usage := chunk.get("usage"):
                run.prompt_tokens, run.completion_tokens = usage["prompt_tokens"], usage["completion_tokens"]
                run.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    if not run.answer:
                        run.first = run.generated = time.perf_counter() - began
                    run.answer += text

        began = time.perf_counter()
        self._send(case.messages, case.written, receive)
        run.total = time.perf_counter() - began
        return run


class Bare:
    """`create_agent` with a retriever tool, over the HTTP address of a server of its own.

    Args:
        settings: the session's.
        made_to_search: the first model call may write nothing but the arguments of the tool.
    """

    def __init__(self, settings: Settings, *, made_to_search: bool = False) -> None:
        from langchain.agents import create_agent
        from langchain_core.tools import create_retriever_tool
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        self._server = server(settings)
        model = ChatOpenAI(
            model="local",
            base_url=f"{self._server.listening_address}/v1",
            api_key=SecretStr(KEY),
            temperature=settings.model.temperature,
            seed=settings.model.seed,
            max_completion_tokens=settings.model.max_tokens,
            stream_usage=True,
            use_responses_api=False,
            max_retries=0,
        )
        about = "Search the user's documents. Input: a question or key words."
        embeddings = build_embeddings(settings.knowledge.embedder, settings.models_folder)
        index = KnowledgeIndex.open(settings.index_folder, embeddings.fingerprint)
        retriever = HybridRetriever(index=index, embeddings=embeddings, top_k=settings.knowledge.top_k)
        tool = create_retriever_tool(retriever, "search_documents", about)
        middleware = [search_first(tool.name)] if made_to_search else []
        self._agent = create_agent(model, [tool], system_prompt=BARE_PROMPT, middleware=middleware)

    def ask(self, case: Case) -> Run:
        """Ask as a user of `create_agent` would, streaming the model's words."""
        from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage

        run = Run()
        asked: Any = {"messages": [HumanMessage(case.question)]}
        limits: Any = {"recursion_limit": BARE_STEPS}
        began = time.perf_counter()
        try:
            stream = self._agent.stream(asked, limits, stream_mode="messages")
            for message, _ in stream:
                if isinstance(message, ToolMessage):
                    run.tool_calls += 1
                    run.answer = ""
                elif isinstance(message, AIMessageChunk):
                    if message.text and math.isnan(run.first):
                        run.first = run.generated = time.perf_counter() - began
                    run.answer += message.text
                    run.count(message.usage_metadata)
        # What a bare agent does with a weak model is part of the result, whatever it raises.
        except Exception as error:
            run.error = f"{type(error).__name__}: {error}"[:200]
        run.total = time.perf_counter() - began
        return run


def search_first(tool: str) -> Any:
    """Middleware that lets the first model call write nothing but a query, and makes a tool call of it.

    A model this small does not call a tool of its own accord; one that follows tools would do just this.
    """
    from langchain.agents.middleware import wrap_model_call
    from langchain_core.messages import AIMessage, ToolMessage

    arguments = {"grammar": r'''root ::= "{\"query\": \"" [^"\\\n]{1,60} "\"}"'''}

    @wrap_model_call
    def middleware(request: Any, handler: Any) -> Any:
        if any(isinstance(message, ToolMessage) for message in request.messages):
            return handler(request)
        asked = [request.system_message, *request.messages]
        # "nostream" keeps the arguments out of the stream of what the user reads.
        reply = request.model.bind(extra_body=arguments).invoke(asked, {"tags": ["nostream"]})
        call = {"name": tool, "args": json.loads(reply.text), "id": "search", "type": "tool_call"}
        return AIMessage("", tool_calls=[call], usage_metadata=reply.usage_metadata)

    return middleware


def server(settings: Settings) -> Any:
    """A llama.cpp server like the one behind the session's model."""
    path, model = prepare(settings.models_folder), settings.model
    return start_server(path, context=model.context_tokens, threads=model.threads, slots=SLOTS, api_key=KEY)
