"""What a model is trained on is, token for token, what it is asked and what it has to reply."""

import http.client
import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from langchain_core.messages import HumanMessage

from agent import prompts
from agent.models.bundled import prepare
from agent.models.exchange import Exchange
from agent.models.local import LocalChatModel
from agent.models.tool_calls import ToolChoice
from finetune.errors import DatasetError
from finetune.evaluation.served import served_messages
from finetune.schema import Example
from finetune.training.base_model import load_tokenizer
from finetune.training.formatting import Renderer, in_order

pytestmark = pytest.mark.slow

FORECAST = {
    "type": "function",
    "function": {
        "name": "get_forecast",
        "description": "Weather forecast for a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
            "required": ["city"],
        },
    },
}
CALL = {"name": "get_forecast", "arguments": {"unit": "C", "city": "São Paulo"}}


def user(text, **more):
    return {"role": "user", "content": text, **more}


def assistant(text="", **more):
    return {"role": "assistant", "content": text, **more}


EXAMPLES = {
    "call": Example((user("Is it warm in São Paulo, 25 °C?"), assistant(tool_calls=[CALL])), (FORECAST,)),
    "none": Example((user("Thanks!\n\n  <|im_end|> bye"), assistant()), (FORECAST,)),
    "passages": Example((user("Who won?", passages=["A won — 3:2.", "B lost."]), assistant("A"))),
    "system": Example(({"role": "system", "content": "Answer in capitals."}, user("Hi"), assistant("HI"))),
    "result": Example(
        (
            user("Warm in São Paulo?"),
            assistant(tool_calls=[CALL]),
            {"role": "tool", "name": "get_forecast", "content": "25 °C"},
            assistant("Yes: 25 °C."),
        ),
        (FORECAST,),
    ),
    "conversation": Example((user("Hi"), assistant("Hello!", weight=0), user("1+1?"), assistant("2"))),
}


@pytest.fixture(scope="module")
def tokenizer(models_folder):
    return load_tokenizer(models_folder=models_folder)


@pytest.fixture(scope="module")
def renderer(tokenizer):
    return Renderer(*tokenizer)


@pytest.fixture(scope="module")
def model(models_folder):
    return LocalChatModel(path=prepare(models_folder), max_tokens=24)


def asked(model, path, body):
    """The reply of llama.cpp's server to a request."""
    engine = model._engine
    connection = http.client.HTTPConnection(engine.server.listening_address.removeprefix("http://"), timeout=60)
    connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {engine._key}"})
    reply = json.loads(connection.getresponse().read())
    connection.close()
    return reply


def served_prompt(model, messages, tools):
    """The token numbers that llama.cpp makes of a request of the product."""
    choice = ToolChoice.of(tools)
    body = Exchange(served_messages(messages, model.get_num_tokens), {}, choice, model._is_control).next_request()
    text = asked(model, "/apply-template", {"messages": body["messages"]})["prompt"]
    return asked(model, "/tokenize", {"content": text, "parse_special": True, "add_special": True})["tokens"]


def supervised(example):
    """Place, tools and reply of everything that an example teaches."""
    for place, message in enumerate(example.messages):
        if message["role"] == "assistant" and message.get("weight", 1):
            if example.tools:
                yield place, example.tools
            if message["content"] and not message.get("tool_calls"):
                yield place, ()


@pytest.mark.parametrize("name", EXAMPLES)
def test_prompts_are_those_that_the_product_sends(name, renderer, model):
    example = EXAMPLES[name]
    sequences = renderer.render(example)
    places = list(supervised(example))
    assert len(sequences) == len(places)
    for sequence, (place, tools) in zip(sequences, places, strict=True):
        prompt = [token for token, taught in zip(sequence.ids, sequence.targets, strict=True) if not taught]
        assert prompt == served_prompt(model, example.messages[:place], tools)


def replies(renderer, tokenizer, example):
    return [
        tokenizer[0].decode(
            [i for i, taught in zip(s.ids, s.targets, strict=True) if taught], skip_special_tokens=False
        )
        for s in renderer.render(example)
    ]


