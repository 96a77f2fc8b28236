"""What cannot come to a good end is refused before a run begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.config import Settings, load_settings
from finetune.errors import ExportError, RecipeError
from finetune.improvement.checks import check_possible
from finetune.improvement.options import ImproveOptions
from finetune.registry import AdapterRegistry
from finetune.training import installed
from tests.finetune.loras import write_base, write_peft


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home with a tiny model; whether PyTorch is there does not matter to what is tested."""
    monkeypatch.setattr(installed, "NEEDED", ())
    write_base(tmp_path / "base.gguf")
    return load_settings({"home": tmp_path, "model": {"name": f"local:{tmp_path / 'base.gguf'}"}})


def serve(settings: Settings, **config: Any) -> None:
    registry = AdapterRegistry(settings.adapters_folder)
    registry.add("before", write_peft(settings.home / "peft", **config), settings.home / "base.gguf")
    registry.promote("before", force=True, reason="a test")


def test_options_that_fit_pass(settings: Settings) -> None:
    check_possible(settings, ImproveOptions(settings={"rank": "64", "rslora": "true"}))
    serve(settings)
    check_possible(settings, ImproveOptions(settings={"learning_rate": "1e-4"}))


def test_the_shape_of_what_is_served_cannot_be_changed(settings: Settings) -> None:
    serve(settings)
    with pytest.raises(RecipeError, match="The option rank cannot be 64: the adapter that training goes on from has"):
        check_possible(settings, ImproveOptions(settings={"rank": "64"}))
    with pytest.raises(RecipeError, match="rslora"):
        check_possible(settings, ImproveOptions(settings={"rslora": "true"}))


def test_what_could_not_be_served_is_not_trained(settings: Settings) -> None:
    with pytest.raises(RecipeError, match="dora cannot be served"):
        check_possible(settings, ImproveOptions(settings={"dora": "true"}))


def test_a_model_whose_adapters_cannot_be_converted_is_not_trained(settings: Settings) -> None:
    path = settings.home / "base.gguf"
    write_base(path, architecture="gemma")
    with pytest.raises(ExportError, match='architecture "gemma"'):
        check_possible(settings, ImproveOptions())


def test_missing_packages_are_named_first(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "NEEDED", ("no_such_package",))
    with pytest.raises(RecipeError, match="Training needs no_such_package"):
        check_possible(settings, ImproveOptions())
