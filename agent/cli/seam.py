"""The seam between commands and the shell: global options, error reports, exit codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from agent.cli import exit_codes
from knowledge.errors import RatchetError

if TYPE_CHECKING:
    from agent.config import Settings


@dataclass
class Invocation:
    """What the global options said, for every command of one run."""

    home: Path | None = None
    config_file: Path | None = None
    debug: bool = False
    json: bool = False

    def settings(self, **sections: Mapping[str, Any]) -> Settings:
        """The settings with the flags applied; sections are partial, None values are skipped.

        Raises:
            ConfigError: a file, variable or flag is wrong.
        """
        from agent.config import load_settings

        home = self.home.expanduser().absolute() if self.home else None
        return load_settings({"home": home, **sections}, file=self.config_file)


def invocation(ctx: typer.Context) -> Invocation:
    """The run this command belongs to."""
    return ctx.ensure_object(Invocation)


def _note_json(ctx: typer.Context, value: bool) -> bool:
    if value:
        invocation(ctx).json = True
    return value


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.", callback=_note_json)]


class Seam(TyperGroup):
    """The root command: whatever a command raises becomes a message and an exit code here, once."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except RatchetError as error:
            report(invocation(ctx), error)
            raise typer.Exit(error.exit_code) from error
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise
        except Exception as error:
            if invocation(ctx).debug:
                raise
            report(invocation(ctx), _unexpected(error))
            raise typer.Exit(exit_codes.OTHER) from error


def report(run: Invocation, error: RatchetError) -> None:
    """Tell the user, or with `--json` the script, what happened."""
    from agent.cli.output import print_error, print_json

    if run.json:
        print_json({"error": {"what": error.what, "kept": error.kept, "fix": error.fix}})
    else:
        print_error(error.what, error.kept, error.fix)
    if run.debug:
        import traceback

        traceback.print_exception(error)


def _unexpected(error: Exception) -> RatchetError:
    return RatchetError(
        f"Something unexpected went wrong: {type(error).__name__}: {error}",
        fix="Run it again as `ratchet --debug …` for the traceback, and please report it.",
    )
