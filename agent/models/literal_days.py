"""The days in the arguments of a small model's calls: in the form that is asked for, and none that nobody gave."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from agent.models.argument_schema import not_null, texts_within
from agent.models.said import Said
from agent.models.text_values import days_in, is_day, plain

_FORM = re.compile(r"\b(?:YYYY([-/.])MM\1DD|DD([-/.])MM\2YYYY|MM([-/.])DD\3YYYY)\b(?![ T]*HH)", re.IGNORECASE)
_IN_PART = re.compile(r"\d{4}[-/.]\d")  # a month, which may be asked for as well
_ISO = "YYYY-MM-DD"
_OF_ANOTHER = re.compile(r"\b(?:born|birth\w*|not on|no later than|until|till|by|before|after|since|except)\b")
_FORMS = [form.replace("-", sign) for form in ("DD-MM-YYYY", "MM-DD-YYYY", _ISO) for sign in "-/."]


def write_days(arguments: dict[str, Any], schema: Mapping[str, Any], said: Said) -> None:
    """Every day in the form that its argument asks for.

    One that nobody named becomes the one that was, where it is the only one that was and that is asked for. What may be
    left out is where its digits make no day, or where it repeats the one day that was said.

    Args:
        arguments: of a call, by name; changed in place.
        schema: JSON Schema of them all.
        said: everything that was said.
    """
    known = (schema.get("properties") or {}).items()
    forms = {name: form for name, argument in known if (form := form_of_days(argument))}
    optional = forms.keys() - {*(schema.get("required") or ())}
    lone = (
        said.dates[0] if len(forms) == len(said.dates) == len(said.parts_of_days) == 1 and not said.tells_days else None
    )
    for name, form in forms.items():
        value = arguments.get(name)
        if not isinstance(value, str):
            continue
        if not is_day(plain(value)):
            bare = re.search(r"\d", value) and not re.search(r"[^\W\d_]", value)
            if name in optional and bare and not _IN_PART.match(value) and not any(days_in(plain(value))):
                del arguments[name]
            continue
        own = _read(form, value) or next(iter(days_in(plain(value))), None)
        if lone and (own is None or (_alike(own, lone) and not said.holds_day(own))):
            own = lone
        if own:
            arguments[name] = _written(form, own)
    if len(said.parts_of_days) == 1 and not said.tells_days and not said.shares:
        _name_once(arguments, forms, optional)


def add_day(
    arguments: dict[str, Any], schema: Mapping[str, Any], asked: Said, elsewhere: Collection[Mapping[str, Any]] = ()
) -> None:
    """The one day that was said, and that no argument has, for the one argument that is left for a day.

    It was said beside something else that the call has, and not of another day ("born on", "until", "not on").

    Args:
        arguments: of a call, by name; changed in place.
        schema: JSON Schema of them all.
        asked: the request.
        elsewhere: the arguments of other calls: the day may stand there.
    """
    known = (schema.get("properties") or {}).items()
    left = {
        name: form
        for name, argument in known
        if name not in arguments and (form := form_of_days(argument)) and not_null(argument).get("type") == "string"
    }
    if len(left) != 1 or not len(asked.dates) == len(asked.parts_of_days) == 1:
        return
    name, form = left.popitem()
    taken = any(asked.dates[0] in _days_of(text) for text in texts_within([arguments, *elsewhere]))
    if not taken and not _OF_ANOTHER.search(plain(asked.text)) and asked.dates_near([*texts_within(arguments)]):
        arguments[name] = _written(form, asked.dates[0])


def form_of_days(argument: Any) -> str:
    """The form in which an argument wants a day, such as "DD/MM/YYYY"; empty where it says none.

    Args:
        argument: JSON Schema of it.
    """
    if not isinstance(argument, Mapping):
        return ""
    match = _FORM.search(str(argument.get("description") or ""))
    return match[0].upper() if match else _ISO if argument.get("format") == "date" else ""


def _name_once(arguments: dict[str, Any], forms: Mapping[str, str], optional: Collection[str]) -> None:
    """Of the arguments that have one day, those that may be left out go, the last ones first."""
    for name in [name for name in reversed(arguments) if name in optional]:
        if any(arguments[other] == arguments[name] for other in forms if other != name and other in arguments):
            del arguments[name]


def _days_of(text: str) -> list[date | None]:
    """The days that a text may mean, in whatever form."""
    return [*days_in(plain(text)), *(_read(form, text) for form in _FORMS)]


def _alike(one: date, other: date) -> bool:
    """Whether two days differ in one part at most, as a day does that was copied wrongly."""
    return (one.year == other.year) + (one.month == other.month) + (one.day == other.day) > 1


def _read(form: str, value: str) -> date | None:
    pattern = (
        re.escape(form).replace("YYYY", r"(?P<y>\d{4})").replace("MM", r"(?P<m>\d\d)").replace("DD", r"(?P<d>\d\d)")
    )
    match = re.fullmatch(pattern, value)
    try:
        return date(int(match["y"]), int(match["m"]), int(match["d"])) if match else None
    except ValueError:
        return None


def _written(form: str, day: date) -> str:
    return form.replace("YYYY", f"{day.year:04}").replace("MM", f"{day.month:02}").replace("DD", f"{day.day:02}")
