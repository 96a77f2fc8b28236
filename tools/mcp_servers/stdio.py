"""The stdio transport: a server run as a child process, with bounded messages and nothing of the terminal's.

The package's own transport joins a line of any length in memory, lets the child inherit more of the environment than
it needs and its stderr reach the terminal; this one does not. Source: Model Context Protocol, "Transports".
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from tools.mcp_servers.wording import one_line

if TYPE_CHECKING:
    from tools.resources import McpServer

LONGEST_MESSAGE = 8 * 1024 * 1024  # bytes of one line of JSON
GRACE = 2.0  # seconds to end in after stdin was closed, and again after SIGTERM
_INHERITED = ("PATH", "HOME", "LANG")
_REMEMBERED = 2000  # bytes of stderr kept for a message about why the server ended


class Log:
    """The last words of a server on stderr, or why its connection was ended."""

    def __init__(self) -> None:
        self._tail = b""
        self.reason = ""

    def add(self, data: bytes) -> None:
        """Keep the end of what was written."""
        self._tail = (self._tail + data)[-_REMEMBERED:]

    @property
    def last(self) -> str:
        """The reason if there is one, else the last line of stderr."""
        lines = [line for line in self._tail.decode("utf-8", "replace").splitlines() if line.strip()]
        return self.reason or (one_line(lines[-1]) if lines else "")


@asynccontextmanager
async def streams(server: McpServer, log: Log) -> AsyncGenerator[tuple[Any, Any], None]:
    """Start the server and give the two streams of messages that the client speaks on.

    Raises:
        OSError: the command cannot be run.
        ValueError: the command holds a NUL character.
    """
    import anyio

    process = await asyncio.create_subprocess_exec(
        *server.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LONGEST_MESSAGE,
        start_new_session=True,
        env={name: os.environ[name] for name in _INHERITED if name in os.environ} | dict(server.environment),
    )
    into, incoming = anyio.create_memory_object_stream[Any](0)
    outgoing, out_of = anyio.create_memory_object_stream[Any](0)
    pumps = [
        asyncio.create_task(_read(process, into, log)),
        asyncio.create_task(_write(process, out_of, into)),
        asyncio.create_task(_listen(process, log.add)),
    ]
    try:
        yield incoming, outgoing
    finally:
        ending = asyncio.create_task(_end(process))
        while not ending.done():  # however often this is cancelled meanwhile: it takes a few seconds at most
            with suppress(asyncio.CancelledError):
                await asyncio.shield(ending)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for stream in (into, incoming, outgoing, out_of):
            stream.close()


async def _read(process: asyncio.subprocess.Process, into: Any, log: Log) -> None:
    """Messages of the server's stdout; the first broken one ends the connection, lines of a log do not."""
    import anyio
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    with into, suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:
                log.reason = f"it sent a message of more than {LONGEST_MESSAGE // 1024 // 1024} MB"
                return
            if not line:
                return
            if not line.lstrip().startswith((b"{", b"[")):
                continue
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                log.reason = "it sent a message that is not valid JSON-RPC"
                return
            await into.send(SessionMessage(message))


async def _write(process: asyncio.subprocess.Process, out_of: Any, into: Any) -> None:
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    try:
        async for item in out_of:
            text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(f"{text}\n".encode())
            await process.stdin.drain()
    except OSError:  # the server is gone; closing tells whoever waits for its answer
        into.close()


async def _listen(process: asyncio.subprocess.Process, add: Callable[[bytes], None]) -> None:
    assert process.stderr is not None  # noqa: S101 - it was started with a pipe
    while data := await process.stderr.read(4096):
        add(data)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close stdin, wait, then end the whole process group: the order that the protocol asks for."""
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            _signal(process, number)
        with suppress(TimeoutError):
            # Not `process.wait()`: that also waits for children of the server which hold its pipes.
            await asyncio.wait_for(_ended(process), GRACE)
            break
    _signal(process, signal.SIGKILL)
    # Only closing the transport lets go of pipes that a survivor still holds.
    process._transport.close()  # type: ignore[attr-defined]


async def _ended(process: asyncio.subprocess.Process) -> None:
    while process.returncode is None:
        await asyncio.sleep(0.01)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
