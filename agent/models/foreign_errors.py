"""The seam between other libraries' exceptions and ours: the one place that translates them.

The `openai` and `ollama` packages, and the two generations of httpx below them, each have an error tree.
Classes are recognised by name along their inheritance, so that nothing has to be imported to tell them
apart. The server's own words are passed on, shortened and with the API key cut out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agent.errors import ContextOverflow, MissingKey, ModelError, ModelNotFound, ModelTimeout, ServerUnreachable
from knowledge.errors import RatchetError

_LONGEST_QUOTE = 300
# How servers say that a prompt is too long: OpenAI, llama-server, vLLM, LiteLLM, Ollama.
_OVERFLOW = re.compile(
    r"context_length_exceeded|exceed_context_size_error|exceeds? the (available )?context (size|length|window)"
    r"|maximum (context|model) length|max_model_len|prompt is too long|context ?window ?exceeded"
    r"|input tokens exceed|longer than the (maximum )?(context|model)",
    re.IGNORECASE,
)
_CONNECT = {"ConnectError", "ConnectTimeout", "ConnectionError", "ProxyError", "UnsupportedProtocol"}
_TIMEOUT = {"APITimeoutError", "TimeoutException", "StreamChunkTimeoutError", "TimeoutError"}
_BROKEN = {"RemoteProtocolError", "ReadError", "WriteError", "StreamError"}
_UNREADABLE = {"JSONDecodeError", "APIResponseValidationError", "DecodingError", "ValidationError"}


@dataclass(frozen=True)
class Endpoint:
    """Where a model is asked, with what its errors need to say.

    Attributes:
        spec: the model as the user names it, "openai:gpt-5-mini".
        address: of the server, without credentials.
        start: how to get the server running, a sentence.
        get: how to get the model, a sentence.
        timeout: seconds without a token.
        key: the API key, cut out of every message; empty for none.
    """

    spec: str
    address: str
    start: str
    get: str
    timeout: float
    key: str = ""

    def clean(self, text: str) -> str:
        """The text on one line, without the key, of at most 300 characters."""
        text = text.replace(self.key, "***") if self.key else text
        text = re.sub(r"\bsk-[\w*-]{4,}", "***", " ".join(text.split()))
        return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


@contextmanager
def mapped(endpoint: Endpoint) -> Iterator[None]:
    """Turn what the libraries raise inside the block into `ModelError`s; pass everything else on.

    The foreign exception is not chained: it carries the request, whose headers hold the key.

    Raises:
        ModelError: the subclass that says what went wrong, and what to do.
    """
    try:
        yield
    except RatchetError:
        raise
    except Exception as error:
        ours = translate(error, endpoint)
        if ours is None:
            raise
        raise ours from None


def translate(error: Exception, endpoint: Endpoint) -> ModelError | None:
    """The error of ours that says the same, or None for one that is no failure of the model or its server."""
    names = {kind.__name__ for kind in type(error).__mro__}
    causes = set(_causes(error))
    said = _said(error)
    if _OVERFLOW.search(said):
        return overflow(endpoint, endpoint.clean(said))
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        return _of_status(status, endpoint, said)
    if (names | causes) & _CONNECT:
        return ServerUnreachable(f"Nothing answers at {endpoint.address}.", fix=endpoint.start)
    if names & _TIMEOUT:
        return timed_out(endpoint)
    if (names | causes) & _BROKEN or "APIConnectionError" in names:
        return broken_off(endpoint)
    if "LengthFinishReasonError" in names:
        return cut_short(endpoint)
    if names & _UNREADABLE:
        return unreadable(endpoint)
    if names & {"OpenAIError", "ResponseError", "RequestError", "HTTPError"}:
        return _refused(endpoint, said)
    return None


def timed_out(endpoint: Endpoint) -> ModelTimeout:
    """No token came within the time limit."""
    return ModelTimeout(
        f"{endpoint.spec} gave no answer within {endpoint.timeout:g} seconds.",
        fix="Ask again, or allow more time with RATCHET_MODEL__TIMEOUT=SECONDS.",
    )


def broken_off(endpoint: Endpoint) -> ModelError:
    """The connection ended before the answer did."""
    return ModelError(
        f"The answer of {endpoint.spec} broke off: {endpoint.address} closed the connection.",
        fix="Ask again; if it happens again, look at the server's log.",
    )


def unreadable(endpoint: Endpoint) -> ModelError:
    """The server answered with something else than its protocol prescribes."""
    return ModelError(
        f"{endpoint.address} answered {endpoint.spec} with something that cannot be read as a chat answer.",
        fix="Check that the address is that of the API (often it ends in /v1), not of a web page or a proxy.",
    )


def cut_short(endpoint: Endpoint) -> ModelError:
    """A structured answer was not finished when its tokens were used up."""
    return ModelError(
        f"{endpoint.spec} used all its answer tokens before the structured answer was complete.",
        fix="Allow more with RATCHET_MODEL__MAX_TOKENS=NUMBER.",
    )


def overflow(endpoint: Endpoint, detail: str = "") -> ContextOverflow:
    """The prompt does not fit."""
    said = f" ({detail.rstrip('.')})" if detail else ""
    return ContextOverflow(
        f"The prompt does not fit the context of {endpoint.spec}{said}.",
        fix="Set RATCHET_MODEL__CONTEXT_TOKENS to what the server offers, shorten the question, or start a new thread.",
    )


def _of_status(status: int, endpoint: Endpoint, said: str) -> ModelError:
    said = endpoint.clean(said)
    if status in (401, 403):
        return MissingKey(
            f"{endpoint.address} does not accept the API key for {endpoint.spec} (HTTP {status}).",
            fix="Set OPENAI_API_KEY or RATCHET_MODEL__API_KEY to a valid key.",
        )
    if status == 404:
        return ModelNotFound(f"{endpoint.address} has no model for {endpoint.spec}: {said}", fix=endpoint.get)
    if status in (408, 504):
        return timed_out(endpoint)
    if status == 429:
        return ModelError(
            f"{endpoint.address} refuses more requests for now (HTTP 429): {said}",
            fix="Wait a minute and ask again, or check the account's quota.",
        )
    if status >= 500:
        return ModelError(
            f"{endpoint.address} failed while answering {endpoint.spec} (HTTP {status}): {said}",
            fix="Ask again; if it happens again, look at the server's log.",
        )
    return _refused(endpoint, said)


def _refused(endpoint: Endpoint, said: str) -> ModelError:
    return ModelError(
        f"{endpoint.address} refused the request to {endpoint.spec}: {endpoint.clean(said)}",
        fix="Run `ratchet config` and check the model's settings against what the server supports.",
    )


def _causes(error: BaseException) -> Iterator[str]:
    """Class names, with those of their bases, of everything this error was raised from."""
    while error.__cause__ is not None:
        error = error.__cause__
        yield from (kind.__name__ for kind in type(error).__mro__)


def _said(error: Exception) -> str:
    """The server's own message: from the parsed body, else from the text of the error."""
    body: Any = getattr(error, "body", None)
    text = str(getattr(error, "error", None) or getattr(error, "message", None) or error)
    if body is None and text.startswith("{"):
        try:
            body = json.loads(text)
        except ValueError:
            return text
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            return " ".join(str(inner[key]) for key in ("message", "type", "code") if inner.get(key)) or text
        return str(inner)
    return text
