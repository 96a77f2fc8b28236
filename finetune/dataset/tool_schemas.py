"""Tools and calls as other projects write them → OpenAI's form, with names that a model can write."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Schema = dict[str, Any]

_NAME = re.compile(r"[^A-Za-z0-9_-]+")
# Python's and others' names of JSON Schema's types.
_TYPES = {
    "dict": "object",
    "float": "number",
    "double": "number",
    "int": "integer",
    "long": "integer",
    "list": "array",
    "tuple": "array",
    "str": "string",
    "bool": "boolean",
}


class Unusable(ValueError):
    """A record that is well formed but that nothing can be learned from; its text is the reason, for counting."""


def tool_name(name: str) -> str:
    """A name of letters, digits, "_" and "-", at most 64, as OpenAI's API demands of a function."""
    return _NAME.sub("_", name).strip("_")[:64]


def tool_schemas(given: Any) -> tuple[Schema, ...]:
    """Tools in OpenAI's form, from a list or its JSON; each with or without the wrapper `{"type": "function"}`.

    Raises:
        Unusable: it is no list of tools.
    """
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else []
        except (ValueError, RecursionError) as error:
            raise Unusable("the tools are not JSON") from error
    if not isinstance(given, list):
        raise Unusable("the tools are no list")
    return tuple(_schema(one) for one in given)


def _schema(given: Any) -> Schema:
    function = given.get("function", given) if isinstance(given, Mapping) else None
    if not isinstance(function, Mapping) or not tool_name(str(function.get("name") or "")):
        raise Unusable("a tool has no name")
    parameters = _typed(function.get("parameters") or {})
    parameters = {"type": "object", "properties": {}, **parameters} if isinstance(parameters, dict) else {}
    if not isinstance(parameters.get("properties"), dict):
        raise Unusable("a tool's parameters are no schema")
    name, description = tool_name(str(function["name"])), str(function.get("description") or "")
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def _typed(value: Any, *, names: bool = False) -> Any:
    """A schema with JSON Schema's own types; `names`: the keys are names of arguments, not words of a schema."""
    if isinstance(value, list):
        return [_typed(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    plain = {key: _typed(one, names=key == "properties" and not names) for key, one in value.items()}
    kind = plain.get("type")
    if not names and isinstance(kind, str):
        if kind.lower() in ("any", ""):
            del plain["type"]
        else:
            plain["type"] = _TYPES.get(kind.lower(), kind.lower())
    return plain


def tools_in(system: str) -> tuple[Schema, ...]:
    """The tools that a system message lists as a JSON array of functions; empty when it lists none."""
    at = system.find("[{")
    while at >= 0:
        try:
            return tool_schemas(json.JSONDecoder().raw_decode(system, at)[0])
        except (ValueError, RecursionError):  # another list, or nested without end
            at = system.find("[{", at + 1)
    return ()


def tool_calls(given: Any, tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Calls as `{"name", "arguments"}`, arguments as an object in the order of the tool's schema.

    Args:
        given: one call or a list of them, or its JSON; OpenAI's form (`function.arguments` a JSON string) or plain.
        tools: in OpenAI's form; a call of another tool is not usable.

    Raises:
        Unusable: it is no call, or one of a tool that is not offered.
    """
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise Unusable("a tool call is not JSON") from error
    return [_call(one, tools) for one in (given if isinstance(given, list) else [given])]


def _call(given: Any, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    call = given.get("function", given) if isinstance(given, Mapping) else None
    arguments = call.get("arguments", call.get("parameters", {})) if isinstance(call, Mapping) else None
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            raise Unusable("a tool call's arguments are not JSON") from error
    if not isinstance(call, Mapping) or not isinstance(arguments, Mapping) or not call.get("name"):
        raise Unusable("a tool call has no name or no arguments")
    function = _called(str(call["name"]), arguments, tools)
    return {"name": function["name"], "arguments": in_order(arguments, function)}


def _called(name: str, arguments: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The tool of that name; else the only one whose name ends so and that knows all the arguments."""
    functions: list[Mapping[str, Any]] = [tool["function"] for tool in tools]
    plain = tool_name(name)
    exact = [function for function in functions if function["name"] == plain]
    alike = [
        function
        for function in functions
        if function["name"].endswith(f"_{plain}") and arguments.keys() <= function["parameters"]["properties"].keys()
    ]
    found = exact[:1] or alike
    if len(found) != 1:
        raise Unusable("a call of a tool that is not offered")
    return found[0]


def in_order(arguments: Mapping[str, Any], function: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments in the order in which the tool's schema names them; others follow."""
    order = [name for name in function["parameters"]["properties"] if name in arguments]
    return {name: arguments[name] for name in [*order, *(name for name in arguments if name not in order)]}
