"""JSON Schemas cut down to what llama.cpp's constrained decoding can enforce.

A schema that its grammar engine (llguidance) does not understand is not refused: the model is then left
unconstrained, without a word. So only keywords known to be enforced are passed on, everything else is
dropped, and `agent.models.tool_calls` still checks every outcome. Source: JSON Schema 2020-12.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_FORMATS = frozenset("date-time date time duration email hostname ipv4 ipv6 uuid uri".split())
_PLAIN = frozenset(
    {"enum", "const", "$ref", "required", "minItems", "maxItems", "minLength", "maxLength"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)
_LISTS = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf", "prefixItems": "prefixItems"}
_MAPS = ("properties", "$defs", "definitions")
# Look-around, back-references and word boundaries cannot be turned into an automaton.
_UNSUPPORTED_PATTERN = re.compile(r"\(\?(?!:)|\\[bBAZzpP1-9]")
# Natural spacing and nothing else: a model that may choose its white space wastes tokens on it.
_LAYOUT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": True}


def enforceable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same schema with only what can be enforced; objects with named properties become closed."""
    return {"x-guidance": _LAYOUT, **_reduce(schema)}


def only_value(schema: Mapping[str, Any]) -> tuple[bool, Any]:
    """Whether the schema admits exactly one value, and that value.

    Only shapes that small pickers produce are recognized: constants, one-element enumerations, and
    objects whose properties are all required and determined.
    """
    if "const" in schema:
        return True, schema["const"]
    if len(schema.get("enum", ())) == 1:
        return True, schema["enum"][0]
    if schema.get("type") != "object" or schema.get("additionalProperties") is not False:
        return False, None
    properties = schema.get("properties", {})
    if set(properties) != set(schema.get("required", ())):
        return False, None
    values = {name: only_value(inner) for name, inner in properties.items()}
    if not all(determined for determined, _ in values.values()):
        return False, None
    return True, {name: value for name, (_, value) in values.items()}


def _reduce(schema: Any) -> Any:
    if not isinstance(schema, Mapping):  # `true` and `false` are schemas, too
        return {} if schema is not False else False
    reduced: dict[str, Any] = {key: value for key, value in schema.items() if key in _PLAIN}
    if kept := _types(schema.get("type")):
        reduced["type"] = kept
    for key in _MAPS:
        if isinstance(schema.get(key), Mapping):
            reduced[key] = {name: _reduce(inner) for name, inner in schema[key].items()}
    for key, target in _LISTS.items():
        if schema.get(key):
            reduced[target] = [_reduce(inner) for inner in schema[key]]
    if "items" in schema:
        reduced["items"] = _reduce(schema["items"])
    if schema.get("format") in _FORMATS:
        reduced["format"] = schema["format"]
    elif not _UNSUPPORTED_PATTERN.search(str(schema.get("pattern", "(?!"))):
        reduced["pattern"] = schema["pattern"]
    return _close(schema, reduced)


def _types(kind: Any) -> str | list[str] | None:
    if isinstance(kind, list):
        return [name for name in kind if name in _TYPES] or None
    return kind if kind in _TYPES else None


def _close(schema: Mapping[str, Any], reduced: dict[str, Any]) -> dict[str, Any]:
    """Forbid unnamed properties unless the schema describes them; require only named ones."""
    extra = schema.get("additionalProperties")
    if isinstance(extra, Mapping) and extra:
        reduced["additionalProperties"] = _reduce(extra)
    elif "properties" in reduced or extra is False:
        reduced.setdefault("properties", {})
        reduced["additionalProperties"] = False
    if "required" in reduced and "properties" in reduced:
        reduced["required"] = [name for name in reduced["required"] if name in reduced["properties"]]
    return reduced
