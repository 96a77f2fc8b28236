"""`ratchet improve`, run in this process."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from agent.cli import app


def ratchet(*words: str) -> Result:
    """What `ratchet improve` with these words wrote, and its exit code."""
    return CliRunner().invoke(app, ["improve", *words])


def told(*words: str) -> dict[str, Any]:
    """What it said with --json, once it has ended well."""
    done = ratchet(*words, "--json")
    assert done.exit_code == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))
