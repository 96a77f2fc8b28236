"""What is known of a call before it runs: whether it fits the tool, and what a person is shown of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import copy_context
from typing import Any

from agent.calls.running import bounded
from tools.spec import ToolSpec

PREVIEW_SECONDS = 10.0
LONGEST_PREVIEW = 20_000  # characters
NOT_GIVEN = "Not given, so the tool takes:"


def misfit(spec: ToolSpec, arguments: Mapping[str, Any]) -> str:
    """Why the arguments do not fit the tool's schema, so that nobody is asked about a call that cannot run.

    Names that the schema lacks are refused: a tool would ignore `dry_run=true`, but who approves the call would not.
    """
    from pydantic import BaseModel, ValidationError

    known, open_ended = _names(spec)
    if unknown := [name for name in arguments if name not in known and not open_ended]:
        return f"{spec.name}: there is no argument {unknown[0][:100]!r}; there are: {', '.join(known) or 'none'}."
    schema = spec.tool.args_schema
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return ""
    try:
        schema.model_validate(dict(arguments))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{spec.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}."
    return ""


def _schema(spec: ToolSpec) -> dict[str, Any]:
    from langchain_core.utils.function_calling import convert_to_openai_tool

    parameters = convert_to_openai_tool(spec.tool)["function"].get("parameters")
    return parameters if isinstance(parameters, dict) else {}


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def _names(spec: ToolSpec) -> tuple[list[str], bool]:
    """The names of the arguments that a model may give, and whether others are welcome."""
    schema = _schema(spec)
    names = list(_properties(schema))
    taking_any = spec.origin != "ratchet" and not names  # a server that does not say what it takes
    return names, bool(schema.get("additionalProperties")) or taking_any


def preview_of(spec: ToolSpec, arguments: Mapping[str, Any]) -> str:
    """What a person should see before approving: what the tool says it would do, and what it takes by default."""
    return "\n".join(filter(None, [_own(spec, arguments), *_defaults(spec, arguments)]))


def _own(spec: ToolSpec, arguments: Mapping[str, Any]) -> str:
    if spec.preview is None:
        return ""
    preview = spec.preview
    try:
        text = _in_time(lambda: str(preview(dict(arguments))))
    except Exception as error:  # a preview that fails must not hide the request, nor let the call pass unseen
        return f"{spec.name} could not show what it would do: {error}"
    return bounded(text, LONGEST_PREVIEW)


def _in_time(make: Callable[[], str]) -> str:
    """What `make` gives; a preview that hangs must not hang the turn.

    Raises:
        TimeoutError: it took too long, and is left alone.
    """
    made: list[str] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            made.append(make())
        except BaseException as error:  # raised again, in the thread that waits
            failed.append(error)

    worker = threading.Thread(target=copy_context().run, args=(work,), name="preview", daemon=True)
    worker.start()
    worker.join(PREVIEW_SECONDS)
    if failed:
        raise RuntimeError(str(failed[0]) or type(failed[0]).__name__) from failed[0]
    if not made:
        raise TimeoutError(f"it took more than {PREVIEW_SECONDS:g} seconds")
    return made[0]


def _defaults(spec: ToolSpec, arguments: Mapping[str, Any]) -> Iterator[str]:
    """The values that the tool takes for what is not given: they are a part of what is approved."""
    left = {
        name: about["default"]
        for name, about in _properties(_schema(spec)).items()
        if name not in arguments and isinstance(about, Mapping) and about.get("default") is not None
    }
    if left:
        yield NOT_GIVEN
        yield from (f"  {name} = {json.dumps(value, ensure_ascii=False, default=str)}" for name, value in left.items())
