"""One llama.cpp model in this process, shared by all chat models that name the same file.

Its adapters are switched on per request. llama.cpp takes them only while it loads a model, so one that comes later
(promoted, or of another conversation) means a restart, in well under a second as the weights stay in the page cache.
Requests in flight end on the server they began on, which is freed after the last of them.

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
from dataclasses import dataclass
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


def shared_engine(path: Path, context: int, threads: int) -> Engine:
    """The engine for these arguments; it lives as long as somebody holds it."""
    key = (path, context, threads)
    with _engines_lock:
        engine = _engines.get(key)
        if engine is None:
            engine = _engines[key] = Engine(path, context, threads)
        return engine


class AdapterSet:
    """The adapters that one chat model wants at hand; they stay loaded as long as this lives.

    Args:
        paths: LoRA files (GGUF), absolute or relative.
    """

    def __init__(self, paths: tuple[Path, ...] = ()) -> None:
        self.paths = paths


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A llama.cpp server and the adapters it holds, in the order by which requests name them."""

    server: Any
    adapters: tuple[Path, ...]


class Engine:
    """A model file and, from the first request on, its weights in memory.

    Args:
        path: a GGUF model.
        context: tokens per conversation.
        threads: 0 measures how many cores are free when the model is loaded.
    """

    def __init__(self, path: Path, context: int, threads: int) -> None:
        self.path, self.context = path, context
        self._threads = threads
        self._clock = CpuClock()
        self._lock = threading.RLock()
        self._loaded: _Loaded | None = None
        self._sets: weakref.WeakSet[AdapterSet] = weakref.WeakSet()
        self._key = secrets.token_urlsafe(24)
        self._tokenizer: Tokenizer | None = None
        self._sound: dict[tuple[Path, int, int], bool] = {}  # adapters as they were tried: whether they compute numbers

    @property
    def server(self) -> Any:
        """The llama.cpp server, loaded on first use.

        Raises:
            ModelFileInvalid: llama.cpp refuses the model or an adapter.
        """
        return self._ready(AdapterSet()).server

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer; loads the model on first use."""
        with self._lock:
            server = self.server  # loaded again where it is gone: what counts tokens has moved then
            if self._tokenizer is None:
                self._tokenizer = Tokenizer(server.listening_address, self._key)
            return self._tokenizer

    def wants(self, adapters: AdapterSet) -> None:
        """Have adapters at hand from the next request on; nothing is loaded yet."""
        with self._lock:
            self._sets.add(adapters)

    def stream(
        self, body: dict[str, Any], timeout: float, adapters: AdapterSet | None = None, chosen: Path | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """Chunks of a chat completion, parsed, as OpenAI's API has them.

        Args:
            body: the request.
            timeout: seconds without a sign of progress before giving up.
            adapters: what the asking model wants at hand.
            chosen: the one of them that this request is answered with; None for none.

        Raises:
            ModelTimeout, ContextOverflow, ModelError.
            ModelFileInvalid: llama.cpp refuses the model or an adapter.
        """
        chunks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with closing(self._begin(adapters or AdapterSet(), chosen, body, chunks.put)) as request:
            while True:
                try:
                    chunk = chunks.get(timeout=timeout)
                except queue.Empty:
                    raise _silent(timeout) from None
                if chunk is None:
                    return
                request.taken()
                yield _checked(chunk)

    async def astream(
        self, body: dict[str, Any], timeout: float, adapters: AdapterSet | None = None, chosen: Path | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """`stream` for an event loop, which it never blocks."""
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[Any] = asyncio.Queue()

        def put(chunk: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)

        begun = asyncio.ensure_future(asyncio.to_thread(self._begin, adapters or AdapterSet(), chosen, body, put))
        try:
            await asyncio.shield(begun)
        except asyncio.CancelledError:
            begun.add_done_callback(_abandon)
            raise
        with closing(begun.result()) as request:
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
            self._loaded = self._tokenizer = None

    def _begin(
        self, adapters: AdapterSet, chosen: Path | None, body: dict[str, Any], put: Callable[[Any], None]
    ) -> _Request:
        """Start a request; under the lock, so that no restart comes between loading and asking."""
        with self._lock:
            loaded = self._ready(adapters)
            lora = [{"id": place, "scale": float(path == chosen)} for place, path in enumerate(loaded.adapters)]
            return _Request(self, loaded.server, body | {"lora": lora}, put)

    def _ready(self, adapters: AdapterSet) -> _Loaded:
        """The server with these adapters, started or started again where it must be."""
        with self._lock:
            loaded = self._loaded
            missing = tuple(path for path in adapters.paths if loaded is None or path not in loaded.adapters)
            if loaded is not None and not missing:
                return loaded
            if broken := [path for path in missing if not self._sound.get(_version(path), True)]:
                raise _broken(broken[0])
            wanted = {path for others in list(self._sets) for path in others.paths} - {*adapters.paths}
            if not any(request.engine is self and request.running for request in list(_running)):
                loaded = self._loaded = None  # nobody needs it: its context's memory goes before more is taken
            self._loaded = self._load(adapters.paths, tuple(sorted(wanted)))
            if self._tokenizer is not None:
                self._tokenizer.move(self._loaded.server.listening_address)
            return self._loaded

    def _load(self, needed: tuple[Path, ...], others: tuple[Path, ...] = ()) -> _Loaded:
        """A server with the adapters that are needed, and those that others want if they can be loaded, too."""
        others = tuple(path for path in others if self._sound.get(_version(path), True))
        adapters = needed + others
        threads = free_threads(self._clock, self._threads)
        try:
            server = start_server(
                self.path,
                context=self.context,
                threads=threads,
                slots=SLOTS,
                adapters=adapters,
                api_key=self._key,
            )
        except RuntimeError as error:
            if others:
                return self._load(needed)
            raise _unloadable(self.path, needed) from error
        if (broken := self._first_broken(server, adapters)) is None:
            return _Loaded(server, adapters)
        if broken in needed:
            raise _broken(broken)
        del server  # its memory goes before more is taken
        return self._load(needed, others)

    def _first_broken(self, server: Any, adapters: tuple[Path, ...]) -> Path | None:
        """The first adapter that computes no numbers, each tried once.

        What overflows stays in the memory of a server, and its other adapters, too, then say nothing but rubbish: so it
        is found out before anybody asks, on a server that is thrown away.
        """
        for place, path in enumerate(adapters):
            if (version := _version(path)) not in self._sound:
                lora = [{"id": other, "scale": float(other == place)} for other in range(len(adapters))]
                said = server.handle_completions({"prompt": "a", "max_tokens": 1, "logprobs": 1, "lora": lora})
                self._sound[version] = all(map(_is_likely, said.get("choices") or ()))
            if not self._sound[version]:
                return path
        return None


class _Request:
    """A request in flight. `put` receives its chunks, then None; an exception stands for a failure."""

    def __init__(self, engine: Engine, server: Any, body: dict[str, Any], put: Callable[[Any], None]) -> None:
        self.engine = engine
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

    @property
    def running(self) -> bool:
        """Whether the model is still working on it."""
        return self._thread.is_alive()

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


def _abandon(begun: asyncio.Future[_Request]) -> None:
    """Stop a request whose asker went away before it had begun."""
    if not begun.cancelled() and begun.exception() is None:
        begun.result().close()


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


def _version(path: Path) -> tuple[Path, int, int]:
    """A file as it is now: one that was written anew is another."""
    try:
        stat = path.stat()
    except OSError:
        return path, 0, 0
    return path, stat.st_mtime_ns, stat.st_size


def _is_likely(choice: dict[str, Any]) -> bool:
    """Whether tokens have a likelihood; of those that are a part of one character none is reported."""
    return all(token["logprob"] is not None for token in (choice["logprobs"] or {}).get("content", ()))


def _broken(adapter: Path) -> ModelFileInvalid:
    return ModelFileInvalid(
        f"The adapter {adapter} computes no numbers: its weights are too large.",
        kept="It was not used.",
        fix="Train it again with a lower learning rate, or name another one.",
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
