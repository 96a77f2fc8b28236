"""Guessing and asking have their price."""

from __future__ import annotations

import pytest

pytest.importorskip("gradio")


from ui.share_parts.limits import FREE_GUESSES, FREE_GUESSES_OF_ALL, LoginGuard, counted_as


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


def test_who_has_logged_in_before_does_not_wait_for_the_guesses_of_others() -> None:
    guard = LoginGuard(clock=lambda: 0.0)
    assert guard.begin("home") == 0.0
    guard.succeeded("home")
    for number in range(2 * FREE_GUESSES_OF_ALL):
        guard.begin(f"attacker {number}")
    assert guard.begin("elsewhere") > 0
    assert guard.begin("home") == 0.0


def test_an_account_of_ones_own_does_not_make_guesses_at_others_free() -> None:
    guard, wrong = LoginGuard(clock=lambda: 0.0), 0
    for _ in range(100):
        if guard.begin("insider") == 0.0:
            guard.succeeded("insider")
        wrong += guard.begin("insider") == 0.0
    assert wrong <= FREE_GUESSES


def test_an_address_is_counted_with_all_that_its_owner_has() -> None:
    assert counted_as("2001:db8:1:2::1") == counted_as("2001:db8:1:2:ffff::9") != counted_as("2001:db8:1:3::1")
    assert counted_as("::ffff:10.0.0.1") == counted_as("10.0.0.1") != counted_as("10.0.0.2")
    assert counted_as("fe80::1%eth0") and counted_as("testclient") == "testclient"
