"""The bundled model, loaded once for all tests that need a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import ModelNotFound
from agent.models.bundled import prepare
from agent.models.local import LocalChatModel


@pytest.fixture(scope="session")
def gguf(models_folder: Path) -> Path:
    try:
        return prepare(models_folder)
    except ModelNotFound as error:
        pytest.skip(f"the bundled model is not here: {error}")


@pytest.fixture(scope="session")
def model(gguf: Path) -> LocalChatModel:
    return LocalChatModel(path=gguf, max_tokens=24)
