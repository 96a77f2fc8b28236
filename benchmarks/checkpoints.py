"""How the database grows: 400 turns on one thread, and how long a turn takes as it gets longer.

A scripted model stands in for a real one, so that what is measured is the session's own work: retrieval,
the graph, its checkpoints, the record of the turn. The size is that of `ratchet.db` with its write-ahead log,
and holds checkpoints and records (every turn with its passages). Asked twice: with the short history that a
small model is given, and with the long one of a large model.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from agent.config import ModelSettings, Settings
from agent.session import ChatSession
from benchmarks.measure import Summary, Table, arguments, machine, publish, summarize
from benchmarks.workspace import options, private_settings, questions, workspace

MARKS = (50, 100, 200, 400)
ANSWER = (
    "Declare it as a parameter with a type, and the framework reads, converts and validates the value "
    "before your function is called. When the value is missing or wrong, the client is told which and why, "
    "and your function does not run. The same declaration also appears in the interactive documentation."
)
KINDS = {"a small model": "local:default", "a large model": "openai:scripted"}


class Scripted(BaseChatModel):
    """Says the same three sentences to everything, a word at a time."""

    profile: Any = {"max_input_tokens": 32_000}

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def get_num_tokens(self, text: str) -> int:
        """Tokens as English text has them, nearly enough."""
        return len(text) // 4

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Offered tools are never called."""
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        from langchain_core.language_models.chat_models import generate_from_stream

        return generate_from_stream(self._stream(messages))

    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for word in ANSWER.split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))


def main() -> None:
    """Run both kinds and print one table."""
    parser = arguments(__doc__)
    options(parser)
    parser.add_argument("--turns", type=int, default=max(MARKS))
    given = parser.parse_args()
    facts = machine()
    results: dict[str, Any] = {}
    with workspace(given.docs, given.home) as place:
        for kind, spec in KINDS.items():
            with tempfile.TemporaryDirectory(prefix="ratchet-benchmark-") as folder:
                settings = private_settings(Path(folder), model=ModelSettings(name=spec))
                shutil.copytree(place.settings.index_folder, settings.index_folder)
                results[kind] = grow(settings, given.turns)
    rows = [
        (kind, turns, f"{size:.2f} MiB", f"{inside['checkpoints']:.2f} MiB", seconds.show(3, "s"))
        for kind, marks in results.items()
        for turns, size, inside, seconds in marks
    ]
    head = ("prompt budget of", "turns", "database", "of it checkpoints", "a turn since the last line")
    publish(facts, results, [Table("Growth of one thread", head, rows)], given.json)


def grow(settings: Settings, turns: int) -> list[tuple[int, float, dict[str, float], Summary]]:
    """Ask `turns` questions on one thread; at each mark (turns, MiB, MiB by kind, seconds per turn since)."""
    marks: list[tuple[int, float, dict[str, float], Summary]] = []
    asked = itertools.cycle(question.question for question in questions(answered=True))
    seconds: list[float] = []
    with ChatSession(settings, model=Scripted()) as session:
        for number in range(1, turns + 1):
            began = time.perf_counter()
            session.ask(next(asked))
            seconds.append(time.perf_counter() - began)
            if number in MARKS or number == turns:
                marks.append(
                    (number, size_mib(settings.database), by_kind(settings.database), summarize(seconds))
                )
                seconds = []
    return marks


def size_mib(database: Path) -> float:
    """The database and the files that belong to it."""
    return sum(path.stat().st_size for path in database.parent.glob(f"{database.name}*")) / 2**20


def by_kind(database: Path) -> dict[str, float]:
    """MiB of content in the tables of the checkpointer, and in all others."""
    connection = sqlite3.connect(database)
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        sizes = {"checkpoints": 0.0, "records": 0.0}
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            total = " + ".join(f"coalesce(sum(length(CAST({column} AS BLOB))), 0)" for column in columns)
            (held,) = connection.execute(f"SELECT {total} FROM {table}").fetchone()
            sizes["checkpoints" if table in ("checkpoints", "writes") else "records"] += held / 2**20
        return sizes
    finally:
        connection.close()


if __name__ == "__main__":
    main()
