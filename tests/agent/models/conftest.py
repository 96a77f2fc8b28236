"""The bundled model, loaded once for all tests that need a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.models.local import LocalChatModel


@pytest.fixture(scope="session")
def gguf(smollm2: Path) -> Path:
    return smollm2


@pytest.fixture(scope="session")
def model(gguf: Path) -> LocalChatModel:
    return LocalChatModel(path=gguf, max_tokens=24)
