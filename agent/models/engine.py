"""One llama.cpp model in this process, shared by all chat models that name the same file.

A request runs on a thread of its own, because llama.cpp blocks its caller; chunks come out of a small
buffer. Dropping the iterator stops the model at its next token.
"""

from __future__ import annotations

import asyncio
import atexit
import queue
import secrets
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from agent.errors import ContextOverflow, ModelError, ModelFileInvalid, ModelTimeout
from agent.models.tokens import Tokenizer
from knowledge.llama import CpuClock, free_threads, start_server

SLOTS = 2  # answers and tool choices begin differently; each keeps its own prompt in a slot
_BUFFER = 32  # chunks the model may be ahead of its reader

_engines: weakref.WeakValueDictionary[tuple[object, ...], Engine] = weakref.WeakValueDictionary()
_engines_lock = threading.Lock()
_running: weakref.WeakSet[_Request] = weakref.WeakSet()


def shared_engine(path: Path, adapters: tuple[Path, ...], context: int, threads: int) -> Engine:
    """The engine for these arguments; it lives as long as somebody holds it."""
    key = (path, adapters, context, threads)
    with _engines_lock:
        engine = _engines.get(key)
        if engine is None:
            engine = _engines[key] = Engine(path, adapters, context, threads)
        return engine


class Engine:
    """A model file and, from the first request on, its weights in memory.

    Args:
        path: a GGUF model.
        adapters: LoRA files for it, switched on per request by their position here.
        context: tokens per conversation.
        threads: 0 measures how many cores are free when the model is loaded.
    """

    def __init__(self, path: Path, adapters: tuple[Path, ...], context: int, threads: int) -> None:
        self.path, self.adapters, self.context = path, adapters, context
        self._threads = threads
        self._clock = CpuClock()
        self._lock = threading.RLock()
        self._server: Any = None
        self._key = secrets.token_urlsafe(24)
        self._tokenizer: Tokenizer | None = None

    @property
    def server(self) -> Any:
        """The llama.cpp server, loaded on first use.

        Raises:
            ModelFileInvalid: llama.cpp refuses the model or an adapter.
        """
        with self._lock:
            if self._server is None:
                self._server = self._load()
            return self._server

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer; loads the model on first use."""
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = Tokenizer(self.server.listening_address, self._key)
            return self._tokenizer

    def stream(self, body: dict[str, Any], timeout: float) -> Generator[dict[str, Any], None, None]:
        """Chunks of a chat completion, parsed, as OpenAI's API has them.

        Args:
            body: the request.
            timeout: seconds without a sign of progress before giving up.

        Raises:
            ModelTimeout, ContextOverflow, ModelError.
        """
        chunks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with closing(_Request(self.server, body, chunks.put)) as request:
            while True:
                try:
                    chunk = chunks.get(timeout=timeout)
                except queue.Empty:
                    raise _silent(timeout) from None
                if chunk is None:
                    return
                request.taken()
                yield _checked(chunk)

    async def astream(self, body: dict[str, Any], timeout: float) -> AsyncGenerator[dict[str, Any], None]:
        """`stream` for an event loop, which it never blocks."""
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[Any] = asyncio.Queue()

        def put(chunk: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)

        server = self._server or await asyncio.to_thread(lambda: self.server)
        with closing(_Request(server, body, put)) as request:
            while True:
                try:
                    async with asyncio.timeout(timeout):
                        chunk = await chunks.get()
                except TimeoutError:
                    raise _silent(timeout) from None
                if chunk is None:
                    return
                request.taken()
                yield _checked(chunk)

    def close(self) -> None:
        """Free the memory; the next request loads the model again."""
        with self._lock:
            if self._tokenizer is not None:
                self._tokenizer.close()
            self._server = self._tokenizer = None

    def _load(self) -> Any:
        threads = free_threads(self._clock, self._threads)
        try:
            return start_server(
                self.path,
                context=self.context,
                threads=threads,
                slots=SLOTS,
                adapters=self.adapters,
                api_key=self._key,
            )
        except RuntimeError as error:
            raise _unloadable(self.path, self.adapters) from error


class _Request:
    """A request in flight. `put` receives its chunks, then None; an exception stands for a failure."""

    def __init__(self, server: Any, body: dict[str, Any], put: Callable[[Any], None]) -> None:
        self._put = put
        self._room = threading.Semaphore(_BUFFER)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, args=(server, body), daemon=True)
        _running.add(self)
        self._thread.start()

    def _run(self, server: Any, body: dict[str, Any]) -> None:
        try:
            server.handle_chat_completions(body, self._receive)
        # Whatever the binding raises is handed to the reader, who maps it.
        except Exception as error:
            self._put(error)
        self._put(None)

    def _receive(self, chunk: dict[str, Any]) -> bool:
        self._room.acquire()
        if not self._stopped:
            self._put(chunk)
        return self._stopped

    def taken(self) -> None:
        """The reader took a chunk; there is room for another."""
        self._room.release()

    def close(self) -> None:
        """Stop the model at its next token; returns at once."""
        self._stopped = True
        self._room.release()

    def join(self) -> None:
        """Wait until the model has stopped."""
        self._thread.join(timeout=5)


@atexit.register
def _stop_all() -> None:
    """A thread that is still inside llama.cpp when the interpreter goes away would crash it."""
    requests = list(_running)
    for request in requests:
        request.close()
    for request in requests:
        request.join()
    for engine in list(_engines.values()):
        engine.close()


def _unloadable(path: Path, adapters: tuple[Path, ...]) -> ModelFileInvalid:
    if not adapters:
        return ModelFileInvalid(f"llama.cpp cannot load {path}.", fix="The file may be cut short: get it again.")
    return ModelFileInvalid(
        f"llama.cpp cannot load {path} with the adapter {', '.join(map(str, adapters))}.",
        fix="Name an adapter that was trained for this very model.",
    )


def _silent(timeout: float) -> ModelTimeout:
    return ModelTimeout(
        f"The model gave no sign of life for {timeout:g} seconds.",
        kept="What was said before stays.",
        fix="Ask for less, close other programs, or raise model.timeout.",
    )


def _checked(chunk: Any) -> dict[str, Any]:
    """The chunk, unless it reports an error.

    Raises:
        ContextOverflow: the prompt has more tokens than the context.
        ModelError: anything else llama.cpp refuses.
    """
    if isinstance(chunk, Exception):
        raise ModelError(f"llama.cpp refused the request: {chunk}.", fix="Shorten or simplify it.") from chunk
    error = chunk.get("error", chunk if "message" in chunk and "choices" not in chunk else None)
    if error is None:
        return dict(chunk)
    if error.get("type") == "exceed_context_size_error":
        needed, context = error.get("n_prompt_tokens"), error.get("n_ctx")
        raise ContextOverflow(
            f"The prompt has {needed} tokens and the model's context holds {context}.",
            fix="Ask a shorter question, start a new thread, or raise model.context_tokens.",
        )
    raise ModelError(f"llama.cpp refused the request: {error.get('message')}.", fix="Shorten or simplify it.")
