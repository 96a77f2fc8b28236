"""Schemas of tools whose types have the names that a programming language or another interface gives them.

Many tools are described by hand, with "dict" and "float", "str" or "STRING", for which JSON Schema has "object",
"number" and "string"; and with `"required": true` at the argument itself, as the third draft of JSON Schema had it.
A name that is not understood cannot be enforced, so the model could write anything there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAMES: Mapping[str, str] = {
    **dict.fromkeys("object dict dictionary hashmap map mapping record struct".split(), "object"),
    **dict.fromkeys("array list tuple set arraylist sequence vector".split(), "array"),
    **dict.fromkeys("string str text char character varchar".split(), "string"),
    **dict.fromkeys("number float double decimal real".split(), "number"),
    **dict.fromkeys("integer int long short bigint".split(), "integer"),
    **dict.fromkeys("boolean bool".split(), "boolean"),
    **dict.fromkeys("null none nil nonetype".split(), "null"),
}
_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_OF = re.compile(r"(\w+)\s*[\[<(]\s*(\w+)\s*[\])>]")  # list[int], List<String>, array(float)


def standard(schema: Any) -> Any:
    """The same schema with JSON Schema's names of types, and a list of what is required (draft 2020-12).

    What is understood neither way stays as it is.

    Args:
        schema: of arguments, or of one of them.
    """
    if not isinstance(schema, Mapping):
        return schema
    found = {**schema, **_type(schema)}
    for key in _MAPS:
        if isinstance(schema.get(key), Mapping):
            found[key] = {name: standard(inner) for name, inner in schema[key].items()}
    for key in _LISTS:
        if isinstance(schema.get(key), list | tuple):
            found[key] = [standard(inner) for inner in schema[key]]
    for key in ("items", "additionalProperties"):
        if key in found:
            found[key] = standard(found[key])
    return _with_required(schema, found)


def _type(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that say of which type something is, where they can be said in JSON Schema's words."""
    kind = schema.get("type")
    if isinstance(kind, list | tuple):
        return {"type": [_NAMES.get(str(one).lower(), one) for one in kind]}
    if not isinstance(kind, str):
        return {}
    if (of := _OF.fullmatch(kind.strip())) and _NAMES.get(of[1].lower()) == "array":
        inner = {"type": _NAMES[of[2].lower()]} if of[2].lower() in _NAMES else {}
        return {"type": "array", "items": schema.get("items", inner)}
    return {"type": _NAMES.get(kind.strip().lower(), kind)}


def _with_required(schema: Mapping[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    listed = schema.get("required")
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list | tuple) else []
    known = schema.get("properties")
    for name, inner in known.items() if isinstance(known, Mapping) else ():
        if isinstance(inner, Mapping) and inner.get("required") is True and name not in names:
            names.append(name)
    found.pop("required", None)
    return {**found, "required": names} if names or isinstance(listed, list | tuple) else found
