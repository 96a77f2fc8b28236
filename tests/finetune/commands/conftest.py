"""What tests of commands share."""

from __future__ import annotations

import pytest

from finetune.training import installed


@pytest.fixture
def pytorch_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether PyTorch is there does not matter, as what is tested comes before training."""
    monkeypatch.setattr(installed, "NEEDED", ())
