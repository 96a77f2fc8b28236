"""Ollama's and OpenAI's embedding protocols in front of a real embedder, with faults to order.

Speaks `/api/embed` and `/api/tags` (Ollama's docs/api.md) and `/v1/embeddings` (OpenAI's API reference).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from knowledge.embedders.minilm import MiniLMEmbeddings
from tests.contracts.servers.lines import Handler, Server

NAME, DIGEST = "all-minilm", "1b226e2802dbb772b5fc32a58f103ca1804ef7501331012de126ab22f67475ef"
Fault = Callable[["Answering"], None]


class EmbeddingServer(Server):
    """Serves one model.

    Args:
        embedder: does the work.
        key: the API key that OpenAI's protocol asks for.
        window: tokens of the longest text it takes, with the two around it.
        faults: what the first requests for vectors meet instead of an answer.
    """

    def __init__(
        self, embedder: MiniLMEmbeddings, key: str = "", window: int = 256, faults: Iterable[Fault] = ()
    ) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.embedder, self.key, self.window = embedder, key, window
        self.faults = list(faults)
        self.requests: list[dict[str, Any]] = []


class Answering(Handler):
    server: EmbeddingServer

    def do_GET(self) -> None:
        self.reply(200, {"models": [{"name": f"{NAME}:latest", "digest": DIGEST}]})

    def do_POST(self) -> None:
        body = self.body()
        self.server.requests.append(body)
        if self.server.faults:
            self.server.faults.pop(0)(self)
        elif self.path == "/api/embed":
            self._ollama(body)
        elif self.path == "/v1/embeddings":
            self._openai(body)
        else:
            self.reply(404, "404 page not found", kind="text/plain")

    def _ollama(self, body: dict[str, Any]) -> None:
        if body["model"] != NAME:
            self.reply(404, {"error": f'model "{body["model"]}" not found, try pulling it first'})
        elif self._overlong(body["input"]) and body.get("truncate") is False:
            self.reply(400, {"error": "the input length exceeds the context length"})
        else:
            vectors = self.server.embedder.embed([text[: 4 * self.server.window] for text in body["input"]])
            self.reply(200, {"model": NAME, "embeddings": (vectors * 3).tolist()})

    def _openai(self, body: dict[str, Any]) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given != self.server.key:
            message = f"Incorrect API key provided: {given}. You can find your API key in the dashboard."
            self.reply(401, {"error": {"message": message, "code": "invalid_api_key"}})
        elif body["model"] != NAME:
            self.reply(404, {"error": {"message": f"The model `{body['model']}` does not exist"}})
        elif not all(body["input"]):
            self.reply(400, {"error": {"message": "input cannot be an empty string"}})
        elif self._overlong(body["input"]):
            said = f"This model's maximum context length is {self.server.window} tokens, however you requested more."
            self.reply(400, {"error": {"message": said, "type": "invalid_request_error"}})
        else:
            vectors = self.server.embedder.embed(body["input"])
            rows = [{"object": "embedding", "index": i, "embedding": row.tolist()} for i, row in enumerate(vectors)]
            self.reply(200, {"object": "list", "data": rows[::-1], "usage": {}})

    def _overlong(self, texts: list[str]) -> bool:
        return any(self.server.embedder.count_tokens(text) + 2 > self.server.window for text in texts)
