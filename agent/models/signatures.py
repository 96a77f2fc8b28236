"""A tool in one line, as a local model reads it: what it does, and what its arguments are.

    get_forecast: Weather forecast for a city. (city: string, name of the city; days?: integer, 1-16; unit?: "C" | "F")

A JSON Schema says the same in more than twice as many tokens, which a small model reads slowly and loses itself in.
Adapters are trained on lines of exactly this form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

LONGEST_TOOL = 320  # characters of a tool's description; what is longer ends with its last whole sentence, or "…"
LONGEST_ARGUMENT = 120
LONGEST_CHOICES = 240  # characters of an enumeration
_DEEPEST = 6  # levels of what lies within something else that are spelled out


def signature(name: str, description: str, parameters: Mapping[str, Any]) -> str:
    """The line of a tool.

    Args:
        name: of the tool.
        description: what it does.
        parameters: the JSON Schema of its arguments.
    """
    told = f"{name}: {_shortened(description, LONGEST_TOOL)}".rstrip()
    arguments = _arguments(parameters, parameters, 0)
    return f"{told} ({arguments})" if arguments else told


def _arguments(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> str:
    required = schema.get("required") or ()
    properties = schema.get("properties") or {}
    return "; ".join(_argument(name, inner, name in required, root, depth) for name, inner in properties.items())


def _argument(name: str, schema: Any, required: bool, root: Mapping[str, Any], depth: int) -> str:
    schema = schema if isinstance(schema, Mapping) else {}
    told = f"{name}{'' if required else '?'}: {_kind(schema, root, depth)}"
    said = _shortened(str(schema.get("description") or ""), LONGEST_ARGUMENT).rstrip(".")
    if (default := schema.get("default")) not in (None, "") and "default" not in said.lower():
        said = f"{said}; default {default}" if said else f"default {default}"
    return f"{told}, {said}" if said else told


def _kind(schema: Any, root: Mapping[str, Any], depth: int) -> str:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return "any"
    if "$ref" in schema:
        return _kind(_resolved(str(schema["$ref"]), root), root, depth + 1)
    if "const" in schema:
        return _written(schema["const"])
    if schema.get("enum"):
        return _choices(schema["enum"])
    if several := schema.get("anyOf") or schema.get("oneOf"):
        kinds = [_kind(one, root, depth + 1) for one in several if one != {"type": "null"}]
        return " | ".join(dict.fromkeys(kinds))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(str(one) for one in kind if one != "null")
    if kind == "array":
        return f"[{_kind(schema.get('items'), root, depth + 1)}]"
    if kind == "object" and schema.get("properties") and depth < _DEEPEST:
        return f"{{{_arguments(schema, root, depth + 1)}}}"
    return str(kind or "any")


def _resolved(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What "#/$defs/Name" points to; nothing where it points nowhere, or in a circle."""
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) and "$ref" not in found else {}


def _choices(values: Any) -> str:
    told = ""
    for value in values:
        piece = f"{' | ' if told else ''}{_written(value)}"
        if len(told) + len(piece) > LONGEST_CHOICES:
            return f"{told} | …"
        told += piece
    return told


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shortened(text: str, limit: int) -> str:
    """The text on one line; where it is too long, whole sentences of it, else whole words and "…"."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)", text[: limit + 1])]
    if ends and ends[-1] > limit // 3:
        return text[: ends[-1]]
    return text[:limit].rsplit(" ", 1)[0].rstrip(",;:") + "…"
