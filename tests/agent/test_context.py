"""What the model is shown fits its budget, and what is left out is said."""

from __future__ import annotations

from langchain_core.messages import AIMessage, HumanMessage

from agent import prompts
from agent.config import Settings
from agent.context import (
    Budget,
    Material,
    budget_for,
    build_prompt,
    digest,
    nearest_quote,
    ranked_sentences,
    to_compact,
)
from agent.models.conversation import FREE
from knowledge.schema import Passage
from tests.agent.scripted import ScriptedModel

LARGE = Budget(context=4096, answer=100, passages=40, history=30, facts=10, small=False)
SMALL = Budget(context=2048, answer=100, passages=25, history=100, facts=50, small=True)
PORTS = Passage("a", "/d/ports.md", "# Ports\n\nThe **server** listens on [port](x.md) 8000. Change it.", 1, 3)
OTHER = Passage("b", "/d/other.md", "Bananas are yellow fruits. " * 8, 1, 1, heading="Food › Fruit")


def count(text: str) -> int:
    return len(text.split())


def last(material: Material, budget: Budget) -> str:
    return str(build_prompt(material, budget, count).messages[-1].content)


def test_passages_that_do_not_fit_are_left_out_and_counted() -> None:
    material = Material("Which port?", [PORTS, OTHER], relevant=True, searched=True)
    prompt = build_prompt(material, LARGE, count)
    text = str(prompt.messages[-1].content)
    assert "[1] ports: # Ports" in text
    assert "Bananas" not in text
    assert prompts.NOTE_SHOWN.format(shown=1, found=2, budget=40) in prompt.notes


def test_a_small_model_reads_plain_sentences_nearest_to_the_question() -> None:
    text = last(Material("On which port does the server listen?", [PORTS, OTHER], relevant=True), SMALL)
    assert "The server listens on port 8000." in text
    assert "**" not in text
    assert count(text.split("Text:")[1]) <= 25 + count("Answer the question using the text.")


def test_irrelevant_passages_are_not_shown() -> None:
    material = Material("Which port?", [PORTS], relevant=False, searched=True)
    assert last(material, LARGE) == prompts.NOTHING_FOUND.format(question="Which port?")
    assert last(material, SMALL) == "Which port?"


def test_the_newest_history_is_kept_whole_and_the_rest_is_said() -> None:
    history = [HumanMessage("old question"), AIMessage("old answer"), HumanMessage("new"), AIMessage("answer")]
    prompt = build_prompt(Material("And?", history=history, summary="They met."), LARGE, count)
    contents = [str(message.content) for message in prompt.messages]
    assert contents[1:] == [prompts.SUMMARY.format(summary="They met."), "new", "answer", "And?"]
    assert prompts.NOTE_HISTORY_LEFT_OUT.format(count=2) in prompt.notes


def test_a_small_model_reads_history_only_when_the_question_leans_on_it() -> None:
    history = [HumanMessage("first"), AIMessage("one"), HumanMessage("second"), AIMessage("two")]
    alone = build_prompt(Material("Which port is used?", history=history), SMALL, count)
    leaning = build_prompt(Material("Why is it used?", history=history), SMALL, count)
    assert len(alone.messages) == 2
    assert [str(message.content) for message in leaning.messages[1:]] == ["second", "two", "Why is it used?"]


def test_facts_beyond_the_budget_are_said() -> None:
    facts = ["My name is Ada", "I live in a very large house in Oslo with dogs"]
    prompt = build_prompt(Material("Who am I?", facts=facts), LARGE, count)
    assert "Ada" in str(prompt.messages[-1].content)
    assert prompts.NOTE_FACTS_LEFT_OUT.format(count=1) in prompt.notes


def test_it_is_told_where_an_answer_rests_on_no_document() -> None:
    def free(material: Material, budget: Budget) -> str | None:
        return build_prompt(material, budget, count).messages[-1].additional_kwargs.get(FREE)

    assert (
        free(Material("Say hello."), SMALL) == free(Material("Say hello.", facts=["I am Ann."]), SMALL) == "Say hello."
    )
    assert free(Material("Which port?", [PORTS], relevant=True, searched=True), SMALL) is None
    assert free(Material("Which port?", searched=True), LARGE) is None


def test_the_stable_part_comes_first() -> None:
    one = build_prompt(Material("One?", [PORTS], relevant=True), SMALL, count)
    two = build_prompt(Material("Two?", [OTHER], relevant=True), SMALL, count)
    assert one.messages[0] == two.messages[0]


def test_the_nearest_sentence_is_quoted_with_what_follows_it() -> None:
    index, span = nearest_quote("Which port does the server listen on?", [OTHER, PORTS]) or (9, None)
    assert index == 1
    assert span is not None
    assert PORTS.text[span.start : span.end].startswith("The **server** listens")
    assert nearest_quote("Anything", [Passage("c", "/c", "# Only\n\n- a", 1, 3)]) is None


def test_rare_words_count_more_than_common_ones() -> None:
    text = "The server answers. The server waits. The server restarts on a signal."
    ranked = ranked_sentences("What does the server do on a signal?", [Passage("s", "/s", text, 1, 1)])
    first = ranked[0][1]
    assert "signal" in text[first.start : first.end]


def test_budgets_follow_the_model_and_the_settings(settings: Settings) -> None:
    model = ScriptedModel(script=[])
    small = budget_for(settings, model)
    assert small.small
    assert small.context == 4096
    large = settings.model_copy(update={"model": settings.model.model_copy(update={"name": "openai:x"})})
    assert not budget_for(large, model).small
    assert budget_for(large, model).passages > small.passages
    chosen = settings.model_copy(update={"knowledge": settings.knowledge.model_copy(update={"passage_tokens": 77})})
    assert budget_for(chosen, model).passages == 77


def test_whole_turns_are_compacted() -> None:
    history = [HumanMessage("word " * 20), AIMessage("word " * 20), HumanMessage("a"), AIMessage("b")]
    assert to_compact(history, LARGE, count) == 2
    assert to_compact(history[2:], LARGE, count) == 0
    assert digest("Which port?", "It is 8000. And more.") == "The user asked: Which port? Answer: It is 8000."
