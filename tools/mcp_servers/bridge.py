"""A server's tool as a LangChain tool. Imported only when there is a server: langchain_core takes its time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from langchain_core.tools import BaseTool


class McpTool(BaseTool):
    """Hands its arguments on, whatever they are called.

    Not a `StructuredTool`: that keeps the names `config` and `run_manager` for itself, which are arguments of
    real servers.
    """

    send: Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"

    def _run(self, /, **arguments: Any) -> tuple[str, dict[str, Any]]:
        return self.send(arguments)
