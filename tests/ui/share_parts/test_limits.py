"""Guessing and asking have their price."""

from __future__ import annotations

import pytest

pytest.importorskip("gradio")


from ui.share_parts.limits import FREE_GUESSES, LoginGuard


def test_guessing_is_slowed_down_for_everybody_together() -> None:
    now = [0.0]
    guard = LoginGuard(clock=lambda: now[0])
    waits = [guard.begin("one") for _ in range(FREE_GUESSES)]
    assert waits == [0.0] * FREE_GUESSES
    allowed = 0
    for _ in range(24 * 3600):  # a day of trying each second
        now[0] += 1
        allowed += guard.begin("one") == 0.0
    assert allowed < 120
    many = LoginGuard(clock=lambda: now[0])
    assert sum(many.begin(f"address {number}") == 0.0 for number in range(10_000)) == 50
    many.succeeded("address 1")
    assert many.begin("address 1") == 0.0
