"""What a visitor may see of a turn: the words, but not where on the owner's machine they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import QuestionError, RecordError, SessionBusy

if TYPE_CHECKING:
    from agent.errors import RatchetError
    from agent.schema import Failed, ToolCall, Turn
    from knowledge.schema import Passage

_HARMLESS = (SessionBusy, QuestionError, RecordError)
TROUBLE = ("Something went wrong on the computer that answers.", "Your conversation is kept.")
TRY_AGAIN = "Try again in a moment. If it keeps happening, tell the person who sent you this address."


class Outward:
    """Takes the paths of documents out of texts: of each only the file's name stays.

    Args:
        passages: those whose files a text may name.
        others: further paths.
    """

    def __init__(self, passages: Iterable[Passage], others: Iterable[str] = ()) -> None:
        paths = {passage.source for passage in passages} | set(others)
        known = {path: name_of(path) for path in paths if "/" in path or "\\" in path}
        self._names = sorted(known.items(), key=lambda item: len(item[0]), reverse=True)
        folders = {str(Path(path).parent) for path in known} | {str(Path.home())}
        self._folders = sorted((folder for folder in folders if len(folder) > 1), key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text with names in place of paths."""
        for path, name in self._names:
            text = text.replace(path, name)
        for folder in self._folders:
            text = text.replace(folder, "…")
        return text

    def value(self, value: Any) -> Any:
        """The same for every text in a JSON value."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list | tuple) else value

    def calls(self, calls: Sequence[ToolCall]) -> list[ToolCall]:
        """Tool calls; of what they made only tables stay."""
        return [
            replace(
                call,
                arguments=self.value(call.arguments),
                result=self.text(call.result),
                artifact={"table": self.value(call.artifact["table"])} if "table" in call.artifact else {},
            )
            for call in calls
        ]


def outward(turn: Turn) -> Turn:
    """The turn as a visitor may see it."""
    hide = Outward(turn.passages, (citation.source for citation in turn.citations))
    answer = hide.text(turn.answer)
    return replace(
        turn,
        answer=answer,
        verdicts=turn.verdicts if answer == turn.answer else (),  # their offsets would no longer fit
        citations=tuple(replace(each, source=name_of(each.source)) for each in turn.citations),
        passages=tuple(replace(each, source=name_of(each.source)) for each in turn.passages),
        tool_calls=tuple(hide.calls(turn.tool_calls)),
        notes=tuple(map(hide.text, turn.notes)),
        model="",
        adapter="",
    )


def name_of(path: str) -> str:
    """The last part of a path or address."""
    return path.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or path


def three_sentences(error: RatchetError | Failed) -> tuple[str, str, str]:
    """What a visitor is told: what he can do something about as it is, the owner's matters in general terms."""
    return (error.what, error.kept, error.fix) if isinstance(error, _HARMLESS) else (*TROUBLE, TRY_AGAIN)
