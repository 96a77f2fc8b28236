"""Several calls of one tool, whose numbers and words a small model mixes up: "8 and 14, and 21 and 6".

What was said in order belongs to the calls in order, where there is as much of it as they need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.models.argument_schema import lists_values, not_null, numeric_arguments
from agent.models.text_values import is_amount

_PAIR = 2


def share_numbers(calls: Sequence[dict[str, Any]], schema: Mapping[str, Any], numbers: Sequence[float]) -> None:
    """Give each call its own numbers where one has another's.

    Done where two numbers or more are said for each call and no other; one call has all of its own, which tells which
    is which.

    Args:
        calls: the arguments of each; changed in place.
        schema: JSON Schema of the arguments.
        numbers: those that were said, in order.
    """
    known = numeric_arguments(schema)
    names = [name for name in known if all(is_amount(call.get(name)) for call in calls)]
    size = len(names)
    if size < _PAIR or len(numbers) != size * len(calls) or len(set(numbers)) < len(numbers):
        return
    own = [numbers[at * size : (at + 1) * size] for at in range(len(calls))]
    right = [at for at, call in enumerate(calls) if {call[name] for name in names} == {*own[at]}]
    if not right:
        return
    order = [own[right[0]].index(calls[right[0]][name]) for name in names]
    for at, call in enumerate(calls):
        strays = any(call[name] in numbers and call[name] not in own[at] for name in names)
        if at not in right and strays and not any({call[name] for name in names} == {*one} for one in own):
            for name, place in zip(names, order, strict=True):
                call[name] = int(own[at][place]) if own[at][place].is_integer() else own[at][place]


def share_words(
    calls: Sequence[dict[str, Any]], schema: Mapping[str, Any], said: Callable[[Sequence[Any]], list[str] | None]
) -> list[dict[str, Any]]:
    """The calls, one for each word of a list that was said, where they differ in one text and have it nearly so.

    Args:
        calls: the arguments of each.
        schema: JSON Schema of the arguments.
        said: the list of which another is a copy (`agent.models.text_lists.said_list`).
    """
    differing = [name for name in calls[0] if any(call.get(name) != calls[0][name] for call in calls)]
    known = schema.get("properties") or {}
    argument = known.get(differing[0]) if len(differing) == 1 else None
    if not isinstance(argument, Mapping) or not_null(argument).get("type") != "string" or lists_values(argument):
        return list(calls)
    if any(call.keys() != calls[0].keys() for call in calls):
        return list(calls)
    words = said([call[differing[0]] for call in calls])
    return [{**calls[0], differing[0]: word} for word in words] if words else list(calls)
