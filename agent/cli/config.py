"""`ratchet config`: what is set, where, and a file to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exit_codes import examples
from agent.cli.seam import Invocation, Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings

group = typer.Typer(
    help="Show the settings, or write a file of them.",
    epilog=examples("ratchet config", "ratchet config show --json", "ratchet config path", "ratchet config init"),
    invoke_without_command=True,
)


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(group, name="config")


@group.callback()
def default(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the settings when no subcommand is given."""
    if ctx.invoked_subcommand is None:
        show_settings(invocation(ctx), as_json)


@group.command(epilog=examples("ratchet config show", "ratchet config show --json"))
def show(ctx: typer.Context, as_json: Json = False) -> None:
    """Show every setting, its value, and whether you set it."""
    show_settings(invocation(ctx), as_json)


def show_settings(run: Invocation, as_json: bool) -> None:
    """Print the settings; secrets are masked."""
    from agent.cli.output import out, print_json
    from agent.config import describe

    rows = describe(run.settings())
    if as_json:
        names = ("key", "value", "source", "description")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("setting", "value", "meaning"):
        table.add_column(title, overflow="fold")
    for key, value, source, meaning in rows:
        table.add_row(key, Text(value, style="bold cyan" if source == "set" else ""), Text(meaning, style="dim"))
    out().print(table)
    out().print(Text("Values in colour are set by a file, a variable or a flag; the others are defaults.", "dim"))


@group.command(epilog=examples("ratchet config path", 'cat "$(ratchet config path)"'))
def path(ctx: typer.Context, as_json: Json = False) -> None:
    """Print which configuration file is read."""
    from agent.cli.output import print_json
    from agent.config import config_path
    from agent.errors import SourceMissing

    run = invocation(ctx)
    found = config_path(run.config_file)
    if as_json:
        print_json({"config": found, "home": run.settings().home})
    elif found is None:
        raise SourceMissing("No ratchet.toml is in use.", fix="Write one with `ratchet config init`.")
    else:
        print(found)


@group.command(epilog=examples("ratchet config trust", "ratchet config trust ../ratchet.toml"))
def trust(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="The file; default: the one found from here.")] = None,
) -> None:
    """Trust a ratchet.toml that came with a folder, as it is now, with everything that it sets."""
    from agent.cli.output import foreign, out, shown_path
    from agent.config import find_config_file, user_folder
    from agent.errors import SourceMissing
    from agent.trust import trust as keep_trust

    found = file.expanduser() if file else find_config_file()
    if found is None or not found.is_file():
        raise SourceMissing(f"There is no {found or 'ratchet.toml here'}.", fix="Name the file to trust.")
    out().print(foreign(found.read_text(encoding="utf-8", errors="replace")))
    keep_trust(found, user_folder())
    out().print(foreign(f"✓ {shown_path(found)} is trusted until it changes.", "green"))


@group.command(epilog=examples("ratchet config init", "ratchet config init ~/.config/ratchet/ratchet.toml"))
def init(
    ctx: typer.Context,
    file: Path = typer.Argument(Path("ratchet.toml"), help="The file to write."),  # noqa: B008 - typer's way
) -> None:
    """Write a commented configuration file with every setting at its default."""
    from agent.cli.output import foreign, out, shown_path
    from agent.errors import ConfigError, StorageError

    target = file.expanduser()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as handle:
            handle.write(template(invocation(ctx).settings()))
    except FileExistsError as error:
        raise ConfigError(
            f"{shown_path(target)} exists already.",
            kept="It was left as it is.",
            fix="Edit it, or name another file.",
        ) from error
    except OSError as error:
        raise StorageError(f"{shown_path(target)} cannot be written: {error.strerror}.") from error
    out().print(foreign(f"✓ Written to {shown_path(target)}. Remove a # to change a setting.", "green"))


def template(settings: Settings) -> str:
    """A ratchet.toml in which every line is a comment: the settings, their meaning, their defaults."""
    from pydantic import BaseModel

    defaults = type(settings)(home=settings.home, models=settings.models_folder)
    lines = ["# Remove a # to change a setting; RATCHET_<SECTION>__<KEY> and flags win over this file.", ""]
    sections: list[str] = []
    for name, field in type(settings).model_fields.items():
        value = getattr(defaults, name)
        if not isinstance(value, BaseModel):
            lines.append(_line(name, value, field.description))
            continue
        fields = type(value).model_fields.items()
        sections += [
            "",
            f"[{name}]",
            *(_line(key, getattr(value, key), it.description) for key, it in fields),
        ]
    return "\n".join([*lines, *sections]) + "\n"


def _line(key: str, value: Any, meaning: str | None) -> str:
    import json

    from pydantic import SecretStr

    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    return f"# {key} = {json.dumps(plain, default=str)}" + (f"  # {meaning}" if meaning else "")
