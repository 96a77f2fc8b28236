"""The root of the command line: global options and the list of commands."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from agent.cli import (
    approvals,
    ask,
    chat,
    config,
    doctor,
    exit_codes,
    feedback,
    knowledge,
    memory,
    models,
    threads,
    tools,
)
from agent.cli.output import prepare_streams
from agent.cli.plugins import WithPlugins
from agent.cli.seam import invocation

app = typer.Typer(
    name="ratchet",
    cls=WithPlugins,
    epilog=exit_codes.EPILOG,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=True,
)


def _show_version(value: bool) -> None:
    if value:
        from importlib import metadata

        try:
            print(f"ratchet {metadata.version('ratchet-agent')}")
        except metadata.PackageNotFoundError:
            print("ratchet (not installed)")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Where Ratchet keeps its data.", metavar="FOLDER")] = None,
    config_file: Annotated[Path | None, typer.Option("--config", help="Use this ratchet.toml.", metavar="FILE")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Answers from your own documents, offline, with citations that check out."""
    run = invocation(ctx)
    run.home, run.config_file, run.debug = home, config_file, debug


for module in (chat, ask, knowledge, threads, memory, feedback, approvals, tools, models, config, doctor):
    module.register(app)


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    prepare_streams()
    try:
        app(prog_name="ratchet")
    finally:
        _flush()
    sys.exit(exit_codes.OK)


def _flush() -> None:
    """Flush while a closed pipe can still be told from a fault; at exit Python would print a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
