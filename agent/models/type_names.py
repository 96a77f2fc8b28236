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
    **dict.fromkeys("number float double decimal real float32 float64".split(), "number"),
    **dict.fromkeys("integer int long short bigint int8 int16 int32 int64".split(), "integer"),
    **dict.fromkeys("uint uint8 uint16 uint32 uint64".split(), "integer"),
    **dict.fromkeys("boolean bool".split(), "boolean"),
    **dict.fromkeys("null none nil nonetype".split(), "null"),
}
_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_OF = re.compile(r"([\w.]+)\s*[\[<(]\s*(.*\S)\s*[\])>]")  # list[int], List<String>, array(float), Optional[int]
_DEEPEST = 8  # types within types


def standard(schema: Any) -> Any:
    """The same schema with JSON Schema's names of types, and a list of what is required (draft 2020-12).

    A type that is not understood stays as it is; a `required` that is neither a list nor told above is left out.

    Args:
        schema: of arguments, or of one of them.
    """
    if not isinstance(schema, Mapping):
        return schema
    found = {key: value for key, value in schema.items() if key != "type"} | _type(schema)
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
        return {"type": kind} if "type" in schema else {}
    told = _read(kind) or {"type": kind}
    return {**told, "items": schema["items"]} if "items" in told and "items" in schema else told


def _read(kind: str, depth: int = 0) -> dict[str, Any]:
    """What the name of a type says: "list[int]", "int | None", "Optional[str]", "int[]", "dict[str, int]"."""
    kind = kind.strip()
    if named := _NAMES.get(kind.lower()):
        return {"type": named}
    if depth == _DEEPEST:
        return {}
    if kind.endswith("[]"):
        return {"type": "array", "items": _read(kind[:-2], depth + 1)}
    if len(parts := _split(kind, "|")) > 1:
        return _any_of([_read(part, depth + 1) for part in parts])
    if not (of := _OF.fullmatch(kind)):
        return {}
    outer, inner = of[1].lower().rpartition(".")[2], _split(of[2], ",")
    if outer in ("optional", "union"):
        return _any_of([*(_read(part, depth + 1) for part in inner), *[{"type": "null"}] * (outer == "optional")])
    named = _NAMES.get(outer, "")
    if named != "array":
        return {"type": named} if named == "object" else {}
    items = [_read(part, depth + 1) for part in inner if part.strip() != "..."]
    return {"type": "array", "items": items[0] if all(one == items[0] for one in items) else {}}


def _split(text: str, sign: str) -> list[str]:
    """The parts of a type between signs that do not stand within brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[<(") - (letter in "])>")
        if letter == sign and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _any_of(kinds: list[dict[str, Any]]) -> dict[str, Any]:
    """One of several types; nothing where one of them is not understood."""
    if not all(kinds):
        return {}
    plain = all(kind.keys() == {"type"} for kind in kinds)
    return {"type": [kind["type"] for kind in kinds]} if plain else {"anyOf": kinds}


def _with_required(schema: Mapping[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    listed = schema.get("required")
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list | tuple) else []
    known = schema.get("properties")
    for name, inner in known.items() if isinstance(known, Mapping) else ():
        if isinstance(inner, Mapping) and inner.get("required") is True and name not in names:
            names.append(name)
    found.pop("required", None)
    return {**found, "required": names} if names or isinstance(listed, list | tuple) else found
