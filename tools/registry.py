"""Name → tool: where each is built, what it risks, when it is worth offering to a small model.

A tool module has three names: `RISK`, `build(resources)`, and `hints(question)`. The last answers
None when the tool cannot help with the question, else candidate values per argument found in the
question itself (`{"expression": ["17*23"]}`; an empty dict when there are none). A model that picks
tools well is offered all of them; a small one only those with hints, with arguments narrowed to them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from knowledge.schema import Retrieval

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

Risk = Literal["read", "write", "execute", "network"]

TOOLS: dict[str, str] = {
    "calculator": "tools.calculator",
    "current_time": "tools.current_time",
    "search_knowledge": "tools.search_knowledge",
}


@dataclass(frozen=True, slots=True)
class Resources:
    """What tools may reach, passed in so that a test or a host application can pass its own.

    Attributes:
        search: looks for passages in the indexed documents; None when nothing is indexed.
        now: the current local time, timezone-aware.
    """

    search: Callable[[str], Retrieval] | None = None
    now: Callable[[], datetime] = lambda: datetime.now().astimezone()


def _module(name: str) -> Any:
    if name not in TOOLS:
        raise KeyError(f"unknown tool {name!r}; known: {', '.join(sorted(TOOLS))}")
    return importlib.import_module(TOOLS[name])


def risk_of(name: str) -> Risk:
    """The risk class that a tool declares.

    Raises:
        KeyError: no tool of that name is registered.
    """
    return cast(Risk, _module(name).RISK)


def build_tools(resources: Resources, names: Sequence[str] | None = None) -> list[BaseTool]:
    """The named tools (default: all), without those whose resource is absent.

    Raises:
        KeyError: no tool of that name is registered.
    """
    tools: list[BaseTool] = []
    for name in TOOLS if names is None else names:
        tools += _module(name).build(resources)
    return tools


def hints_for(name: str, question: str) -> dict[str, list[str]] | None:
    """Candidate argument values in the question, or None when the tool cannot help with it."""
    if name not in TOOLS:
        return {}
    return cast("dict[str, list[str]] | None", _module(name).hints(question))
