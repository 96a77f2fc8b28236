"""What training is made of: examples with their provenance, and the splits they are put into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Split = Literal["train", "dev", "test"]
Message = Mapping[str, Any]
ToolSchema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation whose assistant messages are what a model should say.

    Attributes:
        messages: in OpenAI's form. A user's message may carry `passages` (texts shown with the question), an
            assistant's may carry `tool_calls` (a list of `{"name": …, "arguments": {…}}`) and `weight` (0: context
            only, nothing is learned from it).
        tools: schemas in OpenAI's form, in the order in which the model is shown them.
        source: where it comes from, exactly: "turn:ID", "file:NAME#LINE", "passage:ID", "family:NAME#SEED".
        group: what a split must not tear apart: a thread, a document, a dialogue, a family of tools.
        rejected: for preference learning, what the model should not have said in place of the last message.
        label: for lone thumbs (KTO): whether the last message is wanted; None where there is no verdict.
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSchema, ...] = ()
    source: str = ""
    group: str = ""
    rejected: Message | None = None
    label: bool | None = None

    @property
    def key(self) -> str:
        """SHA-256 of what the model is asked, so that a question asked in evaluation is never trained on.

        The last assistant message is left out, as are names of tools that were merely offered beside it.
        """
        asked = [_said(message) for message in self.messages if message["role"] != "system"]
        while asked and asked[-1][0] == "assistant":
            asked.pop()
        return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain values, one line of a data set file."""
        line: dict[str, Any] = {"messages": list(self.messages), "source": self.source, "group": self.group}
        if self.tools:
            line["tools"] = list(self.tools)
        if self.rejected is not None:
            line["rejected"] = self.rejected
        if self.label is not None:
            line["label"] = self.label
        return line

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Example:
        """The inverse of `to_json`."""
        return cls(
            tuple(line["messages"]),
            tuple(line.get("tools", ())),
            line.get("source", ""),
            line.get("group", ""),
            line.get("rejected"),
            line.get("label"),
        )


def _said(message: Message) -> tuple[str, str, list[str]]:
    """Role, words and passages of a message, folded so that case and spacing make no difference."""
    text = " ".join(str(message.get("content") or "").split()).casefold()
    return message["role"], text, [" ".join(str(one).split()) for one in message.get("passages", ())]


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """What is fed to the model for one request and its reply.

    Attributes:
        ids: token numbers, the reply and the end-of-turn token included.
        targets: for each token, whether the model is taught to produce it.
        shared: how many tokens at the front may be shared with other sequences that begin alike.
        weights: for each token, how much it counts in the loss where it is a target; empty: all alike.
    """

    ids: Sequence[int]
    targets: Sequence[bool]
    shared: int = 0
    weights: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class DatasetSplits:
    """A data set in its three parts; no group and no question is in two of them."""

    train: tuple[Example, ...] = ()
    dev: tuple[Example, ...] = ()
    test: tuple[Example, ...] = ()
    notes: tuple[str, ...] = field(default=())
