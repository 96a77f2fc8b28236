"""Each tier that works on this machine, and one as on Linux 5.13, where Landlock guards less."""

from __future__ import annotations

import pytest

from tools.sandbox import landlock, tiers
from tools.sandbox.sandbox import Sandbox

TIERS = ("bubblewrap", "landlock", "landlock as in Linux 5.13")


def make(name: str) -> Sandbox:
    """The sandbox of a tier; skips, with the reason, where this machine has none."""
    tier: tiers.Tier = "bubblewrap" if name == "bubblewrap" else "landlock"
    if reason := tiers.why_not(tier):
        pytest.skip(reason)
    return Sandbox(tier, 1 if name.endswith("5.13") else landlock.version())


@pytest.fixture(scope="session", params=TIERS)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """A working sandbox of each tier."""
    return make(request.param)
