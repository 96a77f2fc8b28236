"""The streamable HTTP transport, with bounded answers and without floods of requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tools.mcp_servers.stdio import LONGEST_MESSAGE

if TYPE_CHECKING:
    import httpx2

    from tools.resources import McpServer

_CONNECT = 15.0  # seconds
_SILENCE = 300.0  # seconds without a byte; how long a call may take is the caller's to say
_LONGEST_PAUSE = 30.0


@asynccontextmanager
async def streams(server: McpServer) -> AsyncGenerator[tuple[Any, Any], None]:
    """The two streams of messages that the client speaks on; redirects are followed within the origin only.

    Raises:
        httpx2.HTTPError: the server cannot be reached.
    """
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async with httpx2.AsyncClient(
        headers={**server.headers, "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(_CONNECT, read=_SILENCE),
        event_hooks={"request": [_Pause()], "response": [_bound]},
    ) as client:
        async with streamable_http_client(server.url, http_client=client, max_sse_event_size=LONGEST_MESSAGE) as (
            incoming,
            outgoing,
        ):
            yield incoming, outgoing


class _Pause:
    """Waits longer before each further listening request: a server can ask to be asked again at once, for ever."""

    def __init__(self) -> None:
        self._seen = 0

    async def __call__(self, request: httpx2.Request) -> None:
        if request.method == "GET":
            await asyncio.sleep(min(self._seen, _LONGEST_PAUSE))
            self._seen += 1


async def _bound(response: httpx2.Response) -> None:
    """Refuse an answer that is compressed, or of one piece and too long: either could fill the memory."""
    import httpx2

    if response.headers.get("content-encoding", "identity") != "identity":
        raise httpx2.DecodingError("the answer is compressed, which was not asked for", request=response.request)
    if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
        response.stream = _bounded(response.stream, response.request)


def _bounded(stream: Any, request: httpx2.Request) -> Any:
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            seen = 0
            async for part in stream:
                seen += len(part)
                if seen > LONGEST_MESSAGE:
                    raise httpx2.ReadError(f"the answer is longer than {LONGEST_MESSAGE:,} bytes", request=request)
                yield part

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()
