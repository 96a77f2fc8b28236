"""The command line: `ratchet`, or `python -m agent.cli`. Heavy imports wait for a command."""

from agent.cli.app import app, main

__all__ = ["app", "main"]
