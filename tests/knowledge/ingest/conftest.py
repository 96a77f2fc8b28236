"""An embedder that tells what it was given, and a place for an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.knowledge.words import WordEmbedder


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "index"
