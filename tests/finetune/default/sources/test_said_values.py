"""How dates and times are said."""

from __future__ import annotations

import datetime

import pytest

from finetune.default.sources.gsm8k import compose, last_sentence
from finetune.default.sources.said_values import readings, said_date, said_time

_FRIDAY = datetime.date(2019, 3, 1)


@pytest.mark.parametrize(
    ("text", "words", "date"),
    [
        ("leaving March 5th please", "March 5th", "2019-03-05"),
        ("on the 11th of this month", "the 11th of this month", "2019-03-11"),
        ("sometime next Monday", "next Monday", "2019-03-04"),
        ("the day after tomorrow", "day after tomorrow", "2019-03-03"),
        ("today", "today", "2019-03-01"),
        ("the 3rd of March", "the 3rd of March", "2019-03-03"),
    ],
)
def test_dates(text: str, words: str, date: str) -> None:
    assert said_date(date, text, _FRIDAY) == words
    assert said_date("2019-03-29", text, _FRIDAY) == ""


@pytest.mark.parametrize(
    ("text", "words", "time"),
    [
        ("at 5:30 pm", "5:30 pm", "17:30"),
        ("12 am sharp", "12 am", "00:00"),
        ("half past 4 in the afternoon", "half past 4 in the afternoon", "16:30"),
        ("quarter to 5 in the evening", "quarter to 5 in the evening", "16:45"),
        ("at noon", "noon", "12:00"),
        ("18:05", "18:05", "18:05"),
        ("morning 9:15", "morning 9:15", "09:15"),
    ],
)
def test_times(text: str, words: str, time: str) -> None:
    assert said_time(time, text) == words
    assert said_time("03:33", text) == ""


def test_all_ways_in_which_something_was_said() -> None:
    text = "March 4th, that is next Monday, at 2 pm or 14:00"
    assert {"March 4th", "next Monday", "2019-03-04"} <= set(readings("next Monday", text, _FRIDAY))
    assert {"2 pm", "14:00"} <= set(readings("2 pm", text, _FRIDAY))
    assert readings("the blue one", text, _FRIDAY) == []


def test_steps_are_put_into_one_another() -> None:
    solution = "He has 4*6=<<4*6=24>>24 pens.\nHe keeps 24-3=<<24-3=21>>21 pens.\n#### 21"
    assert compose("4 boxes of 6 pens, 3 are lost", solution) == "4 * 6 - 3"
    assert last_sentence(solution) == "He keeps 21 pens."
    assert last_sentence("Todd has 20-8 = $<<20-8=12>>12 left\n#### 12") == "Todd has $12 left."


def test_steps_that_may_be_right_by_accident_are_refused() -> None:
    ambiguous = "It is 8-4=<<8-4=4>>4.\nThen 4+1=<<4+1=5>>5.\n#### 5"
    assert compose("8 apples, 4 eaten", ambiguous) == ""
    invented = "It is 8*110=<<8*110=880>>880.\n#### 880"
    assert compose("8 apples", invented) == ""
    wrong = "It is 8*2=<<8*2=16>>16.\n#### 17"
    assert compose("8 apples, 2 each", wrong) == ""
