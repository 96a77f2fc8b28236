"""A small collection of documents, and chats over it whose model is scripted."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.cli.chat import Conversation
from agent.config import Settings
from agent.session import ChatSession
from tests.agent.scripted import ScriptedModel

DOOR = """# House

Intro.

## Door

The door of the house is painted blue.
It was built in 1901 by Ada Smith.
"""
SEA = """# Sea

The sea is deep \x1b]0;owned\x07and salty, and \x1b[31mno one\x1b[0m has ever seen its darkest end.
"""

Chat = Callable[..., tuple[int, Conversation]]


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Settings:
    """Settings of a home in which two documents are indexed; read it, or copy what you change."""
    root = tmp_path_factory.mktemp("ratchet")
    docs = root / "docs"
    docs.mkdir()
    (docs / "house.md").write_text(DOOR, encoding="utf-8")
    (docs / "sea.md").write_text(SEA, encoding="utf-8")
    settings = Settings(home=root / "home", models=models_folder)
    with ChatSession(settings, model=ScriptedModel(script=[])) as session:
        assert session.ingest([docs]).added == 2
    return settings


@pytest.fixture
def chat(indexed: Settings, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    """Runs a chat over a pipe: lines in, exit code and conversation out, in a home of its own."""
    own_home.mkdir()
    (own_home / "indexes").symlink_to(indexed.home / "indexes")
    sessions: list[ChatSession] = []

    def run(
        lines: Sequence[str], script: Sequence[Any] = (), after_word: Callable[[], None] | None = None
    ) -> tuple[int, Conversation]:
        model = ScriptedModel(script=list(script))
        model._after_first = after_word
        session = ChatSession(Settings(home=own_home, models=indexed.models), model=model)
        sessions.append(session)
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))
        conversation = Conversation(session)
        return conversation.over_pipe(), conversation

    yield run
    for session in sessions:
        session.close()
