"""Tools that only leave a trace of having been run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agent.witness import Witness, witnessed


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    """The tools that every session of the test has."""
    witness = Witness()
    with witnessed(witness, monkeypatch):
        yield witness
