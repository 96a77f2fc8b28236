"""What is said after a tool asked for more belongs to the request, until something else is asked."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.open_requests import is_declined, open_request, whole_request

BEFORE = [HumanMessage("What is a tide?"), AIMessage("The sea, rising.")]
ASKED = [HumanMessage("I need a car."), AIMessage("Which place and day?")]
AGAIN = [HumanMessage("In Oslo."), AIMessage("Which day?")]


@pytest.mark.parametrize(
    ("history", "found", "whole"),
    [
        ([], [], "Tomorrow."),
        (BEFORE, [], "Tomorrow."),
        (BEFORE + ASKED, ASKED, "I need a car. Tomorrow."),
        (BEFORE + ASKED + AGAIN, ASKED + AGAIN, "I need a car. In Oslo. Tomorrow."),
        (ASKED + BEFORE, [], "Tomorrow."),
        (ASKED[1:], [], "Tomorrow."),
    ],
)
def test_a_reply_belongs_to_the_request_that_was_asked_about(history, found, whole):
    assert open_request("Tomorrow.", history) == found
    assert whole_request("Tomorrow.", history) == whole


@pytest.mark.parametrize("other", ["What is a car?", "Never mind.", "No, thank you", "Forget it", "Thanks!"])
def test_what_asks_something_else_or_declines_is_no_reply(other):
    assert open_request(other, ASKED) == [] and whole_request(other, ASKED) == other


@pytest.mark.parametrize("text", ["Never mind.", "No, thank you", "Forget it", "Don't", "Not now", "cancel"])
def test_only_what_was_asked_about_can_be_declined(text):
    assert is_declined(text, ASKED) and not is_declined(text, BEFORE)


@pytest.mark.parametrize("text", ["Tomorrow.", "Norway", "Notting Hill", "Thanks!"])
def test_an_answer_declines_nothing(text):
    assert not is_declined(text, ASKED)
