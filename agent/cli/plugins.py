"""Commands that other packages add under the entry-point group `ratchet.commands`.

An entry point names a function `register(app)` that adds a command or a group of the entry point's name. It is looked
for only when the name is none of ours, or when all commands are listed, as looking for entry points takes time.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.main import get_command

from agent.cli.seam import Seam

GROUP = "ratchet.commands"


class WithPlugins(Seam):
    """The root command with what other packages add to it."""

    _loaded = False

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, ours first."""
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name."""
        if cmd_name not in self.commands:
            self._load()
        return super().get_command(ctx, cmd_name)

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        from importlib.metadata import entry_points

        for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
            if point.name not in self.commands:
                self.commands.update(_commands(point))


def _commands(point: Any) -> dict[str, Any]:
    """What an entry point adds; one that fails costs its own command and says so."""
    try:
        added = typer.Typer(rich_markup_mode=None)
        added.callback()(lambda: None)
        point.load()(added)
        found: dict[str, Any] = getattr(get_command(added), "commands", {})
        return {point.name: found[point.name]}
    except Exception as error:  # whatever a foreign package raises
        from agent.cli.output import err, foreign

        err().print(foreign(f"The command {point.name} of {point.value} is not there: {type(error).__name__}: {error}"))
        return {}
