"""What is said after a tool asked for more belongs to the request, until something else is asked."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.models.conversation import all_said, to_request
from agent.open_requests import asks_for_more, open_request, whole_request

ASKED = [HumanMessage("I need a car."), AIMessage("Which place and day?")]
AGAIN = [HumanMessage("In Oslo."), AIMessage("Which day?")]


def test_without_a_request_nothing_is_open():
    assert open_request("Tomorrow.", []) == [] and whole_request("Tomorrow.", []) == "Tomorrow."


@pytest.mark.parametrize(("waiting", "wanted"), [(ASKED, "I need a car."), (ASKED + AGAIN, "I need a car. In Oslo.")])
def test_a_reply_belongs_to_all_that_was_wanted(waiting, wanted):
    before = open_request("Tomorrow.", waiting)
    assert [message.content for message in before] == [wanted, waiting[-1].content]
    assert whole_request("Tomorrow.", before) == f"{wanted} Tomorrow."


def test_the_model_reads_all_that_was_wanted_and_the_question_counts_as_said_by_nobody():
    messages = [*open_request("Tomorrow.", ASKED + AGAIN), HumanMessage("Tomorrow.")]
    read = to_request(messages, lambda text: False)
    assert "I need a car. In Oslo." in read and "Which day?" in read and read.endswith("Request: Tomorrow.")
    assert all_said(messages) == "I need a car. In Oslo.\nTomorrow."


@pytest.mark.parametrize(
    "other",
    [
        "What is a car?",
        "What's a car?",
        "How many are there?",
        "Is it far from there to Rome?",
        "Never mind.",
        "Thanks!",
    ],
)
def test_what_asks_something_else_or_declines_is_no_reply(other):
    assert open_request(other, ASKED) == []


@pytest.mark.parametrize(
    "answer", ["Oslo?", "How about Oslo?", "No Woman No Cry", "No, in Bergen", "Stop Making Sense"]
)
def test_an_answer_may_look_like_something_else(answer):
    assert open_request(answer, ASKED)


def test_a_turn_asks_for_more_where_its_last_message_says_so():
    asks = AIMessage("Which day?", response_metadata={"asked_for": ["day"]})
    assert asks_for_more([asks]) and not asks_for_more([]) and not asks_for_more([asks, AIMessage("Well.")])
