"""Every test has a home of its own and never the user's settings; models are prepared once per machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config import Settings, load_settings
from agent.errors import ModelNotFound
from agent.models.bundled import prepare

TESTS = Path(__file__).resolve().parent
SHARED = TESTS.parents[1] / "shared"
_MODELS = Path(sys.prefix) / "ratchet-models"
# Variables that would reach the user's own models, keys, settings or model hub.
_FOREIGN = ("RATCHET_", "OPENAI_", "OLLAMA_", "HF_", "LANGSMITH_", "LANGCHAIN_")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in tests/e2e, so that `pytest -m "not e2e"` is the quick run."""
    for item in items:
        if item.path.is_relative_to(TESTS / "e2e"):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """None of the user's variables; the models of the test environment; no model hub, no home of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
            patch.delenv(name)
        patch.setenv("RATCHET_MODELS", str(_MODELS))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh RATCHET_HOME, and folders of one's own wherever a configuration could be found."""
    home = tmp_path / "home"
    monkeypatch.setenv("RATCHET_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """Where the bundled model and embedder are prepared: on first use, then kept beside the environment."""
    return _MODELS


@pytest.fixture(scope="session")
def smollm2(models_folder: Path) -> Path:
    """The bundled model; a test that needs it is skipped where it is not here."""
    try:
        return prepare(models_folder)
    except ModelNotFound as error:
        pytest.skip(f"the bundled model is not here: {error}")


@pytest.fixture
def settings(own_home: Path) -> Settings:
    """Default settings in the test's own home."""
    return load_settings()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data sets beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the data sets are not beside this checkout")
    return SHARED / "data"
