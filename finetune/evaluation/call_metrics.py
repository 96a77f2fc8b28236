"""Whether a model called the right tools with the right arguments.

Names and all arguments must agree: numbers by value, texts folded (case, white space, quotes and a full stop at the
end), lists in order, and each in its own type: "25" is not 25. Several calls are compared without order. So does the
syntax-tree match of function-calling leaderboards; F. Yan et al., "Berkeley Function Calling Leaderboard", 2024.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from finetune.schema import ToolSchema

Call = Mapping[str, Any]

LEFT_OUT = ""  # among the values that an argument may have: it may be left out
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def call_scores(
    calls: Sequence[Call], acceptable: Sequence[Sequence[Call]], tools: Sequence[ToolSchema]
) -> dict[str, float]:
    """`tool_choice`, `arguments` and `call_exact` of the calls against the acceptable list that is nearest.

    `arguments` is the share of right arguments among all that were wanted or given; 0 where the tools are wrong.
    """
    defaults = _defaults(tools)
    best = (0.0, 0.0, 0.0)
    for wanted in acceptable:
        chosen = Counter(call["name"] for call in calls) == Counter(call["name"] for call in wanted)
        exact = chosen and _pairing(calls, wanted, defaults)
        share = (1.0 if exact else _argument_share(calls, wanted, defaults)) if chosen else 0.0
        best = max(best, (float(chosen), float(exact), share))
    return {"tool_choice": best[0], "arguments": best[2], "call_exact": best[1]}


def invalid(calls: Sequence[Call], tools: Sequence[ToolSchema]) -> bool:
    """Whether a call names no tool there is, lacks an argument that is required, or has one of a wrong type."""
    known = {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in tools}
    return any(call["name"] not in known or not _fits(call["arguments"], known[call["name"]]) for call in calls)


def same_value(given: Any, wanted: Any) -> bool:
    """Whether an argument has the value that is wanted, or one of `{"any": […]}`."""
    if (options := _options(wanted)) is not None:
        return any(same_value(given, option) for option in options)
    if isinstance(wanted, bool) or wanted is None:
        return given is wanted
    if isinstance(wanted, int | float):
        number = isinstance(given, int | float) and not isinstance(given, bool)
        return number and math.isclose(given, wanted, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(wanted, str):
        return isinstance(given, str) and folded(given) == folded(wanted)
    if isinstance(wanted, Mapping):
        return isinstance(given, Mapping) and same_arguments(given, wanted)
    in_order = isinstance(given, list) and len(given) == len(wanted)
    return in_order and all(same_value(one, other) for one, other in zip(given, wanted, strict=True))


def same_arguments(
    given: Mapping[str, Any], wanted: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> bool:
    """Whether all arguments agree; to leave one out, to give null and to give its default are the same.

    An empty text is a value like others, but for arguments that may be left out: `{"any": [..., ""]}`.
    """
    return not any(_wrong(name, given, wanted, defaults or {}) for name in {*given, *wanted})


def folded(text: str) -> str:
    """A text as it is compared."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(" \"'.“”‘’")


def _wrong(name: str, given: Mapping[str, Any], wanted: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    left_out = given.get(name) is None
    if name not in wanted:
        return not (left_out or (name in defaults and same_value(given[name], defaults[name])))
    if name in given and same_value(given[name], wanted[name]):
        return False
    if left_out and name in defaults and same_value(defaults[name], wanted[name]):
        return False
    return not ((left_out or given[name] == "") and LEFT_OUT in (_options(wanted[name]) or ()))


def _options(wanted: Any) -> list[Any] | None:
    alternatives = isinstance(wanted, Mapping) and set(wanted) == {"any"} and isinstance(wanted["any"], list | tuple)
    return list(wanted["any"]) if alternatives else None


def _pairing(calls: Sequence[Call], wanted: Sequence[Call], defaults: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether each call can be paired with one that is wanted, by augmenting paths (Kuhn 1955)."""
    fits = [
        [
            place
            for place, call in enumerate(calls)
            if call["name"] == one["name"]
            and same_arguments(call["arguments"], one["arguments"], defaults.get(call["name"]))
        ]
        for one in wanted
    ]
    taken: dict[int, int] = {}

    def place_for(number: int, tried: set[int]) -> bool:
        for place in fits[number]:
            if place in tried:
                continue
            tried.add(place)
            if place not in taken or place_for(taken[place], tried):
                taken[place] = number
                return True
        return False

    return len(calls) == len(wanted) and all(place_for(number, set()) for number in range(len(wanted)))


def _argument_share(calls: Sequence[Call], wanted: Sequence[Call], defaults: Mapping[str, Mapping[str, Any]]) -> float:
    """Right arguments among all wanted or given, each call beside the one of its name that is most alike."""
    left = list(calls)
    right = whole = 0
    for one in wanted:
        own = defaults.get(one["name"], {})

        def wrong(call: Call, one: Call = one, own: Mapping[str, Any] = own) -> int:
            names = {*call["arguments"], *one["arguments"]}
            return sum(_wrong(name, call["arguments"], one["arguments"], own) for name in names)

        nearest = min((call for call in left if call["name"] == one["name"]), key=wrong)
        left.remove(nearest)
        names = {*nearest["arguments"], *one["arguments"]}
        whole += len(names)
        right += len(names) - wrong(nearest)
    return right / whole if whole else 1.0


def _defaults(tools: Sequence[ToolSchema]) -> dict[str, dict[str, Any]]:
    functions = [tool["function"] for tool in tools]
    return {
        function["name"]: {
            name: schema["default"]
            for name, schema in (function.get("parameters") or {}).get("properties", {}).items()
            if "default" in schema
        }
        for function in functions
    }


def _fits(arguments: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    properties = parameters.get("properties", {})
    present = all(name in arguments for name in parameters.get("required", ()))
    return present and all(_has_type(value, properties.get(name, {})) for name, value in arguments.items())


def _has_type(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value has the type, and is among the values, that its schema names; all else is not looked at."""
    if "enum" in schema and value not in schema["enum"]:
        return False
    named = schema.get("type", ())
    allowed = [kind for name in ([named] if isinstance(named, str) else named) for kind in _TYPES.get(name, (object,))]
    if isinstance(value, bool):
        return not allowed or bool in allowed or object in allowed
    return not allowed or isinstance(value, tuple(allowed))
