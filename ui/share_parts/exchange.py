"""Requests and answers at the level of ASGI: read, held back, played again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send


class Caught:
    """An answer of the application, kept instead of sent: `status`, `headers`, `body`."""

    def __init__(self) -> None:
        self.status, self.body = 500, bytearray()
        self.headers: list[tuple[bytes, bytes]] = []

    async def send(self, message: Message) -> None:
        """Take the next part of the answer."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


def with_headers(send: Send, fixed: list[tuple[bytes, bytes]]) -> Send:
    """Sends answers with these headers in place of their own of the same names."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in fixed}
            given = [pair for pair in message.get("headers", []) if pair[0].lower() not in names]
            message = {**message, "headers": [*given, *fixed]}
        await send(message)

    return sending


async def read_body(receive: Receive, largest: int) -> bytes | None:
    """The body of a request; None when it has more than `largest` bytes."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > largest:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """The body once more, then what else comes: that the client has left."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return waiting.pop() if waiting else await receive()

    return receiving


def limited(receive: Receive, largest: int) -> Receive:
    """A body of which no more than `largest` bytes are read."""
    left = largest

    async def receiving() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        return message if left >= 0 else {"type": "http.disconnect"}

    return receiving
