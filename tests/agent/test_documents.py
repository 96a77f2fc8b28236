"""The documents of a session: read in, and seen as soon as anybody has changed them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.config import Settings
from agent.documents import add, file_endings, local_paths
from agent.session import ChatSession
from knowledge.errors import EmbedderMismatch, IndexMissing
from knowledge.query_adapter import QueryAdapter
from tests.agent.scripted import ScriptedModel
from tests.knowledge.words import WordEmbedder


@pytest.fixture
def session(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatSession]:
    """A session with a scripted model and an embedder that counts words."""
    monkeypatch.setattr("agent.embedder.build_embedder", lambda settings: WordEmbedder())
    with ChatSession(settings, model=ScriptedModel(script=[])) as session:
        yield session


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "pump.md").write_text("# Pump\n\nRinse the filter every two weeks.\n")
    return docs


def test_what_others_ingest_is_seen_and_nothing_is_opened_twice(
    session: ChatSession, settings: Settings, docs: Path
) -> None:
    runtime = session._runtime
    assert session.passages_indexed == 0
    add(settings, WordEmbedder(), [docs])
    runtime.refresh_documents()
    assert session.passages_indexed == 1
    index = runtime.index
    runtime.refresh_documents()
    assert runtime.index is index
    (docs / "lamp.md").write_text("# Lamp\n\nThe lamp is lit at dusk.\n")
    add(settings, WordEmbedder(), [docs])
    runtime.refresh_documents()
    assert session.passages_indexed == 2
    assert index is not None
    assert index.sources(), "a search that is under way may still read the generation before"


def test_documents_that_cannot_be_opened_are_refused_each_time_and_found_again(
    session: ChatSession, settings: Settings, docs: Path
) -> None:
    runtime = session._runtime
    add(settings, WordEmbedder(), [docs])
    runtime.refresh_documents()
    before = runtime.index
    add(settings, WordEmbedder("other"), [docs], rebuild=True)
    for _ in range(2):
        with pytest.raises(EmbedderMismatch):
            runtime.refresh_documents()
        assert runtime.index is before
    add(settings, WordEmbedder(), [docs], rebuild=True)
    runtime.refresh_documents()
    assert session.search("filter").passages


def test_an_adapter_that_was_learned_meanwhile_is_used(session: ChatSession, settings: Settings, docs: Path) -> None:
    runtime = session._runtime
    add(settings, WordEmbedder(), [docs])
    runtime.refresh_documents()
    assert runtime.retriever is not None and runtime.retriever.adapter is None
    QueryAdapter(np.zeros((64, 64), dtype=np.float32), WordEmbedder().fingerprint).save(settings.index_folder)
    runtime.refresh_documents()
    assert runtime.retriever.adapter is not None


def test_a_session_ingests_names_and_everything_again(session: ChatSession, docs: Path) -> None:
    assert session.ingest([str(docs)]).added == 1
    (docs / "lamp.md").write_text("# Lamp\n\nThe lamp is lit at dusk.\n")
    assert (session.ingest([]).added, session.passages_indexed) == (1, 2)


def test_nothing_to_bring_up_to_date(session: ChatSession) -> None:
    with pytest.raises(IndexMissing, match="ratchet ingest FOLDER"):
        session.ingest([])


def test_addresses_are_told_from_paths(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetched: list[tuple[str, Path, bool]] = []

    def snapshot(url: str, folder: Path, *, allow_private: bool = False) -> Path:
        fetched.append((url, folder, allow_private))
        return folder / "page.html"

    monkeypatch.setattr("knowledge.fetch.fetch_snapshot", snapshot)
    named = ["https://example.org/a", tmp_path, "~/notes"]
    page = settings.home / "web" / "page.html"
    assert local_paths(settings, named) == [page, tmp_path, Path.home() / "notes"]
    assert fetched == [("https://example.org/a", settings.home / "web", False)]


def test_loaders_of_the_settings_add_their_endings(settings: Settings) -> None:
    own = settings.knowledge.model_copy(update={"loaders": {".org": "package.module:Loader"}})
    known = file_endings(settings.model_copy(update={"knowledge": own}))
    assert {".md", ".org"} <= known
