"""Exact token counts, from the tokenizer inside a running llama.cpp server."""

from __future__ import annotations

import http.client
import json
import re
import threading
from typing import Any

from agent.errors import ModelError

_REPLY = "Yes, it is."
_CONTROL = re.compile(r"<[^<>\s]+>")
_REMEMBERED = 4096  # texts: a prompt's parts are counted again every turn


class Tokenizer:
    """Counts tokens over the server's loopback port: 0.6 ms for a text not counted before.

    Args:
        address: as the server states it, "http://127.0.0.1:PORT".
        key: the server's API key.
    """

    def __init__(self, address: str, key: str) -> None:
        self._host = address.removeprefix("http://")
        self._key = key
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._counts: dict[str, int] = {}
        self._control: dict[str, bool] = {}
        self._end: str | None = None

    def count(self, text: str) -> int:
        """Number of tokens of a text, control tokens read as such."""
        if text not in self._counts:
            _make_room(self._counts)
            self._counts[text] = len(self.tokenize(text))
        return self._counts[text]

    def is_control(self, text: str) -> bool:
        """Whether a text is one control token of the model, such as `<|im_end|>`."""
        if text not in self._control:
            _make_room(self._control)
            self._control[text] = len(self.tokenize(text)) == 1 < len(self.tokenize(text, special=False))
        return self._control[text]

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token numbers of a text.

        Args:
            text: any text.
            special: read control tokens as such; else as the characters they are written with.

        Raises:
            ModelError: the server is gone.
        """
        tokens: list[int] = self._ask("/tokenize", {"content": text, "parse_special": special})["tokens"]
        return tokens

    @property
    def reply_end(self) -> str:
        """The control token by which a reply ends in the model's chat template; empty where it has none.

        It need not be the one that llama.cpp takes for the end of a turn: that one is guessed from names.
        """
        if self._end is None:
            asked = {"role": "user", "content": "?"}  # the second time because a reply that comes last is left open
            said = [asked, {"role": "assistant", "content": _REPLY}, asked]
            after = str(self._ask("/apply-template", {"messages": said})["prompt"]).rpartition(_REPLY)[2]
            found = _CONTROL.match(after.lstrip())
            self._end = found.group() if found and self.is_control(found.group()) else ""
        return self._end

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        with self._lock:
            for _ in range(2):  # the server hangs up after 100 requests or 5 idle seconds
                connection = self._connection or http.client.HTTPConnection(self._host, timeout=60)
                try:
                    connection.request("POST", path, json.dumps(body), headers)
                    reply = json.loads(connection.getresponse().read())
                    if "error" in reply:
                        raise KeyError("error")
                except (OSError, http.client.HTTPException, KeyError):
                    connection.close()
                    self._connection = None
                    continue
                self._connection = connection
                return dict(reply)
        raise ModelError("llama.cpp did not count the tokens of a text.", fix="Ask again.")

    def move(self, address: str) -> None:
        """Count at another server of the same model from now on; what is remembered stays true."""
        with self._lock:
            self.close()
            self._host = address.removeprefix("http://")

    def close(self) -> None:
        """Hang up; counting calls again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    __del__ = close


def _make_room(cache: dict[str, int] | dict[str, bool]) -> None:
    if len(cache) >= _REMEMBERED:
        cache.clear()
