"""Messages that hold several requests, and those that look as if they did."""

import pytest

from agent.models.request_parts import requests_in


@pytest.mark.parametrize(
    ("text", "requests"),
    [
        (
            "Check the bias of CNN. Then get the air quality in Beijing. Finally, find a wine that goes with pizza.",
            [
                "Check the bias of CNN.",
                "Then get the air quality in Beijing.",
                "Finally, find a wine that goes with pizza.",
            ],
        ),
        (
            "Book a table for two and send an invitation to Ann. Then turn off the lights.",
            ["Book a table for two", "send an invitation to Ann.", "Then turn off the lights."],
        ),
        (
            "Set an alarm for 7 am, remind me to buy milk at 9 and turn on the heater in the bath.",
            ["Set an alarm for 7 am", "remind me to buy milk at 9", "turn on the heater in the bath."],
        ),
        (
            "Turn on the heater; play some jazz music; lock the front door",
            ["Turn on the heater;", "play some jazz music;", "lock the front door"],
        ),
        ("Play Take Five and then polish the floor.", ["Play Take Five", "polish the floor."]),
        (
            "Cheap diesel near Seattle, within 6 km. Oh, and tell me about traffic jams in New Orleans.",
            ["Cheap diesel near Seattle, within 6 km.", "Oh, and tell me about traffic jams in New Orleans."],
        ),
        (
            "1. Get the weather for Rome\n2. Get the news about Italy",
            ["Get the weather for Rome", "Get the news about Italy"],
        ),
        ("- check disk space\n- polish the floor", ["check disk space", "polish the floor"]),
        (
            "Show me flights to Oslo. I would also like to see hotels nearby.",
            ["Show me flights to Oslo.", "I would also like to see hotels nearby."],
        ),
        (
            "Could you grill two steaks? Could you also chill the wine?",
            ["Could you grill two steaks?", "Could you also chill the wine?"],
        ),
    ],
)
def test_several_requests(text, requests):
    assert requests_in(text) == requests


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hi",
        "Hello! Could you please tell me the time in Oslo? Thanks!",
        "I need to convert 500 USD to Euros. Can you help me with that?",
        "I want to listen to some music. Can you play 'Shape of You' by Ed Sheeran?",
        "Can you get me the latest news on Tesla? I want to stay updated.",
        "Find and book a hotel in Rome",
        "Convert 5 miles to km and 10 kg to pounds",
        "Find me a hotel in Rome, Italy, and a flight to Rome",
        "Show me photos of Paris, show jumping and skiing",
        "Show me the list of hotels. Sort it by price.",
        "What is the weather in Paris? And in Rome?",
        "What is the capital of France? Also, what is its population?",
        "Send 'Get the car. Then wash the car.' to Bob",
        "Remind me: buy milk. Call Ann tomorrow.",
        "Translate this into French:\nGet the car.\nWash the car with soap.",
        "What will the weather be like on Sep. the fifth in St. Louis?",
        "Play the latest song of Dr. Dre, please.",
    ],
)
def test_one_request(text):
    assert requests_in(text) == [text]


def test_what_is_stated_belongs_to_the_request_beside_it():
    text = "The field has 10 hectares. How much lime does it need? Then ship a box to Bonn. The box weighs 3 kg."
    assert requests_in(text) == [
        "The field has 10 hectares. How much lime does it need?",
        "Then ship a box to Bonn. The box weighs 3 kg.",
    ]


def test_an_opening_that_asks_for_nothing_is_left_out():
    text = "I need your help with some tasks. First, check the engine light. Then find a garage nearby."
    assert requests_in(text) == ["First, check the engine light.", "Then find a garage nearby."]


def test_a_long_message_holds_a_text():
    assert len(requests_in("Get the car. " * 10)) == 10
    assert len(requests_in("Get the car. " * 1_000)) == 1


@pytest.mark.parametrize(
    "piece", ["and ", " \t", "then also ", "'", '"', "please, ", "a. ", ": ", "once upon ", "it ", ", "]
)
def test_odd_messages_are_read_quickly_and_lose_no_word(piece):
    text = f"Get the car {piece * 400}"[:2_000]
    assert " ".join(requests_in(text)).split()[:3] == ["Get", "the", "car"]
