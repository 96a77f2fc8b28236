"""Every test has a home of its own and never the user's settings; models are prepared once per machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config import Settings, load_settings

_MODELS = load_settings(environ={}).models_folder
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh RATCHET_HOME, and none of the variables that would reach the user's own models or keys."""
    for name in list(os.environ):
        if name.startswith("RATCHET_") or name in {"OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST"}:
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("RATCHET_HOME", str(home))
    monkeypatch.setenv("RATCHET_MODELS", str(_MODELS))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield home


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """The prepared model and embedder of this machine."""
    return _MODELS


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
