"""The current date and time, here or in a named time zone."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from tools.spec import ToolSpec

if TYPE_CHECKING:
    from tools.resources import Resources


# Only where nothing else is named: not "the time limit", "the date of the release", "supported right now".
_NAME = r"(?:current\s+)?(?:time|date|day|year|month|hour)"
_END = r"(?=\s*(?:[?.!,;]|$|\b(?:is\s+it|right|now|today|in|at|here|currently|please|and)\b))"
_ASKS = re.compile(
    rf"\b(?:what(?:'s| is| are|s)?|tell me|give me|show me)\s+(?:the\s+|today'?s\s+)?{_NAME}{_END}"
    rf"|\bwhat\s+{_NAME}\s+is\s+(?:it|today|now)\b|\btime\s+is\s+it\b"
    rf"|^\s*(?:the\s+|today'?s\s+)?{_NAME}\s*(?:right\s+now|now|today|please)?{_END}",
    re.IGNORECASE,
)


@cache
def _zones_by_city() -> dict[str, str]:
    zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc"))
    return {zone.rsplit("/", 1)[1].replace("_", " ").lower(): zone for zone in zones}


def hints(question: str) -> dict[str, list[str]] | None:
    """The time zones of cities named in the question; None when it does not ask for the time."""
    if not _ASKS.search(question):
        return None
    words = f" {re.sub(r'[^a-z ]', ' ', question.lower())} "
    found = [zone for city, zone in _zones_by_city().items() if f" {city} " in words]
    return {"timezone": found[:3] or [""]}


def build(resources: Resources) -> list[ToolSpec]:
    """The clock as a LangChain tool."""
    from langchain_core.tools import ToolException, tool

    @tool
    def current_time(timezone: str = "") -> str:
        """Tell the current date and time; timezone is an IANA name such as "Asia/Tokyo", empty for here."""
        moment = resources.now()
        if timezone:
            if timezone not in available_timezones():
                raise ToolException(f'there is no time zone "{timezone}"; use an IANA name such as "Asia/Tokyo"')
            moment = moment.astimezone(ZoneInfo(timezone))
        return moment.strftime("%A, %d %B %Y, %H:%M ") + (timezone or moment.tzname() or "UTC")

    return [ToolSpec(current_time, "read", hints=hints)]
