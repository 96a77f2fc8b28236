"""A reply to a message that asks for several things: each is chosen for alone."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from agent.models.conversation import FREE
from agent.models.exchange import Decided, Exchange, together
from agent.models.tool_calls import Lacking, ToolChoice

TEXT = {"type": "string"}
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"properties": {key: TEXT}, "required": [key]}}}
    for name, key in (("weather", "city"), ("play", "song"), ("taxi", "to"))
]
WEATHER, PLAY, TAXI = 'weather {"city": "Oslo"}', 'play {"song": "Take Five"}', 'taxi {"to": "Zoo"}'
BOTH = "What is the weather in Oslo? Also, play Take Five."


def exchanged(written, *messages, **rules):
    """What the model was asked, request by request, and the last chunk, where it wrote these texts one by one."""
    choice = ToolChoice.of(TOOLS, **{"literal": True, **rules})
    exchange = Exchange(messages, {}, choice, lambda text: False)
    asked = []
    for text in written:
        body = exchange.next_request()
        asked.append(body["messages"][-1]["content"])
        exchange.feed({"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]})
    rest = exchange.next_request()
    assert rest is None or "grammar" not in rest, "more was to be decided"
    return asked, exchange.last_chunk("m")


def names(chunk):
    return [call["name"] for call in chunk.tool_calls]


def test_each_request_is_put_alone_and_all_calls_are_made():
    asked, chunk = exchanged([WEATHER, PLAY], HumanMessage(BOTH))
    assert asked == ["Request: What is the weather in Oslo?", "Request: Also, play Take Five."]
    assert names(chunk) == ["weather", "play"] and not chunk.content


@pytest.mark.parametrize("first", [WEATHER, "none", 'weather {"city": "Rome"}'])
def test_where_fewer_than_two_calls_come_of_it_the_whole_is_put(first):
    asked, chunk = exchanged([first, "none", f"{WEATHER}\n{PLAY}"], HumanMessage(BOTH))
    assert asked[-1] == f"Request: {BOTH}" and names(chunk) == ["weather", "play"] and not chunk.content


def test_what_another_request_lacks_is_told_beside_the_calls():
    message = HumanMessage("What is the weather in Oslo? Also, play Take Five. Then get a taxi.")
    _, chunk = exchanged([WEATHER, PLAY, TAXI], message)
    assert names(chunk) == ["weather", "play"]
    assert chunk.content == "I did not use taxi, as I do not know the to."


def test_what_was_said_before_stands_before_each_request():
    before = (HumanMessage("I am in Oslo."), AIMessage("Nice."))
    asked, _ = exchanged([WEATHER, PLAY], *before, HumanMessage("What is the weather now? Also, play Take Five."))
    assert all(text.startswith("Before:\nuser: I am in Oslo.") for text in asked)


@pytest.mark.parametrize("rules", [{"literal": False}, {"choice": "any"}, {"several": False}])
def test_otherwise_all_is_put_at_once(rules):
    asked, chunk = exchanged([WEATHER], HumanMessage(BOTH), **rules)
    assert asked == [f"Request: {BOTH}"] and names(chunk) == ["weather"]


def test_a_message_that_was_worked_on_is_put_as_a_whole():
    call = {"name": "weather", "args": {"city": "Oslo"}, "id": "1"}
    done = (AIMessage("", tool_calls=[call]), ToolMessage("rain", tool_call_id="1"))
    asked, chunk = exchanged(["none"], HumanMessage(BOTH), *done)
    assert len(asked) == 1 and BOTH in asked[0] and not chunk.tool_calls


def test_a_question_beside_passages_is_divided_and_not_the_passages():
    prompt = HumanMessage(f"[1] Get the car. Then wash it.\n{BOTH}", additional_kwargs={"question": BOTH})
    asked, chunk = exchanged([WEATHER, PLAY], prompt)
    assert asked == ["Request: What is the weather in Oslo?", "Request: Also, play Take Five."]
    assert names(chunk) == ["weather", "play"]


def test_calls_are_put_together_as_if_for_one_request():
    less, more = ("find", {"what": "cats"}), ("find", {"what": "cats", "where": ["Rome"]})
    other = ("find", {"what": "dogs"})
    cats = [Decided("Tell me about cats.", [less], []), Decided("Find books in Rome.", [more], [])]
    assert together([*cats, Decided("Then dogs", [other], [])]) == ([more, other], [])
    taxi, known = Lacking("taxi", ["to"], {}), Lacking("find", ["where"], {"what": "cats"})
    assert together([Decided("Go.", [more], []), Decided("And?", [more], [known, taxi])]) == ([more], [taxi])


def test_a_request_that_says_to_be_one_more_is_one():
    less, more = ("timer", {"minutes": 5}), ("timer", {"minutes": 5, "name": "pasta"})
    timers = [Decided("Set a timer.", [less], []), Decided("Then set a timer called pasta.", [more], [])]
    assert together(timers) == ([less, more], [])
    files = [Decided("List my files.", [("list", {})], []), Decided("List docs.", [("list", {"in": "docs"})], [])]
    assert len(together(files)[0]) == 2
    apart = [Decided("Set a timer.", [less], []), Decided("Play.", [("play", {})], []), Decided("Set.", [more], [])]
    assert len(together(apart)[0]) == 3


def test_what_is_asked_for_again_is_called_again():
    roll = ("roll", {"sides": 6})
    dice = [Decided("Roll a die.", [roll], []), Decided("Then roll another die.", [roll], [])]
    assert together(dice) == ([roll, roll], [])
    assert together([dice[0], Decided("Roll the die.", [roll], [])]) == ([roll], [])


def test_one_more_call_that_lacks_all_is_told_beside_the_first():
    sent, lacking = ("send", {"to": "Bob"}), Lacking("send", ["to"], {})
    first = Decided("Send an email to Bob.", [sent], [])
    assert together([first, Decided("Then send an email to my boss, too.", [], [lacking])]) == ([sent], [lacking])
    assert together([first, Decided("Send an email.", [], [lacking])]) == ([sent], [])


def test_what_lacks_something_is_told_though_another_call_of_its_tool_is_made():
    nobu, noma = ("book", {"where": "Nobu", "day": "Friday"}), Lacking("book", ["day"], {"where": "Noma"})
    assert together([Decided("Book.", [nobu], []), Decided("Then Noma.", [], [noma])]) == ([nobu], [noma])


RAIN = "Tell me about rain in capital letters, and end with the word Amen."


def answered(message, *pieces, finish="stop", **rules):
    """What the model was told, and what it is heard to say where it wrote these pieces."""
    exchange = Exchange(
        [message], {}, ToolChoice.of(()), lambda text: False, end="<end>", **{"keep_form": True, **rules}
    )
    body = exchange.next_request()
    chunks = [{"choices": [{"delta": {"content": one}, "finish_reason": None}]} for one in pieces]
    chunks.append({"choices": [{"delta": {}, "finish_reason": finish}]})
    heard = [exchange.feed(chunk) for chunk in chunks]
    assert exchange.next_request() is None
    return body, "".join([*heard, exchange.last_chunk("m").content])


def free(text, before=""):
    return HumanMessage(before + text, additional_kwargs={FREE: text})


def test_an_answer_has_the_form_that_was_asked_for():
    body, heard = answered(free(RAIN), "It ", "falls.")
    assert body["messages"][-1]["content"] == "Tell me about rain." and heard == "IT FALLS.\n\nAMEN"


def test_what_stands_before_the_question_stays():
    body, _ = answered(free("Who is Ann? One word.", "You know: Ann is a vet.\n\n"), "Vet")
    assert body["messages"][-1]["content"] == "You know: Ann is a vet.\n\nWho is Ann?"
    assert "<end>" in body["grammar"]


def test_nothing_is_written_behind_an_answer_that_was_cut():
    assert answered(free(RAIN), "It falls", finish="length")[1] == "IT FALLS"


@pytest.mark.parametrize(
    ("message", "rules"),
    [
        (HumanMessage(RAIN), {}),
        (HumanMessage(f"Text:\nRain.\n\nQuestion: {RAIN}", additional_kwargs={"question": RAIN}), {}),
        (free(RAIN), {"keep_form": False}),
        (free(RAIN), {"schema": {"type": "object"}}),
        (free("Tell me about rain."), {}),
    ],
    ids=["nobody says that it is free", "beside passages", "another model", "a schema", "no form"],
)
def test_otherwise_an_answer_comes_as_it_is_written(message, rules):
    body, heard = answered(message, "It falls.", **rules)
    assert body["messages"][-1]["content"] == message.content and heard == "It falls."
    assert "llguidance" not in body.get("grammar", "") or "schema" in rules
