"""Texts are read in parts that fit, what the model invents is dropped, and what was left out is said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import ToolException

from agent.config import ModelSettings
from agent.models.local import build as build_local
from tools.resources import Resources
from tools.text_tasks import build, unavailable, wishes
from tools.text_tasks.reading import MOST_PARTS, Reader, sentences

NEWS = (
    "The harbour of Lindau was closed on Tuesday after a fuel barge ran aground. The coast guard said that diesel "
    "leaked into the lake. The mayor, Dr. Anna Keller, called the response fast. Fishermen complained that they "
    "were not told. The barge belongs to Bodan Shipping, which promised to pay for the cleaning of the harbour."
)


class Scripted(BaseChatModel):
    """Answers by a function of the prompt; counts a token for each word."""

    answer: Callable[[str], Any]
    prompts: list[str] = []
    finish: str = "stop"
    profile: Any = {"max_input_tokens": 600}

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def get_num_tokens(self, text: str) -> int:
        return len(text.split())

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.prompts.append(str(messages[-1].content))
        message = AIMessage(self.answer(self.prompts[-1]), response_metadata={"finish_reason": self.finish})
        return ChatResult(generations=[ChatGeneration(message=message)])

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        def answered(prompt: str) -> Any:
            self.prompts.append(prompt)
            return self.answer(prompt)

        return RunnableLambda(answered)


def call(model: BaseChatModel, tool: str, *, cancelled: Callable[[], bool] = lambda: False, **arguments: Any) -> Any:
    spec = next(spec for spec in build(Resources(model=model, cancelled=cancelled)) if spec.tool.name == tool)
    assert (spec.risk, spec.untrusted) == ("read", True)
    return spec.tool.invoke({"name": tool, "args": arguments, "id": "1", "type": "tool_call"})


def test_a_short_text_takes_one_call_and_has_the_length_asked_for() -> None:
    model = Scripted(answer=lambda prompt: "One. Two by Dr. Who. Three. Four.", prompts=[])
    assert call(model, "summarize", text=NEWS, sentences=2).content == "One. Two by Dr. Who."
    assert len(model.prompts) == 1
    assert NEWS in model.prompts[0]


def test_a_long_text_is_read_part_by_part_and_all_of_it() -> None:
    text = "\n\n".join(f"Paragraph number{n} {'word ' * 60}." for n in range(20))
    model = Scripted(answer=lambda prompt: "It says " + " ".join(re.findall(r"number\d+", prompt)) + ".", prompts=[])
    content = call(model, "summarize", text=text, sentences=3).content
    assert all(re.search(rf"\bnumber{n}\b", content) for n in range(20))
    assert len(model.prompts) > 2
    assert all(len(prompt.split()) < 400 for prompt in model.prompts)
    assert "left out" not in content


def test_what_was_left_out_of_a_very_long_text_is_said() -> None:
    text = "\n".join(f"line{n} {'word ' * 99}" for n in range(100))
    model = Scripted(answer=lambda prompt: "Short.", prompts=[])
    content = call(model, "summarize", text=text).content
    assert re.search(rf"Read {MOST_PARTS} of \d+ parts", content)
    assert len(model.prompts) == MOST_PARTS + 1
    assert "line0 " in model.prompts[0] and "line99 " in model.prompts[-2]


def test_a_model_that_cannot_be_brief_is_given_up_on_and_that_is_said() -> None:
    text = "\n".join(f"line{n} {'word ' * 99}" for n in range(20))
    model = Scripted(answer=lambda prompt: ("very " * 60 + "long. ") * 20, prompts=[])
    assert "not all of it could be taken into account" in call(model, "summarize", text=text, sentences=1).content


@pytest.mark.parametrize("text", ["x" * 5000, "\n" * 500 + "a", "a b " * 5000, "é" * 3000 + ". " + "ü " * 900])
def test_parts_hold_the_whole_text_and_each_fits(text: str) -> None:
    class ByCharacter(Scripted):
        def get_num_tokens(self, text: str) -> int:
            return len(text)

    reader = Reader(ByCharacter(answer=str), lambda: False)
    parts = reader.parts(text)
    assert "".join(parts).split() == text.split()
    assert all(len(part) <= reader.room for part in parts)


def test_stopping_ends_between_two_calls() -> None:
    model = Scripted(answer=lambda prompt: "Short.", prompts=[])
    text = "\n".join("word " * 99 for _ in range(100))
    with pytest.raises(ToolException, match="Stopped"):
        call(model, "summarize", text=text, cancelled=lambda: len(model.prompts) >= 2)
    assert len(model.prompts) == 2


def test_arguments_are_checked() -> None:
    model = Scripted(answer=lambda prompt: "Short.", prompts=[])
    for tool, arguments in (
        ("summarize", {"text": "  "}),
        ("summarize", {"text": "a", "sentences": 0}),
        ("summarize", {"text": "a" * 1_000_001}),
        ("translate", {"text": "a", "language": "French\nand obey"}),
        ("translate", {"text": "a", "language": ""}),
        ("extract", {"text": "a", "kinds": []}),
        ("extract", {"text": "a", "kinds": ["x" * 50]}),
    ):
        with pytest.raises(ToolException):
            call(model, tool, **arguments)
    assert model.prompts == []


def test_translating_keeps_the_parts_in_order_and_tells_of_a_cut() -> None:
    text = "\n\n".join(f"Part{n} {'word ' * 250}" for n in range(3))
    model = Scripted(answer=lambda prompt: " ".join(re.findall(r"Part\d", prompt)), prompts=[])
    assert call(model, "translate", text=text, language="German").content == "Part0\n\nPart1\n\nPart2"
    model = Scripted(answer=lambda prompt: "Teil", prompts=[], finish="length")
    assert "reached its limit" in call(model, "translate", text="Part", language="German").content


def test_only_what_stands_in_the_text_is_extracted() -> None:
    found = [
        {"kind": "person", "text": "Anna Keller"},
        {"kind": "person", "text": "Anna Keller"},
        {"kind": "place", "text": "Lindau"},
        {"kind": "place", "text": "Atlantis"},
        {"kind": "animal", "text": "barge"},
        "nonsense",
    ]
    model = Scripted(answer=lambda prompt: {"entities": found}, prompts=[])
    result = call(model, "extract", text=NEWS, kinds=["Person", "place"])
    answer, remark = result.content.split("\n")
    assert json.loads(answer) == {"person": ["Anna Keller"], "place": ["Lindau"]}
    assert remark.startswith("(3 ")
    assert result.artifact["table"]["rows"] == [["person", "Anna Keller"], ["place", "Lindau"]]


def test_an_intent_is_a_phrase_of_its_own() -> None:
    model = Scripted(answer=lambda prompt: {"intent": "book a table"}, prompts=[])
    result = call(model, "extract", text="A table for two, please.", kinds=["intent"])
    assert json.loads(result.content) == {"intent": "book a table"}
    assert result.artifact == {}


def test_sentiment_of_many_parts_is_that_of_most() -> None:
    text = "\n\n".join(f"{mood} {'word ' * 250}" for mood in ("bad", "good", "good"))
    answer: Callable[[str], Any] = lambda prompt: {"sentiment": "negative" if "bad" in prompt else "positive"}  # noqa: E731
    content = call(Scripted(answer=answer, prompts=[]), "classify_sentiment", text=text).content
    assert content == "positive (positive 2, negative 1, neutral 0; 3 of 3 parts read)"


def test_an_answer_outside_the_schema_is_an_error() -> None:
    with pytest.raises(ToolException, match="schema"):
        call(Scripted(answer=lambda prompt: None, prompts=[]), "classify_sentiment", text="fine")


@pytest.fixture(scope="module")
def bundled(models_folder: Path) -> Iterator[Any]:
    model = build_local("default", ModelSettings(), models_folder)
    yield model
    model.close()


def test_the_bundled_model_judges_sentiment(bundled: BaseChatModel) -> None:
    texts = {"I love this phone, it is wonderful.": "positive", "Terrible. I want my money back.": "negative"}
    said = {text: call(bundled, "classify_sentiment", text=text).content for text in texts}
    assert {text: answer.split()[0] for text, answer in said.items()} == texts
    assert all("a guess" in answer for answer in said.values())


def test_a_small_model_quotes_and_says_what_it_cannot(bundled: BaseChatModel) -> None:
    content = call(bundled, "summarize", text=NEWS, sentences=2).content
    summary, note = content.split("\n\n")
    assert all(sentence in NEWS for sentence in sentences(summary))
    assert len(sentences(summary)) == 2
    assert "2 of 5 sentences, quoted" in note
    with pytest.raises(ToolException, match="too small to translate"):
        call(bundled, "translate", text=NEWS, language="German")
    with pytest.raises(ToolException, match="too small to extract"):
        call(bundled, "extract", text=NEWS, kinds=["person"])


def test_without_a_model_there_are_none() -> None:
    assert build(Resources()) == []
    assert unavailable(Resources())


@pytest.mark.parametrize(
    ("question", "text", "count"),
    [
        ("Summarize this: It rained. It poured.", "It rained. It poured.", "3"),
        (
            "please summarise the following text in two sentences:\nIt rained.\nIt poured.",
            "It rained.\nIt poured.",
            "2",
        ),
        ('Can you sum up in 1 sentence "It rained."?', "It rained.", "1"),
        ("TL;DR: It rained.", "It rained.", "3"),
    ],
)
def test_questions_to_summarize(question: str, text: str, count: str) -> None:
    assert wishes.to_summarize(question) == {"text": [text], "sentences": [count]}


def test_questions_to_translate_and_to_classify() -> None:
    wish = {"text": ["Good morning"], "language": ["French"]}
    for question in (
        "Translate into French: Good morning",
        'Please translate this sentence to French: "Good morning"',
        'translate "Good morning" into French.',
        "Translate the following text into French:\nGood morning",
    ):
        assert wishes.to_translate(question) == wish
    for question in (
        "What is the sentiment of: I love it",
        'What\'s the sentiment of this review: "I love it"',
        "Is this review positive or negative? I love it".replace("? ", ": "),
        'classify the sentiment of "I love it"',
    ):
        assert wishes.to_classify(question) == {"text": ["I love it"]}


@pytest.mark.parametrize(
    "question",
    [
        "Summarize the tutorial",
        "Summarize chapter 3 of the manual",
        "How do I translate error messages in FastAPI?",
        "Translate the tutorial into French",
        "What is sentiment analysis?",
        "What is the tone of the report?",
        "Who wrote this: Anna or Ben?",
        "Which languages does the docs translation cover: French or German?",
        "Is this a positive number: 5",
    ],
)
def test_other_questions_are_left_alone(question: str) -> None:
    assert wishes.to_summarize(question) is None
    assert wishes.to_translate(question) is None
    assert wishes.to_classify(question) is None
