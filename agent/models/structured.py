"""Structured output of remote models: the server is held to a JSON Schema, and what comes back is still checked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agent.errors import ModelError
from agent.models.foreign_errors import Endpoint, cut_short

if TYPE_CHECKING:
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable


def structured(
    asked: Runnable[LanguageModelInput, AIMessage], schema: Any, endpoint: Endpoint, *, include_raw: bool
) -> Runnable[LanguageModelInput, Any]:
    """Parse the answers of a model that was bound to a schema.

    Args:
        asked: the model, bound.
        schema: a pydantic class (answers become instances), else anything LangChain reads as a schema
            (answers become dicts).
        endpoint: the model, for error messages.
        include_raw: give a dict of `raw`, `parsed` and `parsing_error` and raise no `ModelError` of parsing.
    """
    from langchain_core.runnables import RunnableLambda

    def parsed(message: AIMessage) -> Any:
        return _parse(message, schema, endpoint)

    def with_raw(message: AIMessage) -> dict[str, Any]:
        try:
            return {"raw": message, "parsed": parsed(message), "parsing_error": None}
        except ModelError as error:
            return {"raw": message, "parsed": None, "parsing_error": error}

    return asked | RunnableLambda(with_raw if include_raw else parsed)


def _parse(message: AIMessage, schema: Any, endpoint: Endpoint) -> Any:
    ended = message.response_metadata
    if "length" in (ended.get("finish_reason"), ended.get("done_reason")):
        raise cut_short(endpoint)
    try:
        value = json.loads(message.text)
        return schema.model_validate(value) if hasattr(schema, "model_validate") else value
    except ValueError as error:  # both of json and of pydantic
        raise ModelError(
            f"{endpoint.spec} did not keep to the schema it was asked to answer in.",
            fix="Ask again, simplify the schema, or use a server that enforces `response_format`.",
        ) from error
