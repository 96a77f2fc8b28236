"""Ollama's chat protocol in front of a real llama.cpp model.

Speaks `/api/tags`, `/api/show` and `/api/chat` as Ollama does: NDJSON streams whose last line carries the
counts, `format` schemas, native tools without `tool_choice`, options by its names, and a prompt that is
longer than `num_ctx` shortened without a word unless `truncate` is false. Source: Ollama's docs/api.md.
"""

from __future__ import annotations

import json
import time
import urllib.request
from datetime import UTC, datetime
from typing import Any

from tests.contracts.servers.lines import Handler, Server

_OPTIONS = {"temperature": "temperature", "seed": "seed", "stop": "stop", "num_predict": "max_tokens"}


class OllamaServer(Server):
    """Serves one model under one name.

    Args:
        name: as `ollama list` would show it.
        backend: a llama.cpp server in this process.
        key: the backend's API key.
        trained_context: the context length `/api/show` reports.
        knows_truncate: false for a server too old to know `truncate` and `shift`.
    """

    def __init__(self, name: str, backend: Any, key: str, *, trained_context: int, knows_truncate: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name, self.backend, self.key = name, backend, key
        self.trained_context, self.knows_truncate = trained_context, knows_truncate
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def count(self, messages: list[dict[str, Any]]) -> int:
        """Tokens of the prompt that the model's template makes of the messages."""
        prompt = self._ask("/apply-template", {"messages": messages})["prompt"]
        return len(self._ask("/tokenize", {"content": prompt, "parse_special": True})["tokens"])

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        request = urllib.request.Request(self.backend.listening_address + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


class _Handler(Handler):
    server: OllamaServer

    def do_GET(self) -> None:
        if self.path == "/api/tags":
            return self.reply(200, {"models": [{"name": self.server.name, "model": self.server.name}]})
        return self.reply(404, "404 page not found", kind="text/plain")

    def do_POST(self) -> None:
        body = self.body()
        self.server.requests.append((self.path, body))
        if body.get("model") != self.server.name:
            return self.reply(404, {"error": f"model '{body.get('model')}' not found"})
        if self.path == "/api/show":
            return self.reply(200, self._shown())
        if self.path == "/api/chat":
            return self._chat(body)
        return self.reply(404, "404 page not found", kind="text/plain")

    def _shown(self) -> dict[str, Any]:
        return {
            "details": {"format": "gguf", "family": "llama"},
            "model_info": {"general.architecture": "llama", "llama.context_length": self.server.trained_context},
            "capabilities": ["completion", "tools"],
        }

    def _chat(self, body: dict[str, Any]) -> None:
        options = body.get("options") or {}
        messages = [_openai(message) for message in body["messages"]]
        window = options.get("num_ctx", 4096)
        strict = self.server.knows_truncate and body.get("truncate") is False
        if self.server.count(messages) > window:
            if strict:
                return self.reply(400, {"error": "the input length exceeds the context length"})
            messages = self._shortened(messages, window)
        request = {"messages": messages, "stream": True, "stream_options": {"include_usage": True}}
        request |= {theirs: options[ours] for ours, theirs in _OPTIONS.items() if ours in options}
        if body.get("tools"):
            request["tools"] = body["tools"]
        if isinstance(body.get("format"), dict):
            request["response_format"] = {"type": "json_schema", "json_schema": {"schema": body["format"]}}
        return self._answer(request, streaming=body.get("stream", True))

    def _shortened(self, messages: list[dict[str, Any]], window: int) -> list[dict[str, Any]]:
        """Drop the oldest messages but the system's; cut what is left of the last one from its beginning."""
        kept = [message for message in messages if message["role"] == "system"]
        rest = [message for message in messages if message["role"] != "system"]
        while len(rest) > 1 and self.server.count(kept + rest) > window:
            rest.pop(0)
        while self.server.count(kept + rest) > window:
            rest[-1] = {**rest[-1], "content": rest[-1]["content"][len(rest[-1]["content"]) // 2 :]}
        return kept + rest

    def _answer(self, request: dict[str, Any], *, streaming: bool) -> None:
        answer = _Answer(self, streaming)
        self.server.backend.handle_chat_completions(request, answer.receive)
        if not answer.gone:
            answer.finish()


class _Answer:
    """llama.cpp's chunks on their way to the client; a client that is gone stops the model."""

    def __init__(self, handler: _Handler, streaming: bool) -> None:
        self._handler, self._streaming = handler, streaming
        self._started = time.monotonic()
        self._open = False
        self._text = ""
        self._usage: dict[str, Any] = {}
        self._reason = "stop"
        self._error = ""
        self.gone = False

    def receive(self, chunk: Any) -> bool:
        """Takes a chunk or a list of them; returns true to stop the model."""
        try:
            for one in chunk if isinstance(chunk, list) else [chunk]:
                self._take(one)
        except OSError:
            self.gone = True
        return self.gone

    def _take(self, chunk: dict[str, Any]) -> None:
        if "message" in chunk and "choices" not in chunk:
            self._error = str(chunk["message"])
            return
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices", ()):
            self._reason = "length" if choice.get("finish_reason") == "length" else self._reason
            delta = choice.get("delta") or choice.get("message") or {}
            if text := delta.get("content"):
                self._text += text
                if self._streaming:
                    self._line({"message": {"role": "assistant", "content": text}, "done": False})

    def finish(self) -> None:
        if self._error:
            self._handler.reply(500, {"error": self._error})
            return
        spent = int((time.monotonic() - self._started) * 1e9)
        last = {
            "message": {"role": "assistant", "content": "" if self._streaming else self._text},
            "done": True,
            "done_reason": self._reason,
            "total_duration": spent,
            "load_duration": 0,
            "prompt_eval_count": self._usage.get("prompt_tokens", 0),
            "eval_count": self._usage.get("completion_tokens", 0),
        }
        if self._streaming:
            self._line(last)
            self._handler.end_stream()
        else:
            self._handler.reply(200, self._stamped(last))

    def _line(self, content: dict[str, Any]) -> None:
        if not self._open:
            self._handler.start_stream("application/x-ndjson")
            self._open = True
        self._handler.piece(json.dumps(self._stamped(content)) + "\n")

    def _stamped(self, content: dict[str, Any]) -> dict[str, Any]:
        return {"model": self._handler.server.name, "created_at": datetime.now(UTC).isoformat(), **content}


def _openai(message: dict[str, Any]) -> dict[str, Any]:
    """Ollama's message as llama.cpp takes it: tool arguments are JSON text there."""
    content = {"role": message["role"], "content": message.get("content") or ""}
    if calls := message.get("tool_calls"):
        content["tool_calls"] = [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {**call["function"], "arguments": json.dumps(call["function"]["arguments"])},
            }
            for number, call in enumerate(calls)
        ]
    if message["role"] == "tool":
        content["tool_call_id"] = "call_0"
    return content
