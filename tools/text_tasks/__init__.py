"""Tasks on a text, done with the chat model: summarize, translate, classify the sentiment, extract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from tools.spec import ToolSpec
from tools.text_tasks import labels, summary, wishes
from tools.text_tasks.reading import MOST_PARTS, Reader, checked

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from tools.resources import Resources

LONGEST_LANGUAGE = 40  # characters
_TRANSLATE = "Translate the following text into {language}. Write only the translation.\n\n{text}"
_CUT = "(The model reached its limit of tokens: the end of a part may be missing.)"


def build(resources: Resources) -> list[ToolSpec]:
    """The tools; none without a model. What they return may repeat a text of others, so it is untrusted."""
    reader = Reader.of(resources)
    if reader is None:
        return []
    return [
        ToolSpec(_summarize(reader), "read", untrusted=True, hints=wishes.to_summarize),
        ToolSpec(_translate(reader), "read", untrusted=True, hints=wishes.to_translate),
        ToolSpec(_classify(reader), "read", untrusted=True, hints=wishes.to_classify),
        ToolSpec(_extract(reader), "read", untrusted=True, hints=lambda question: None),
    ]


def unavailable(resources: Resources) -> str:
    """Why there are none."""
    return "" if resources.model is not None else "There is no model to read texts with."


def _summarize(reader: Reader) -> BaseTool:
    from langchain_core.tools import ToolException, tool

    @tool
    def summarize(text: str, sentences: int = 3) -> str:
        """Summarize a text in a number of sentences."""
        if not 1 <= sentences <= summary.MOST_SENTENCES:
            raise ToolException(f"A summary has 1 to {summary.MOST_SENTENCES} sentences, not {sentences}.")
        return summary.summarized(reader, checked(text), sentences)

    return summarize


def _translate(reader: Reader) -> BaseTool:
    from langchain_core.tools import ToolException, tool

    @tool
    def translate(text: str, language: str) -> str:
        """Translate a text into a language."""
        if not language.strip() or len(language) > LONGEST_LANGUAGE or "\n" in language:
            raise ToolException('Name the language to translate into, such as "French".')
        if reader.small:
            raise ToolException("The model in use is too small to translate; choose a larger one.")
        parts = reader.parts(checked(text))
        said = [reader.say(_TRANSLATE.format(language=language.strip(), text=part)) for part in parts[:MOST_PARTS]]
        remarks = [_CUT] if any(cut for _, cut in said) else []
        if len(parts) > MOST_PARTS:
            remarks.append(f"(Translated the first {MOST_PARTS} of {len(parts)} parts; the others were left out.)")
        return "\n\n".join([*(each for each, _ in said), *remarks])

    return translate


def _classify(reader: Reader) -> BaseTool:
    from langchain_core.tools import tool

    @tool
    def classify_sentiment(text: str) -> str:
        """Say whether the sentiment of a text is positive, negative or neutral."""
        return labels.sentiment(reader, checked(text))

    return classify_sentiment


def _extract(reader: Reader) -> BaseTool:
    from langchain_core.tools import tool

    @tool(response_format="content_and_artifact")
    def extract(
        text: str,
        kinds: Annotated[list[str], 'what to look for, such as "person", "date" or "intent"'],
    ) -> tuple[str, dict[str, Any]]:
        """Extract names, dates and other entities, or the intent, from a text."""
        return labels.extracted(reader, checked(text), kinds)

    return extract
