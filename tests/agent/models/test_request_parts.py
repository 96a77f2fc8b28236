"""Messages that hold several requests, and those that look as if they did."""

import re

import pytest

from agent.models.request_parts import MOST_REQUESTS, marks_more, requests_in


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
            ["Set an alarm for 7 am", "remind me to buy milk at 9 and turn on the heater in the bath."],
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
            "Please do the following:\n- check the oil\n- play some jazz",
            ["check the oil", "play some jazz"],
        ),
        (
            "Can you show my tasks? Set a timer for 5 minutes.",
            ["Can you show my tasks?", "Set a timer for 5 minutes."],
        ),
        (
            "Find a hotel in my city. That's Oslo. Also, play jazz.",
            ["Find a hotel in my city. That's Oslo.", "Also, play jazz."],
        ),
        (
            "Wie ist das Wetter in Oslo? Wie hoch ist der Turm?",
            ["Wie ist das Wetter in Oslo?", "Wie hoch ist der Turm?"],
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
        # What follows an "and" may hang on what precedes it.
        "Please don't call Ann and cancel the taxi",
        "What happens if I delete a file and empty the trash?",
        "When Ann arrives, turn on the lights and play some jazz",
        "Turn off the lights if nobody is home and lock the door.",
        "How do I open a file and read the first line?",
        "Write a function to read a file and count the words",
        "Show me how to install Python and run a script",
        "Can I take aspirin and drive a car?",
        # What is told to others is no request.
        "Remind me: buy milk. Then call Ann tomorrow.",
        "Translate this into French: Get the car. Then wash the car.",
        "Text Ann: please buy some milk and take the dog out",
        "Send Bob ‘Get the car. Then wash the car.’ please",
        "Send «Get the car. Then wash the car.» to Bob",
        "Send an email to Bob saying I can't come. Please call me back.",
        # Points of a list may be what is asked about.
        "Add these to my list:\n- buy milk\n- call Ann\n- order pizza",
        "What is the weather in\n1. Oslo\n2. Rome\n3. Paris?",
        "Play some jazz.\n- \n- Lock the door",
        # More is wanted of the same thing, or said about it.
        "Find jobs in Oslo. Filter by salary.",
        "Search for hotels in Rome and sort by price",
        "Book a flight from Oslo to Rome. Return on Friday.",
        "Create an event called Lunch. Place: Cafe Central.",
        "Find a hotel in Oslo. Check in is May 3. Check out is May 5.",
        "What's the price of AAPL? MSFT? GOOG?",
        "Get the price of AAPL, then MSFT and then GOOG.",
        "Should I take the bus? Or the train?",
        "Book a table for 3 people. Andy comes too.",
        "Find me a hotel in Oslo. Last time it was too expensive.",
        "Play some jazz. And thanks a lot for your help!",
        "Play some jazz. Have a nice day!",
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


def test_an_opening_that_announces_requests_is_left_out():
    text = "I need your help with some tasks. First, check the engine light. Then find a garage nearby."
    assert requests_in(text) == ["First, check the engine light.", "Then find a garage nearby."]


def test_an_opening_that_may_be_more_goes_with_the_first_request():
    text = "I need help with my car. Check the engine light. Then find a garage nearby."
    assert requests_in(text) == ["I need help with my car. Check the engine light.", "Then find a garage nearby."]


def test_too_many_requests_and_a_long_message_are_one():
    assert len(requests_in("Get the car. " * MOST_REQUESTS)) == MOST_REQUESTS
    assert len(requests_in("Get the car. " * (MOST_REQUESTS + 1))) == 1
    assert len(requests_in("Get the car: it is long. " * 100)) == 1


@pytest.mark.parametrize(("request_", "more"), [("Then go", True), ("Also, go", True), ("Go", False), ("Andy", False)])
def test_what_says_to_be_one_more(request_, more):
    assert marks_more(request_) == more


_JOINING = {"and", "then", "also", "please", "finally", "lastly", "plus"}  # what joins two requests goes


@pytest.mark.parametrize(
    "piece", ["and ", " \t", "then also ", "'", '"', "please, ", "a. ", ": ", "once upon ", "it ", ", "]
)
def test_odd_messages_lose_no_word(piece):
    text = f"Get the car {piece * 400}"[:2_000]
    words = re.findall(r"\w+", text)
    assert [word for word in re.findall(r"\w+", " ".join(requests_in(text))) if word not in _JOINING] == [
        word for word in words if word not in _JOINING
    ]


@pytest.mark.parametrize(
    "message",
    [
        "This Friday evening:\n- book a table at Nobu\n- remind me to call Ann",
        "My Paris trip:\n- find a hotel\n- get the weather",
        "For my trip to Rome, book a hotel and then check the weather.",
        "Convert 5 km to miles and multiply the result by 3.",
        "Calculate 3 * 4 and then divide by 2.",
    ],
)
def test_what_is_said_of_several_requests_keeps_them_together(message: str) -> None:
    assert requests_in(message) == [message]


def test_an_opening_that_names_something_goes_with_the_first_request() -> None:
    first, second = requests_in("I want to visit Rome. First, find flights from Berlin. Then get the weather.")
    assert first == "I want to visit Rome. First, find flights from Berlin."
    assert second == "Then get the weather."
