"""The answer in progress, sent piece by piece beside Gradio, which is slower over a piece than the model.

    GET /live/THREAD    server-sent events (HTML Living Standard, section 9.2): messages hold, as JSON text, the HTML of
                        the question and the answer so far; `over` comes when it has ended, `end` when no more is told.

A browser that loses the connection asks again by itself, and sees what was said meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from agent.errors import RatchetError, RecordError
from ui.share_parts.host import PATIENCE
from ui.share_parts.outward import three_sentences
from ui.share_parts.transcript import live_html

if TYPE_CHECKING:
    from starlette.requests import Request

    from ui.answering import LiveAnswer
    from ui.share_parts.host import Host
    from ui.share_parts.visitors import VisitorDesk

WATCHED_AT_ONCE = 96  # pages that watch an answer, each with a thread of the server

_TOO_MANY = "You watch too many answers at once. Close another tab, then load this page again."
_STREAMED = {"cache-control": "no-store", "x-accel-buffering": "no"}  # not held back by a proxy either


class Following:
    """The endpoint.

    Args:
        host: whose conversations they are.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._threads = CapacityLimiter(WATCHED_AT_ONCE)

    @property
    def route(self) -> Route:
        """Where the server offers it."""
        return Route("/live/{thread}", self.answer, methods=["GET"])

    async def answer(self, request: Request) -> Response:
        """The stream of a conversation's answer; 204, on which browsers do not ask again, where none is in progress."""
        desk = self._host.desk(request)
        try:
            live = await to_thread.run_sync(desk.live, request.path_params["thread"], limiter=self._threads)
        except RatchetError as error:
            status = 404 if isinstance(error, RecordError) else 503
            return PlainTextResponse(" ".join(filter(None, three_sentences(error))), status)
        if live is None or live.finished:
            return Response(status_code=204)
        return StreamingResponse(self._events(live, desk), media_type="text/event-stream", headers=_STREAMED)

    async def _events(self, live: LiveAnswer, desk: VisitorDesk) -> AsyncIterator[str]:
        with self._host.watching(desk) as allowed:
            if not allowed:
                yield _event("message", f'<p class="s-status" role="status">{_TOO_MANY}</p>')
                yield _event("end")
                return
            pictures = _pictures(live)
            while (shown := await to_thread.run_sync(next, pictures, None, limiter=self._threads)) is not None:
                yield _event("message", shown) if shown else ":\n\n"
        yield _event("over")


def _pictures(live: LiveAnswer) -> Iterator[str]:
    """What to show, whenever there is something new; an empty text where for a while there is not."""
    for news in live.pictures(PATIENCE):
        yield live_html(live) if news else ""


def _event(name: str, value: str = "") -> str:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"
