"""The bundled model, where it is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import ModelNotFound
from agent.models.bundled import prepare


@pytest.fixture(scope="session")
def smollm2(models_folder: Path) -> Path:
    try:
        return prepare(models_folder)
    except ModelNotFound as error:
        pytest.skip(f"the bundled model is not here: {error}")
