"""How the database grows: 400 turns on one thread, and how long a turn takes as it gets longer.

A scripted model stands in for a real one, so that what is measured is the session's own work: retrieval,
the graph, its checkpoints, the record of the turn. The size is that of `ratchet.db` with its write-ahead log,
and holds checkpoints and records (every turn with its passages). Asked twice: with the short history that a
small model is given, and with the long one of a large model.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
BUDGETS = {"a small model": "local:default", "a large model": "openai:scripted"}


@dataclass(frozen=True, slots=True)
class Mark:
    """The database after some turns: sizes in MiB, seconds of the turns since the mark before."""

    budget: str
    turns: int
    file: float
    log: float
    checkpoints: float
    others: float
    seconds: Summary


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

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for word in ANSWER.split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))


def main() -> None:
    """Run both kinds and print one table."""
    parser = arguments(__doc__)
    options(parser)
    parser.add_argument("--turns", type=int, default=max(MARKS))
    given = parser.parse_args()
    facts = machine()
    results: list[Mark] = []
    with workspace(given.docs, given.home) as place:
        for budget, spec in BUDGETS.items():
            with tempfile.TemporaryDirectory(prefix="ratchet-benchmark-") as folder:
                settings = private_settings(Path(folder), model=ModelSettings(name=spec))
                shutil.copytree(place.settings.index_folder, settings.index_folder)
                results += grow(settings, budget, given.turns)
    rows = [
        (mark.budget, mark.turns, f"{mark.file:.2f} + {mark.log:.2f}", f"{mark.checkpoints:.2f}", f"{mark.others:.2f}")
        + (mark.seconds.show(3, "s"),)
        for mark in results
    ]
    head = ("prompt budget of", "turns", "file + log, MiB", "checkpoints, MiB", "all else, MiB", "a turn since then")
    publish(facts, {"marks": results}, [Table("Growth of one thread", head, rows)], given.json)


def grow(settings: Settings, budget: str, turns: int) -> list[Mark]:
    """Ask `turns` questions on one thread; what the database is like at each mark."""
    marks: list[Mark] = []
    asked = itertools.cycle(question.question for question in questions(answered=True))
    seconds: list[float] = []
    with ChatSession(settings, model=Scripted()) as session:
        for number in range(1, turns + 1):
            began = time.perf_counter()
            session.ask(next(asked))
            seconds.append(time.perf_counter() - began)
            if number in MARKS or number == turns:
                marks.append(
                    Mark(budget, number, *sizes(settings.database), *content(settings.database), summarize(seconds))
                )
                seconds = []
    return marks


def sizes(database: Path) -> tuple[float, float]:
    """MiB of the database file, and of the log and index beside it."""
    file = database.stat().st_size
    return file / 2**20, (sum(path.stat().st_size for path in database.parent.glob(f"{database.name}*")) - file) / 2**20


def content(database: Path) -> tuple[float, float]:
    """MiB of content in the checkpointer's tables, and in all others."""
    held = {True: 0.0, False: 0.0}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            total = " + ".join(f"coalesce(sum(length(CAST({column} AS BLOB))), 0)" for column in columns)
            (size,) = connection.execute(f"SELECT {total} FROM {table}").fetchone()
            held[table in ("checkpoints", "writes")] += size / 2**20
    return held[True], held[False]


if __name__ == "__main__":
    main()
