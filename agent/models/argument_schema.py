"""What the JSON Schema of a tool's arguments says of one of them. Source: JSON Schema 2020-12.

A schema comes from whoever wrote the tool, so that little in it can be relied on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_COMPOSED = ("$ref", "anyOf", "oneOf", "allOf")
_NUMERIC = ("integer", "number")


def is_composed(schema: Mapping[str, Any]) -> bool:
    """Whether a schema of arguments is put together from others, so that it does not itself say what is required."""
    return not schema.keys().isdisjoint(_COMPOSED)


def lists_values(argument: Mapping[str, Any]) -> bool:
    """Whether the schema of an argument names the values there are."""
    inner = [one for key in ("anyOf", "oneOf", "allOf") for one in members(argument.get(key))]
    return bool(argument.get("enum")) or any(isinstance(one, Mapping) and lists_values(one) for one in inner)


def not_null(argument: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of what an argument is where it is not null."""
    kinds = argument.get("type")
    if isinstance(kinds, list):
        left = [kind for kind in kinds if kind != "null"]
        return {**argument, "type": left[0] if len(left) == 1 else left}
    for key in ("anyOf", "oneOf"):
        several = [one for one in members(argument.get(key)) if one != {"type": "null"}]
        if len(several) == 1 and isinstance(several[0], Mapping):
            return dict(several[0])
    return argument


def numeric_arguments(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The schemas of the arguments that are one number, by name."""
    known = {name: not_null(one) for name, one in (schema.get("properties") or {}).items() if isinstance(one, Mapping)}
    return {name: one for name, one in known.items() if one.get("type") in _NUMERIC}


def texts_within(value: Any) -> Iterator[str]:
    """All texts within a value, but for names."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from texts_within(item)


def members(value: Any) -> Sequence[Any]:
    """A list in a schema; none where something else stands."""
    return value if isinstance(value, list | tuple) else ()
