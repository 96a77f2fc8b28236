"""One life of a connection to an MCP server, on a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from tools.mcp_servers import stdio, streamable_http
from tools.mcp_servers.pins import Descriptor
from tools.mcp_servers.wording import one_line

if TYPE_CHECKING:
    from tools.resources import McpServer

T = TypeVar("T")
MOST_TOOLS = 128  # of one server
_MOST_PAGES = 20
_LOOK = 0.1  # seconds between two looks at whether the user wants to stop
_GOODBYE = 3 * stdio.GRACE + 2


class ServerFailed(Exception):
    """The server cannot be reached, ended, does not answer, or breaks the protocol; the connection is of no use."""


class CallRefused(Exception):
    """The server answered that it will not do this call; the connection is good."""


class Stopped(Exception):
    """The user asked to stop."""


class Connection:
    """A connected server; once it has failed or was closed, another one has to be made.

    Args:
        server: how it is reached.
    """

    def __init__(self, server: McpServer) -> None:
        self._server = server
        self._log = stdio.Log()
        self._ready: Future[list[Descriptor]] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._session: Any = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"mcp {server.name}", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether calls can still be made."""
        return self._thread.is_alive() and self._session is not None

    def open(self, seconds: float, cancelled: Callable[[], bool]) -> list[Descriptor]:
        """Connect and list the tools.

        Raises:
            ServerFailed: not within that time, or not at all.
            Stopped: the user asked to stop.
        """
        atexit.register(self.close)
        self._thread.start()
        try:
            return _wait(self._ready, seconds, cancelled)
        except TimeoutError:
            self.close()
            raise self._failed(f"did not answer within {seconds:g} seconds") from None
        except Stopped:
            self.close()
            raise
        except CancelledError:
            raise self._failed("was closed") from None

    def call(
        self, tool: str, arguments: Mapping[str, Any], seconds: float, cancelled: Callable[[], bool]
    ) -> dict[str, Any]:
        """Call a tool; returns the protocol's `CallToolResult` as plain JSON.

        Raises:
            ServerFailed: the server ended, did not answer in time, or not in the protocol's form.
            CallRefused: it answered with an error of the protocol.
            Stopped: the user asked to stop.
        """
        if self._loop is None or not self.alive:
            raise self._failed("has ended")
        waiting = asyncio.run_coroutine_threadsafe(self._call(tool, dict(arguments)), self._loop)
        try:
            return _wait(waiting, seconds, cancelled)
        except TimeoutError:
            self.close()
            raise self._failed(f"did not answer within {seconds:g} seconds and was closed") from None
        except CancelledError:
            self.close()
            raise self._failed("ended in the middle of the call") from None
        except ServerFailed:
            self.close()
            raise
        except Stopped:
            self.close(wait=False)  # what the server does for the call ends with it
            raise

    def close(self, *, wait: bool = True) -> None:
        """End the connection, and a server that was started for it; safe to call twice."""
        if self._loop is not None and self._task is not None and not self._closing:
            self._closing = True  # once is enough, and a second time would interrupt the farewell
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)
        if wait and self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(_GOODBYE)
        self._session = None

    def _run(self) -> None:
        # Without a handler of its own, the package's warnings would be printed on the user's terminal.
        logger = logging.getLogger("mcp")
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        try:
            asyncio.run(self._live())
        except BaseException as error:  # told to whoever waits; nobody reads a thread's traceback
            if not self._ready.done():
                self._ready.set_exception(self._failed(f"cannot be reached: {_cause(error)}"))
        finally:
            self._session = None
            atexit.unregister(self.close)
            if not self._ready.done():
                self._ready.set_exception(self._failed("ended before it said what it offers"))

    async def _live(self) -> None:
        from mcp import Client
        from mcp_types import Implementation

        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        async with Client(
            _Transport(self._streams()), client_info=Implementation(name="ratchet", version="1"), cache=None
        ) as client:
            listed = await _list(client.session)
            self._session = client.session
            self._ready.set_result(listed)
            await asyncio.Event().wait()  # until `close` cancels it, or the transport's tasks fail

    def _streams(self) -> AbstractAsyncContextManager[tuple[Any, Any]]:
        if self._server.url:
            return streamable_http.streams(self._server)
        return stdio.streams(self._server, self._log)

    async def _call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Not through `Client.call_tool`: that runs regular expressions of the server's schema on its own results."""
        from mcp import MCPError
        from mcp_types import CallToolRequest, CallToolRequestParams, CallToolResult
        from pydantic import ValidationError

        request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=arguments))
        try:
            result = await self._session.send_request(request, CallToolResult)
        except MCPError as error:
            if self._is_broken(error.code):
                raise self._failed(f"ended or is out of order: {one_line(error.message)}") from error
            raise CallRefused(one_line(error.message)) from error
        except ValidationError as error:
            raise CallRefused("its answer is not in the form that the protocol asks for") from error
        plain: dict[str, Any] = result.model_dump(by_alias=True, mode="json")
        return plain

    def _is_broken(self, code: int) -> bool:
        from mcp_types import CONNECTION_CLOSED, INVALID_PARAMS, METHOD_NOT_FOUND, REQUEST_TIMEOUT

        # Over HTTP, the other codes also stand for a session that has ended.
        usual = code in (INVALID_PARAMS, METHOD_NOT_FOUND)
        return code in (CONNECTION_CLOSED, REQUEST_TIMEOUT) or (bool(self._server.url) and not usual)

    def _failed(self, what: str) -> ServerFailed:
        said = f" ({self._log.last})" if self._log.last else ""
        return ServerFailed(f'The MCP server "{self._server.name}" {what}{said}.')


class _Transport:
    """The two streams as the client wants them: an asynchronous context manager."""

    def __init__(self, streams: AbstractAsyncContextManager[tuple[Any, Any]]) -> None:
        self._streams = streams

    async def __aenter__(self) -> tuple[Any, Any]:
        return await self._streams.__aenter__()

    async def __aexit__(self, *raised: Any) -> bool | None:
        return await self._streams.__aexit__(*raised)


async def _list(session: Any) -> list[Descriptor]:
    from mcp_types import PaginatedRequestParams

    found: list[Descriptor] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        found += [Descriptor(tool.name, tool.description or "", tool.input_schema) for tool in page.tools]
        cursor = page.next_cursor
        if not cursor or len(found) > MOST_TOOLS:
            break
    return found[:MOST_TOOLS]


def _wait(waiting: Future[T], seconds: float, cancelled: Callable[[], bool]) -> T:
    """The future's result, looking now and then at whether the user wants to stop.

    Raises:
        TimeoutError: not within that time.
        Stopped: the user asked to stop.
    """
    deadline = time.monotonic() + seconds
    while not waiting.done():
        left = deadline - time.monotonic()
        if cancelled() or left <= 0:
            waiting.cancel()
            if left <= 0:
                raise TimeoutError
            raise Stopped
        with contextlib.suppress(TimeoutError):
            waiting.result(min(_LOOK, left))
    return waiting.result()


def _cause(error: BaseException) -> str:
    """The first error within a group of them, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, FileNotFoundError):
        return f"there is no command {error.filename}"
    return one_line(str(error)) or type(error).__name__
