"""The first lines of a chat: who answers, from what, in which conversation. Loads nothing heavy."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.output import counted, foreign, out
from agent.errors import KnowledgeError

if TYPE_CHECKING:
    from agent.session import ChatSession


def print_banner(session: ChatSession, known_thread: str | None) -> None:
    """Model, documents, memory and thread in one line, and how to begin where nothing is indexed."""
    from rich.text import Text

    settings = session.settings
    files = count_files(settings.index_folder)
    facts = count_facts(settings.database)
    parts = [
        session.model_name,
        counted(files, "document") if files else "no documents",
        counted(facts, "memory", "memories") if facts else "",
        f"conversation {known_thread}" if known_thread else "new conversation",
    ]
    out().print(Text("Ratchet", style="bold cyan") + foreign(" · " + " · ".join(filter(None, parts)), "dim"))
    if not files:
        out().print(foreign("Read some in with /docs FOLDER or `ratchet ingest FOLDER`.", "yellow"))
    out().print(foreign("/help shows what you can do here.", "dim"))


def count_files(index_folder: Path) -> int:
    """Documents in the collection, as its manifest says; 0 when it has none or cannot be read."""
    from knowledge.index.generations import current

    try:
        return int(current(index_folder).notes.get("files", 0))
    except KnowledgeError:
        return 0


def count_facts(database: Path) -> int:
    """Facts remembered. Read from the table itself: the store's own module takes a second to import."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM store WHERE prefix = 'facts'").fetchone()[0])
    except sqlite3.Error:
        return 0
