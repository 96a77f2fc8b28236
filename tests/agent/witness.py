"""Tools that only leave a trace of having been run, and a session over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool

from agent.config import Settings
from agent.session import ChatSession
from tests.agent.scripted import ScriptedModel
from tools.registry import Toolbox
from tools.spec import Risk, ToolSpec


class Witness:
    """Tools of every risk; `ran` lists what was executed, as (tool, text)."""

    def __init__(self, trace: Path | None = None) -> None:
        self.ran: list[tuple[str, str]] = []
        self.trace = trace

    def specs(self) -> dict[str, ToolSpec]:
        """Tools named like real ones, by name."""
        made = [
            self._spec("save", "write", preview=lambda arguments: f"+ {arguments['text']}"),
            self._spec("run", "execute"),
            self._spec("send", "network"),
            self._spec("look", "read", untrusted=True),
            self._spec("count", "read"),
        ]
        return {spec.name: spec for spec in made}

    def _spec(self, name: str, risk: Risk, **declared: Any) -> ToolSpec:
        def act(text: str) -> str:
            self.ran.append((name, text))
            if self.trace is not None:
                with self.trace.open("a") as file:
                    file.write(f"{name} {text}\n")
            return f"{name} did {text}"

        act.__doc__ = f"Do what {name} does."
        return ToolSpec(tool(name)(act), risk, **declared)


@contextmanager
def witnessed(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sessions opened meanwhile have the witness's tools and no others."""
    with monkeypatch.context() as patch:
        patch.setattr("agent.runtime.open_toolbox", lambda settings, **resources: Toolbox(witness.specs(), {}))
        yield


def session_of(settings: Settings, *script: Any, thread_id: str | None = None, **tools: Any) -> ChatSession:
    """A session whose model plays a script; `tools` are settings of the tools."""
    update = {
        "model": settings.model.model_copy(update={"name": "openai:scripted"}),
        "tools": settings.tools.model_copy(update=tools),
    }
    return ChatSession(
        settings.model_copy(update=update), model=ScriptedModel(script=list(script)), thread_id=thread_id
    )
