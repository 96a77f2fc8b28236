"""One HTTP service, asked with patience: time limits, retries, and errors that name it and never its key."""

from __future__ import annotations

import random
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from knowledge.embedders.overlong import TooLong
from knowledge.errors import EmbedderError

if TYPE_CHECKING:
    import httpx

_TRIES = 4
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 20.0  # seconds
_CONNECT_SECONDS = 10.0
_LATER = {408, 409, 425, 429, 500, 502, 503, 504}
_REFUSALS = {400, 413, 422, 500}
# How servers say that a text is too long: OpenAI, vLLM, llama-server, Ollama, text-embeddings-inference.
_OVERLONG = re.compile(
    r"(maximum|available|exceeds? the) (context|model|input)|context (length|size|window)|exceed_context"
    r"|max_model_len|too (long|large|many tokens)|must have less than|physical batch",
    re.IGNORECASE,
)
_LONGEST_QUOTE = 300
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - compared with, not bound to


@dataclass
class Service:
    """Where an embedder asks, with what its errors need to say.

    Attributes:
        spec: the embedder as the user names it, "ollama:nomic-embed-text".
        address: what paths are appended to; may hold a user and password, which are never shown.
        start: how to get the server running, a sentence.
        get: how to get the model, a sentence.
        timeout: seconds without an answer.
        key: sent as a bearer token and cut out of every message; empty for none.
    """

    spec: str
    address: str
    start: str
    get: str
    timeout: float
    key: str = field(default="", repr=False)
    _client: httpx.Client | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that the service answers.

        Refusals that may pass (429, 5xx, a connection that broke) are tried again, four times in all, after
        pauses that double and are jittered, or as long as the service asks for.

        Raises:
            TooLong: the service said so.
            EmbedderError: nothing answers, or not in time, or it refuses.
        """
        return self._asked("POST", path, body)

    def get_json(self, path: str) -> dict[str, Any]:
        """As `post`, for a question without a body."""
        return self._asked("GET", path, None)

    def close(self) -> None:
        """Close the connections; the next question opens one again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def unreadable(self) -> EmbedderError:
        """The answer is not what the protocol prescribes."""
        return EmbedderError(
            f"{self._shown} answered {self.spec} with something that cannot be read as embeddings.",
            fix="Check that the address is that of the API (often it ends in /v1), and the model one for embeddings.",
        )

    def refused(self, said: str) -> EmbedderError:
        """The service did not take the request; `said` is its reason."""
        return EmbedderError(f"{self._shown} refused {self.spec}: {self._clean(said)}", fix=self.get)

    def _asked(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        import httpx

        pause = _FIRST_PAUSE
        for remaining in reversed(range(_TRIES)):
            try:
                response = self._connected().request(method, path.lstrip("/"), json=body)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol):
                raise EmbedderError(f"Nothing answers at {self._shown}.", fix=self.start) from None
            except httpx.TimeoutException:
                raise self._timed_out() from None
            except httpx.HTTPError as error:
                problem = EmbedderError(
                    f"The connection to {self._shown} broke: {type(error).__name__}.", fix="Try again."
                )
                asked = 0.0
            else:
                if response.status_code not in _LATER or _is_overlong(response):
                    return self._read(response)
                problem, asked = self._failed(response), _seconds(response.headers.get("retry-after"))
            if not remaining:
                raise problem
            time.sleep(min(max(asked, pause * random.uniform(0.5, 1.5)), _LONGEST_PAUSE))  # noqa: S311
            pause *= 2
        raise AssertionError("the loop returns or raises")

    def _read(self, response: httpx.Response) -> dict[str, Any]:
        if _is_overlong(response):
            raise TooLong(self._clean(_said(response)))
        if response.status_code >= 400:
            raise self._failed(response)
        try:
            answer = response.json()
        except ValueError:
            raise self.unreadable() from None
        if not isinstance(answer, dict):
            raise self.unreadable()
        return answer

    def _failed(self, response: httpx.Response) -> EmbedderError:
        status, said = response.status_code, self._clean(_said(response))
        if status in (401, 403):
            return EmbedderError(
                f"{self._shown} does not accept the API key for {self.spec} (HTTP {status}).",
                fix="Set OPENAI_API_KEY or RATCHET_MODEL__API_KEY to a valid key.",
            )
        if status == 404:
            return EmbedderError(f"{self._shown} has no embedder for {self.spec}: {said}", fix=self.get)
        if status in (408, 504):
            return self._timed_out()
        if status in _LATER:
            return EmbedderError(
                f"{self._shown} could not answer {self.spec} (HTTP {status}): {said}",
                fix="Wait a minute and try again; if it happens again, look at the server's log or the quota.",
            )
        return self.refused(said)

    def _timed_out(self) -> EmbedderError:
        return EmbedderError(
            f"{self.spec} gave no answer within {self.timeout:g} seconds.",
            fix="Try again, or allow more time with RATCHET_MODEL__TIMEOUT=SECONDS.",
        )

    def _connected(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
                timeout = httpx.Timeout(self.timeout, connect=min(self.timeout, _CONNECT_SECONDS))
                # A proxy of the surroundings has no way to a server on this machine, and no business with its texts.
                here = urlsplit(self.address).hostname in _THIS_MACHINE
                self._client = httpx.Client(base_url=self.address, headers=headers, timeout=timeout, trust_env=not here)
            return self._client

    @property
    def _shown(self) -> str:
        return re.sub(r"//[^/@]*@", "//", self.address.rstrip("/"))

    def _clean(self, text: str) -> str:
        """The text on one line, without the key, of at most 300 characters."""
        text = text.replace(self.key, "***") if self.key else text
        text = re.sub(r"\bsk-[\w*-]{4,}", "***", " ".join(text.split()))
        return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def _is_overlong(response: httpx.Response) -> bool:
    return response.status_code in _REFUSALS and bool(_OVERLONG.search(_said(response)))


def _said(response: httpx.Response) -> str:
    """The service's own message: from its JSON where that can be found, else its text."""
    try:
        body = response.json()
        said = body.get("error", body.get("detail", body))
        return str(said.get("message", said) if isinstance(said, dict) else said)
    except (ValueError, AttributeError):
        return response.text


def _seconds(header: str | None) -> float:
    try:
        return float(header or 0)
    except ValueError:  # a date
        return 0.0