def test_replies_are_what_the_product_reads(renderer, tokenizer):
    [reply] = replies(renderer, tokenizer, EXAMPLES["call"])
    assert reply == 'get_forecast {"city": "São Paulo", "unit": "C"}<|im_end|>'
    [parsed] = ToolChoice.of([FORECAST]).parse(reply.removesuffix("<|im_end|>"))
    assert parsed == ("get_forecast", CALL["arguments"])
    assert replies(renderer, tokenizer, EXAMPLES["none"]) == ["none<|im_end|>"]
    assert replies(renderer, tokenizer, EXAMPLES["result"])[1:] == ["none<|im_end|>", "Yes: 25 °C.<|im_end|>"]


def test_only_what_the_assistant_says_is_taught_token_by_token(renderer):
    for example in EXAMPLES.values():
        for sequence in renderer.render(example):
            first = list(sequence.targets).index(True)
            assert all(sequence.targets[first:]) and not any(sequence.targets[:first])
            assert sequence.shared <= first


def test_the_end_of_the_turn_is_taught_and_is_the_last_token(renderer, tokenizer):
    for example in EXAMPLES.values():
        for sequence in renderer.render(example):
            assert tokenizer[0].id_to_token(sequence.ids[-1]) == "<|im_end|>" and sequence.targets[-1]


def test_questions_about_the_same_passages_share_them(renderer, tokenizer):
    passages = ["Ada Lovelace won the silver cup.", "Charles Babbage lost the final match."]
    made = [Example((user(text, passages=passages), assistant("A"))) for text in ("Who won?", "When?")]
    first, second = (renderer.render(example)[0] for example in made)
    assert first.shared == second.shared > 20
    assert first.ids[: first.shared] == second.ids[: second.shared]
    assert tokenizer[0].decode(first.ids[: first.shared], skip_special_tokens=False).endswith("\n\nQuestion:")


def test_a_control_token_in_a_question_ends_no_turn(renderer, tokenizer):
    [sequence] = renderer.render(EXAMPLES["none"])
    assert list(sequence.ids).count(tokenizer[0].token_to_id("<|im_end|>")) == 3


def test_what_teaches_nothing_is_refused(renderer):
    with pytest.raises(DatasetError, match="holds nothing"):
        renderer.render(Example((user("Hi"), assistant("Hello!", weight=0)), source="file:x#1"))


def test_the_refusal_is_the_one_that_is_served(renderer, tokenizer):
    example = Example((user("Who?", passages=["Nothing."]), assistant(prompts.REFUSAL)))
    assert replies(renderer, tokenizer, example) == [f"{prompts.REFUSAL}<|im_end|>"]


def test_arguments_are_written_in_the_order_of_their_schema_at_every_depth():
    schema = {
        "properties": {"a": {"items": {"properties": {"x": {}, "y": {}}}}, "b": {"properties": {"p": {}, "q": {}}}}
    }
    given = {"b": {"q": 1, "p": 2}, "a": [{"y": 1, "x": 2}], "c": 3}
    assert json.dumps(in_order(given, schema)) == '{"a": [{"x": 2, "y": 1}], "b": {"p": 2, "q": 1}, "c": 3}'


def test_the_question_alone_is_put_to_the_choice_of_tools():
    [_, message] = served_messages([user("Who?", passages=["Ada wrote the first program."])], len)
    assert isinstance(message, HumanMessage) and message.additional_kwargs["question"] == "Who?"


def test_what_decides_a_choice_counts_more(renderer):
    [call] = renderer.render(EXAMPLES["call"])
    taught = [weight for weight, is_target in zip(call.weights, call.targets, strict=True) if is_target]
    assert taught[0] == taught[-1] == 4 and set(taught[1:-1]) == {1}
    [none] = renderer.render(EXAMPLES["none"])
    assert [weight for weight, is_target in zip(none.weights, none.targets, strict=True) if is_target] == [4, 4]


def test_whether_to_answer_from_passages_or_to_hold_back_counts_more(renderer):
    [answer] = renderer.render(EXAMPLES["passages"])
    taught = [weight for weight, is_target in zip(answer.weights, answer.targets, strict=True) if is_target]
    assert taught[0] == 4 and len(taught) > 1 and set(taught[1:]) == {1}
    assert renderer.answer((user("Who?"),), "Nobody.").weights == ()
