"""What tools may reach. Everything is passed in, so that a test or a host application can pass its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from knowledge.schema import Passage, Retrieval

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.language_models import BaseChatModel


class Documents(Protocol):
    """The indexed documents, whole: what `KnowledgeIndex` offers of itself."""

    def sources(self) -> Mapping[str, Any]:
        """What is known of each file (`FileEntry`), by absolute path."""
        ...

    def rows_of(self, source: str, /) -> np.ndarray:
        """The rows of a file's passages in reading order, int64 [n]."""
        ...

    def passages(self, rows: np.ndarray, /) -> list[Passage]:
        """The passages of some rows, in their order."""
        ...


class Facts(Protocol):
    """What the user asked to be remembered: `agent.memory.FactStore`; ids may be shortened."""

    def add(self, text: str) -> Any:
        """Remember a fact; returns it, with `fact_id` and `text`."""
        ...

    def all(self) -> Sequence[Any]:
        """Every fact, oldest first."""
        ...

    def delete(self, fact_id: str) -> None:
        """Forget a fact."""
        ...


@dataclass(frozen=True, slots=True)
class SearchService:
    """A web search service. `key` is never printed: it is no part of the repr."""

    kind: Literal["searxng", "brave", "tavily"]
    url: str
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class McpServer:
    """An MCP server, started by a command (stdio) or reached at an address (streamable HTTP).

    `environment` and `headers` may hold secrets and are no part of the repr.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    risk: Literal["read", "write", "execute", "network"] = "execute"


@dataclass(frozen=True, slots=True)
class Resources:
    """What tools may reach; what is None or empty is not there, and its tools are not built.

    Attributes:
        search: looks for passages in the indexed documents.
        now: the current local time, timezone-aware.
        documents: the indexed documents as wholes.
        workspace: the one folder in which files may be read and written.
        artifacts: where tools put files they make (plots), under names of their own making.
        state: where a tool keeps what must outlast the session (pinned schemas, undo).
        databases: name → path of a SQLite, CSV or Parquet file, or a PostgreSQL URL, to be read by SQL.
        search_service: for web searches.
        mcp: the MCP servers whose tools are offered.
        plugins: dotted names of LangChain tools, "package.module:Name".
        facts: the user's remembered facts.
        model: the chat model, for tools that need one.
        delegate: (task, tool names) → the answer of a sub-agent with a context of its own.
        cancelled: whether the user has asked to stop; long tools look at it several times a second.
        python_seconds, python_megabytes: limits of a sandboxed program.
    """

    search: Callable[[str], Retrieval] | None = None
    now: Callable[[], datetime] = lambda: datetime.now().astimezone()
    documents: Documents | None = None
    workspace: Path | None = None
    artifacts: Path | None = None
    state: Path | None = None
    databases: Mapping[str, str] = field(default_factory=dict, repr=False)  # an address may hold a password
    search_service: SearchService | None = None
    mcp: tuple[McpServer, ...] = ()
    plugins: tuple[str, ...] = ()
    facts: Facts | None = None
    model: BaseChatModel | None = None
    delegate: Callable[[str, Sequence[str]], str] | None = None
    cancelled: Callable[[], bool] = lambda: False
    python_seconds: float = 20.0
    python_megabytes: int = 1024
