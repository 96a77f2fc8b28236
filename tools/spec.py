"""What the policy must know of a tool beside how it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

Risk = Literal["read", "write", "execute", "network"]
RISKS: tuple[Risk, ...] = ("read", "write", "execute", "network")
Hints = Callable[[str], "dict[str, list[str]] | None"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A LangChain tool and what it declares of itself.

    Attributes:
        tool: what is called. Its artifact, if any, is a dict of plain JSON: `passages` (`Passage.to_json`) become
            evidence that an answer can cite; `files` (dicts of `name`, `media_type`, `path`) and `table` (dict of
            `columns`, `rows`) are shown by the front ends.
        risk: the worst it can do: "read" what the user gave it, "write" what lasts, "execute" code, or reach
            the "network". All but "read" are side effects.
        untrusted: whether its result is text that neither the user nor Ratchet wrote, so that it taints the turn.
        preview: arguments → what a person should see before approving, such as a diff; without any effect.
        hints: question → None when the tool cannot help with it, else candidate values per argument that stand in
            the question (`{"expression": ["17*23"]}`; an empty dict when there are none). None when the tool has no
            such rule; a small model is then offered it by likeness of its description.
        answers: whether its result can stand as the answer, for a small model that would only copy it wrong; False
            where it brings passages to answer from.
        always_ask: whether every call needs approval, whatever the settings allow.
        origin: "ratchet", "plugin NAME" or "mcp NAME": whose code it is.
        close: ends what the tool keeps running; safe to call twice.
    """

    tool: BaseTool
    risk: Risk
    untrusted: bool = False
    preview: Callable[[Mapping[str, Any]], str] | None = None
    hints: Hints | None = None
    answers: bool = True
    always_ask: bool = False
    origin: str = "ratchet"
    close: Callable[[], None] | None = None

    @property
    def name(self) -> str:
        """As the model calls it."""
        return self.tool.name

    @property
    def has_effects(self) -> bool:
        """Whether a call does more than read: it may not be repeated, and a tainted turn must ask for it."""
        return self.risk != "read"

    def hinted(self, question: str) -> dict[str, list[str]] | None:
        """What `hints` finds in a question; None too without such a rule, or where one of an outside tool fails."""
        if self.hints is None:
            return None
        try:
            return self.hints(question)
        except Exception:  # a plug-in's rule that fails must not end the turn
            if self.origin == "ratchet":
                raise
            return None
