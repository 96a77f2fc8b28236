"""Which tools are put before the model: by rules, by likeness, within limits."""

import pytest
from langchain_core.tools import StructuredTool

from agent.tool_choice import LARGE_LIMIT, TRAINED_LIMIT, ToolIndex, choose_offer, described, near_enough
from tests.knowledge.words import WordEmbedder
from tools.spec import ToolSpec


def spec(name, description, properties=None, hints=None, origin="mcp test"):
    schema = {"type": "object", "properties": properties or {}, "required": list(properties or {})}
    tool = StructuredTool(name=name, description=description, args_schema=schema, func=lambda **_: "")
    return ToolSpec(tool, "read", hints=hints, origin=origin)


def box(*specs):
    return {each.name: each for each in specs}


def names(offer):
    return [schema["function"]["name"] for schema in offer.schemas]


def adds(question):
    return {"expression": ["1+1"]} if "1+1" in question else None


CALCULATOR = spec("calculator", "Work it out.", {"expression": {"type": "string"}}, adds, "ratchet")
WEATHER = spec("getWeather", "Weather forecast for a city.", {"city": {"type": "string"}})
MAIL = spec("send_mail", "Send a letter by mail.", {"person": {"type": "string"}})
ALWAYS = spec("read_all", "Weather forecast for a city.", origin="ratchet")


@pytest.fixture
def nearest():
    return ToolIndex(WordEmbedder())


def test_a_large_model_gets_every_tool_untouched(nearest):
    offer = choose_offer(box(CALCULATOR, WEATHER), "How much is 1+1?", small=False, nearest=nearest)
    assert names(offer) == ["calculator", "getWeather"] and not offer.must
    assert "enum" not in str(offer.schemas)


def test_beyond_the_limit_a_large_model_gets_the_hinted_and_the_nearest(nearest):
    others = [spec(f"other_{n}", f"Unrelated number{n} thing{n}.") for n in range(40)]
    tools = box(*others, WEATHER, CALCULATOR)
    offer = choose_offer(tools, "Weather forecast and 1+1", small=False, nearest=nearest)
    assert len(offer.schemas) == LARGE_LIMIT
    assert names(offer)[-2:] == ["getWeather", "calculator"]
    assert choose_offer(tools, "1+1", small=False).schemas  # without a ranking, too


def test_a_small_model_must_use_a_tool_whose_rule_fires_with_values_of_the_question(nearest):
    offer = choose_offer(box(WEATHER, CALCULATOR), "weather forecast and 1+1", small=True, nearest=nearest)
    assert names(offer) == ["calculator"] and offer.must
    parameters = offer.schemas[0]["function"]["parameters"]
    assert parameters["properties"]["expression"]["enum"] == ["1+1"]
    assert parameters["required"] == ["expression"]


def test_a_small_model_gets_the_nearest_tool_without_rules_narrowed_to_the_question(nearest):
    offer = choose_offer(box(MAIL, WEATHER), "What is the weather forecast for Oslo city?", small=True, nearest=nearest)
    assert names(offer) == ["getWeather"] and offer.must
    assert "Oslo" in offer.schemas[0]["function"]["parameters"]["properties"]["city"]["enum"]


def test_a_question_that_is_near_to_nothing_is_offered_nothing(nearest):
    question = "Who wrote Hamlet?"
    assert nearest([MAIL], question)[0][1] < near_enough(1)
    offer = choose_offer(box(MAIL), question, small=True, nearest=nearest)
    assert not offer and not offer.must


def test_among_many_tools_the_nearest_must_be_nearer():
    assert near_enough(1) == near_enough(4) < near_enough(8) < near_enough(200) < 0.5
    ranked = [(WEATHER, 0.3), *[(spec(f"other_{n}", "Other."), 0.1) for n in range(99)]]

    def nearest(tools, _question):
        return ranked[: len(tools)]

    few, many = box(WEATHER, MAIL), box(*[each for each, _ in ranked])
    assert choose_offer(few, "Weather?", small=True, nearest=nearest)
    assert not choose_offer(many, "Weather?", small=True, nearest=nearest)


def test_a_tool_with_rules_is_never_offered_for_its_likeness(nearest):
    silent = spec("weather", "Weather forecast for a city.", hints=lambda _: None)
    assert not choose_offer(box(silent, ALWAYS), "Weather forecast for a city", small=True, nearest=nearest)


def test_without_a_ranking_a_small_model_gets_only_tools_with_rules():
    assert not choose_offer(box(WEATHER), "Weather forecast for a city", small=True)


def test_no_tools_no_offer(nearest):
    assert not choose_offer({}, "Anything?", small=True, nearest=nearest)
    assert not choose_offer({}, "Anything?", small=False, nearest=nearest)


def test_descriptions_are_embedded_once():
    embedder = WordEmbedder()
    nearest = ToolIndex(embedder)
    for question in ("Weather?", "Mail?"):
        nearest([WEATHER, MAIL], question)
    nearest([WEATHER, CALCULATOR], "Sum?")
    assert embedder.texts.count(described(WEATHER)) == embedder.texts.count(described(CALCULATOR)) == 1


def test_a_changed_description_is_embedded_anew(nearest):
    before = dict((each.name, cosine) for each, cosine in nearest([MAIL], "Weather forecast"))
    changed = spec("send_mail", "Weather forecast.")
    assert nearest([changed], "Weather forecast")[0][1] > before["send_mail"]


def test_a_name_is_read_as_words():
    assert described(WEATHER) == "get weather: Weather forecast for a city."
    assert described(MAIL).startswith("send mail: ")


@pytest.mark.parametrize("small", [False, True])
def test_a_rule_of_a_plugin_that_fails_costs_only_its_tool(small):
    def fails(question):
        raise ZeroDivisionError

    broken = ToolSpec(spec("broken", "Breaks.").tool, "read", hints=fails, origin="plugin broken")
    many = {f"tool_{number}": spec(f"tool_{number}", "Does little.") for number in range(LARGE_LIMIT)}
    offer = choose_offer({**many, "broken": broken}, "Anything?", small=small)
    assert len(offer.schemas) == (0 if small else LARGE_LIMIT)


def test_a_trained_small_model_chooses_among_the_nearest_few(nearest):
    tools = box(*(spec(f"far_{number}", "Nothing of the kind.") for number in range(9)), WEATHER)
    offer = choose_offer(tools, "Weather forecast for a city?", small=True, nearest=nearest, trained=True)
    assert len(offer.schemas) == TRAINED_LIMIT and names(offer)[0] == "getWeather" and not offer.must
    assert offer.schemas[0]["function"]["parameters"]["properties"] == {"city": {"type": "string"}}


def test_rules_of_a_tool_come_first_for_a_trained_model_too(nearest):
    tools = box(WEATHER, CALCULATOR)
    offer = choose_offer(tools, "weather forecast and 1+1", small=True, nearest=nearest, trained=True)
    assert names(offer) == ["calculator"] and offer.must


def test_of_several_requests_the_nearest_to_each_are_offered(nearest):
    weather = [spec(f"weather_{number}", "Weather forecast for a city.") for number in range(8)]
    question = "Weather forecast for a city? Then send a mail."
    offer = choose_offer(box(*weather, MAIL), question, small=True, nearest=nearest, trained=True)
    assert names(offer)[0].startswith("weather_") and names(offer)[1] == "send_mail" and len(offer.schemas) == 8
