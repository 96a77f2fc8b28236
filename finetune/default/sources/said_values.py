"""How a value of a call was said: "2019-03-04" as "next Monday", "17:30" as "5:30 pm"."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

from agent.models.text_values import MONTHS

_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTH = "|".join(f"{month}|{month[:3]}" for month in MONTHS)
_MONTH_DAY = re.compile(rf"(?i)\b({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?!:|\s*[ap]\.?m)")
_DAY_MONTH = re.compile(rf"(?i)\b(?:the )?(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\b")
_ORDINAL = re.compile(r"(?i)\b(?:the )?(\d{1,2})(?:st|nd|rd|th)\b(?: of this month)?")
_WEEKDAY = re.compile(rf"(?i)\b(?:next |this |coming )?({'|'.join(_DAYS)})(?: next week)?\b")
_NEAR = {"today": 0, "day after tomorrow": 2, "tomorrow": 1}
_CLOCK = re.compile(r"(?i)\b(\d{1,2})(?:[:.](\d\d))?\s*([ap])\.?\s?m\b\.?")
_PART = re.compile(
    r"(?i)\b(?:(half|quarter) (past|to) )?(\d{1,2})(?::(\d\d))?(?: o'?clock)? (?:in the )(morning|afternoon|evening)\b"
)
_PART_FIRST = re.compile(r"(?i)\b(morning|afternoon|evening) (?:at )?(\d{1,2})(?::(\d\d))?\b(?! ?[ap]\.?m)")
_PLAIN = re.compile(r"\b([01]?\d|2[0-3]):(\d\d)\b(?! ?[ap]\.?m)")


def said_date(value: str, text: str, today: datetime.date) -> str:
    """The words of the text that mean this date (YYYY-MM-DD), or nothing."""
    wanted = datetime.date.fromisoformat(value)
    return next((words for words, date in _dates(text, today) if date == wanted), "")


def said_time(value: str, text: str) -> str:
    """The words of the text that mean this time of day (HH:MM, 24 hours), or nothing."""
    hour, minute = map(int, value.split(":"))
    return next((words for words, time in _times(text) if time == (hour, minute)), "")


def _dates(text: str, today: datetime.date) -> Iterator[tuple[str, datetime.date | None]]:
    for match in _MONTH_DAY.finditer(text):
        yield match[0], _date(today, match[1], match[2])
    for match in _DAY_MONTH.finditer(text):
        yield match[0], _date(today, match[2], match[1])
    for match in _ORDINAL.finditer(text):
        yield match[0], _date(today, MONTHS[today.month - 1], match[1])
    for words, days in _NEAR.items():
        if words in text.casefold() and not (words == "tomorrow" and "day after tomorrow" in text.casefold()):
            yield words, today + datetime.timedelta(days)
    for match in _WEEKDAY.finditer(text):
        ahead = (_DAYS.index(match[1].casefold()) - today.weekday() - 1) % 7 + 1
        yield match[0], today + datetime.timedelta(ahead)


def _date(today: datetime.date, month: str, day: str) -> datetime.date | None:
    number = next(number for number, name in enumerate(MONTHS, 1) if name.startswith(month.casefold()[:3]))
    try:
        return datetime.date(today.year, number, int(day))
    except ValueError:
        return None


def _times(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    for match in _CLOCK.finditer(text):
        yield match[0].rstrip("."), (int(match[1]) % 12 + 12 * (match[3] in "pP"), int(match[2] or 0))
    for match in _PART.finditer(text):
        hour, minute = _hour(match[3], match[5]), int(match[4] or 0)
        shift = {"half": 30, "quarter": 15}.get((match[1] or "").casefold(), 0)
        total = hour * 60 + minute + (shift if (match[2] or "").casefold() != "to" else -shift)
        yield match[0], (total // 60 % 24, total % 60)
    for match in _PART_FIRST.finditer(text):
        yield match[0], (_hour(match[2], match[1]), int(match[3] or 0))
    for match in re.finditer(r"(?i)\bnoon\b", text):
        yield match[0], (12, 0)
    for match in _PLAIN.finditer(text):
        yield match[0], (int(match[1]), int(match[2]))


def _hour(hour: str, part: str) -> int:
    return int(hour) % 12 + (0 if part.casefold() == "morning" else 12)


def readings(words: str, text: str, today: datetime.date) -> list[str]:
    """For words that mean a date or a time, all words of the text that mean the same, and how data writes it."""
    for found, date in _dates(words, today):
        if found == words and date is not None:
            return [other for other, same in _dates(text, today) if same == date] + [date.isoformat()]
    for found, time in _times(words):
        if found.rstrip(".") == words:
            return [other for other, same in _times(text) if same == time] + ["{:02}:{:02}".format(*time)]
    return []
