"""Name → tool: where each is built and what it declares. Built-in tools, plug-ins and MCP use the same door.

A tool module offers `build(resources) -> list[ToolSpec]`: its tools, none where their resource is absent. It may
offer `unavailable(resources) -> str`: why it builds none, in one sentence; empty when it does, or when there is
nothing to say. A module whose tools come from several places offers `gather(resources)` instead of that: its tools,
and a dict of place → why it gives none.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tools.resources import Resources
from tools.spec import ToolSpec

MODULES: tuple[str, ...] = (
    "calculator",
    "current_time",
    "files",
    "read_document",
    "remember",
    "python",
    "search_knowledge",
    "sql",
    "web_fetch",
    "web_search",
    "text_tasks",
    "delegate",
    "plugins",
    "mcp_servers",
)


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools there are, and why others are not.

    Attributes:
        tools: name → tool.
        unavailable: name of a module, plug-in or server → why it gives no tools.
    """

    tools: dict[str, ToolSpec]
    unavailable: dict[str, str]

    def close(self) -> None:
        """End what the tools keep running (MCP servers)."""
        for spec in self.tools.values():
            if spec.close is not None:
                with suppress(Exception):  # others' code: one that fails must not keep the next from being ended
                    spec.close()


def build_tools(resources: Resources, modules: Sequence[str] = MODULES) -> Toolbox:
    """The tools of the named modules; a name that two of them claim stays with the first."""
    toolbox = Toolbox({}, {})
    for module in map(_module, modules):
        name = module.__name__.rpartition(".")[2]
        if hasattr(module, "gather"):
            specs, reasons = module.gather(resources)
            toolbox.unavailable.update(reasons)
        else:
            specs = module.build(resources)
            if reason := getattr(module, "unavailable", lambda _: "")(resources):
                toolbox.unavailable[name] = reason
        _take(toolbox, name, specs)
    return toolbox


def _take(toolbox: Toolbox, name: str, specs: Iterable[ToolSpec]) -> None:
    for spec in specs:
        if spec.name in toolbox.tools:
            toolbox.unavailable[f"{name}: {spec.name}"] = "Another tool has the same name."
        else:
            toolbox.tools[spec.name] = spec


def _module(name: str) -> Any:
    return importlib.import_module(f"tools.{name}")
