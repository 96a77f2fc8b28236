"""Asking the model about a text: in parts that fit its context, stoppable, with answers held to a schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from tools.resources import Resources

LONGEST_TEXT = 1_000_000  # characters
MOST_PARTS = 12  # model calls for one long text
MOST_TOKENS = 12_000  # of one part: what is longer is read with less care
DEFAULT_CONTEXT = 4096  # tokens, where a model does not say
SMALL_FILE = 400 * 1024 * 1024  # bytes; the model in a smaller file repeats itself or invents
STOPPED = "Stopped, as the user asked."
_ABBREVIATION = re.compile(r"(?:\b(?:[A-Z]|Dr|Mr|Mrs|Ms|Prof|St|No|vs|etc|ca|approx)|\b[a-z]\.[a-z])\.$")


class Reader:
    """The model as these tools use it.

    Args:
        model: the chat model.
        cancelled: whether the user asked to stop.
    """

    def __init__(self, model: BaseChatModel, cancelled: Callable[[], bool]) -> None:
        self._model = model
        self._cancelled = cancelled

    @classmethod
    def of(cls, resources: Resources) -> Reader | None:
        """The session's model; None when there is none."""
        return cls(resources.model, resources.cancelled) if resources.model is not None else None

    @property
    def small(self) -> bool:
        """Whether the model is a local one of so few parameters that only its choices can be used, not its prose."""
        path = getattr(self._model, "path", None)
        return isinstance(path, Path) and path.is_file() and path.stat().st_size < SMALL_FILE

    @property
    def room(self) -> int:
        """Tokens of text for one call: half of the context, for the other half holds the task and the answer."""
        profile = self._model.profile or {}
        return max(200, min((profile.get("max_input_tokens") or DEFAULT_CONTEXT) // 2, MOST_TOKENS))

    def tokens(self, text: str) -> int:
        """Tokens of a text, guessed where the model has no tokenizer at hand."""
        try:
            return self._model.get_num_tokens(text)
        except ImportError:  # LangChain's own fallback needs a package that is not there
            return len(text) // 3 + 1

    def parts(self, text: str) -> list[str]:
        """The text in pieces of at most `room` tokens, cut between paragraphs or sentences where that is possible."""
        parts: list[str] = []
        part, used, room = "", 0, self.room
        for piece in self._pieces(text, room):
            cost = self.tokens(piece)
            if part and used + cost > room:
                parts.append(part)
                part, used = "", 0
            part, used = part + piece, used + cost
        return [each for each in (*parts, part) if each.strip()]

    def _pieces(self, text: str, room: int) -> Iterator[str]:
        for paragraph in re.split(r"(?<=\n)(?=[^\n])", text):
            if self.tokens(paragraph) <= room:
                yield paragraph
                continue
            for sentence in re.split(r"(?<=[.!?])(?=\s)", paragraph):
                # A token has a character or more, so a slice of as many characters always fits.
                slices = [sentence] if self.tokens(sentence) <= room else _sliced(sentence, room)
                yield from slices

    def say(self, prompt: str) -> tuple[str, bool]:
        """What the model says, and whether it was cut off by its limit of tokens.

        Raises:
            ToolException: the user asked to stop.
            ModelError: the model failed.
        """
        from langchain_core.messages import HumanMessage

        self.look()
        said, reason = "", ""
        for chunk in self._model.stream([HumanMessage(prompt)]):
            said += str(chunk.text)
            reason = str(chunk.response_metadata.get("finish_reason") or reason)
            self.look()
        return said.strip(), reason == "length"

    def choose(self, prompt: str, schema: dict[str, Any]) -> dict[str, Any]:
        """The model's answer by a JSON Schema.

        Raises:
            ToolException: the user asked to stop, or the model cannot keep to a schema.
            ModelError: the model failed.
        """
        from langchain_core.tools import ToolException

        self.look()
        try:
            answer = self._model.with_structured_output(schema).invoke(prompt)
        except NotImplementedError as error:
            raise ToolException("The model in use cannot answer by a schema; choose another model.") from error
        self.look()
        if not isinstance(answer, dict):
            raise ToolException("The model did not keep to the schema; try again or choose another model.")
        return answer

    def imitate(self, examples: Sequence[tuple[str, str]], question: str, schema: dict[str, Any]) -> str:
        """A small model's answer by a JSON Schema, after examples of questions and answers: it needs to be shown.

        Raises:
            ToolException: the user asked to stop.
            ModelError: the model failed.
        """
        from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

        self.look()
        messages: list[BaseMessage] = []
        for asked, answered in examples:
            messages += [HumanMessage(asked), AIMessage(answered)]
        wanted = {"type": "json_schema", "json_schema": {"name": schema["title"], "schema": schema}}
        answer = self._model.bind(response_format=wanted).invoke([*messages, HumanMessage(question)])
        self.look()
        return str(answer.text)

    def look(self) -> None:
        """Whether to go on.

        Raises:
            ToolException: the user asked to stop.
        """
        from langchain_core.tools import ToolException

        if self._cancelled():
            raise ToolException(STOPPED)


def checked(text: str) -> str:
    """The text of a call.

    Raises:
        ToolException: there is none, or too much.
    """
    from langchain_core.tools import ToolException

    if not text.strip():
        raise ToolException("The text is empty.")
    if len(text) > LONGEST_TEXT:
        raise ToolException(f"The text has {len(text):,} characters; at most {LONGEST_TEXT:,} can be read.")
    return text


def sentences(text: str) -> list[str]:
    """The sentences of a text; "Dr. Keller" and "e.g. this" do not end one."""
    from knowledge.spans import sentences_of

    found: list[str] = []
    for span in sentences_of(text):
        piece = text[span.start : span.end]
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] += f" {piece}"
        else:
            found.append(piece)
    return found


def _sliced(text: str, length: int) -> list[str]:
    return [text[at : at + length] for at in range(0, len(text), length)]
