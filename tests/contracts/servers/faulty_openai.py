"""An OpenAI-compatible server that fails in a chosen way, and counts how often it was asked."""

from __future__ import annotations

import json
import threading
from typing import Any

from tests.contracts.servers.lines import Handler, Server

_WRONG = "Incorrect API key provided: {key}. You can find your API key in the dashboard."


class FaultyServer(Server):
    """Plays one fault for every request.

    Args:
        fault: the name of a method of the handler below.
        failures: how many requests fail before one is answered; default: all.
    """

    def __init__(self, fault: str, failures: int = 1_000_000) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault, self.failures = fault, failures
        self.requests: list[dict[str, Any]] = []
        self.released = threading.Event()

    def server_close(self) -> None:
        self.released.set()
        super().server_close()


class _Handler(Handler):
    server: FaultyServer

    def do_POST(self) -> None:
        self.server.requests.append(self.body())
        fault = self.server.fault if len(self.server.requests) <= self.server.failures else "answer"
        getattr(self, fault)()

    def answer(self, *texts: str) -> None:
        self.start_stream("text/event-stream")
        for text in texts or ("Three", " rivers."):
            self._event({"content": text})
        self._event({}, finish="stop")
        self.piece("data: [DONE]\n\n")
        self.end_stream()

    def call(self) -> None:
        """A native tool call, its arguments in pieces."""
        self.start_stream("text/event-stream")
        first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "river", "arguments": ""}}
        self._event({"tool_calls": [first]})
        for piece in ('{"name":', ' "Rhine"}'):
            self._event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        self._event({}, finish="tool_calls")
        self.piece("data: [DONE]\n\n")
        self.end_stream()

    def call_by_schema_only(self) -> None:
        """As llama-server for a model without a tool template: `tool_choice` is ignored, schemas are not."""
        if "response_format" in self.server.requests[-1]:
            self.answer('{"name": "river", ', '"arguments": {"name": "Rhine"}}')
        else:
            self.answer()

    def hang(self) -> None:
        self.server.released.wait(60)
        self.close_connection = True

    def hang_within(self) -> None:
        self.start_stream("text/event-stream")
        self._event({"content": "Three"})
        self.hang()

    def half(self) -> None:
        """Drops the connection in the middle of a chunked body."""
        self.start_stream("text/event-stream")
        self._event({"content": "Three"})
        self.close_connection = True

    def quiet_half(self) -> None:
        """Ends the body properly, but neither a finish reason nor `[DONE]` was sent."""
        self.start_stream("text/event-stream")
        self._event({"content": "Three"})
        self.end_stream()

    def malformed(self) -> None:
        self.start_stream("text/event-stream")
        self.piece('data: {"choices": [{"delta": {"content": \n\n')
        self.end_stream()

    def web_page(self) -> None:
        self.reply(200, "<html><body>Welcome to the proxy</body></html>", kind="text/html")

    def error_within(self) -> None:
        self.start_stream("text/event-stream")
        self._event({"content": "Three"})
        self.piece('data: {"error": {"message": "the GPU fell over", "type": "server_error"}}\n\n')
        self.end_stream()

    def status_401(self) -> None:
        key = self.headers["Authorization"].removeprefix("Bearer ")
        self._refuse(401, _WRONG.format(key=key), "invalid_api_key")

    def status_404(self) -> None:
        self._refuse(404, "The model `nope` does not exist or you do not have access to it.", "model_not_found")

    def status_429(self) -> None:
        self._refuse(429, "Rate limit reached", "rate_limit_exceeded", retry_after_ms="5", Retry_After="1")

    def status_500(self) -> None:
        self._refuse(500, "internal error", "server_error", retry_after_ms="5")

    def status_422(self) -> None:
        self._refuse(422, "Unexpected fields in the request: {'seed'}", "invalid_request_error")

    def overflow_openai(self) -> None:
        said = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
        self._refuse(400, said, "context_length_exceeded")

    def overflow_llama_server(self) -> None:
        said = "request (3031 tokens) exceeds the available context size (2048 tokens), try increasing it"
        self.reply(400, {"error": {"code": 400, "message": said, "type": "exceed_context_size_error"}})

    def overflow_vllm(self) -> None:
        said = "This model's maximum context length is 2048 tokens. However, you requested 2100 tokens."
        self.reply(400, {"object": "error", "message": said, "type": "BadRequestError", "code": 400})

    def _refuse(self, status: int, message: str, code: str, **headers: str) -> None:
        self.reply(status, {"error": {"message": message, "type": "error", "code": code}}, **headers)

    def _event(self, delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
        self.piece(f"data: {json.dumps(chunk)}\n\n")
