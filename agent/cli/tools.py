"""`ratchet tools`: what the agent may use, what asks first, and why something is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exit_codes import examples
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings

group = typer.Typer(
    help="List the tools and what they may do unasked.",
    epilog=examples("ratchet tools", "ratchet tools list --json", "ratchet tools accept time"),
    invoke_without_command=True,
)
_SHOWN = {"allow": "runs unasked", "ask": "asks first", "deny": "denied"}


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(group, name="tools")


@group.callback()
def default(ctx: typer.Context, as_json: Json = False) -> None:
    """List the tools when no subcommand is given."""
    if ctx.invoked_subcommand is None:
        show_list(invocation(ctx).settings(), as_json)


@group.command("list", epilog=examples("ratchet tools list", "ratchet tools list --json"))
def list_tools(ctx: typer.Context, as_json: Json = False) -> None:
    """List the tools, what they risk, and whether they ask first."""
    show_list(invocation(ctx).settings(), as_json)


def show_list(settings: Settings, as_json: bool) -> None:
    """Print every tool with its risk and permission, then what is missing and why."""
    from rich.table import Table

    from agent.calls.toolbox import policy_of
    from agent.cli.output import foreign, one_line, out, print_json
    from agent.session import ChatSession

    policy = policy_of(settings)
    with ChatSession(settings) as session:
        tools, missing = list(session.toolbox.tools.values()), session.toolbox.unavailable
        rows = [(tool.name, tool.risk, policy.of(tool), tool.origin, tool.tool.description) for tool in tools]
    if as_json:
        names = ("name", "risk", "permission", "origin", "description")
        print_json({"tools": [dict(zip(names, row, strict=True)) for row in rows], "unavailable": missing})
        return
    table = Table.grid(padding=(0, 2))
    for name, risk, permission, origin, description in rows:
        told = "" if origin == "ratchet" else f" ({origin})"
        table.add_row(
            foreign(name, "cyan"), risk, _SHOWN[permission], foreign(one_line(description.split("\n")[0], 70) + told)
        )
    out().print(table)
    for name, why in missing.items():
        out().print(foreign(f"· {name}: {why}", "dim"))


@group.command(epilog=examples("ratchet tools accept time", "ratchet tools accept time get_current_time"))
def accept(
    ctx: typer.Context,
    server: Annotated[str, typer.Argument(metavar="SERVER", help="The MCP server, as in the settings.")],
    tool: Annotated[str | None, typer.Argument(metavar="TOOL", help="Only this tool; default: all.")] = None,
) -> None:
    """Accept that an MCP server describes its tools otherwise than when they were first seen."""
    from agent.cli.output import foreign, out
    from agent.errors import ConfigError
    from tools.mcp_servers import accept as accept_changes
    from tools.mcp_servers import changes

    settings = invocation(ctx).settings()
    if server not in settings.tools.mcp:
        known = ", ".join(settings.tools.mcp) or "none"
        raise ConfigError(f'There is no MCP server "{server}".', fix=f"The settings name: {known}.")
    told = changes(settings.tool_state_folder, server)
    accepted = accept_changes(settings.tool_state_folder, server, tool or "")
    for name in accepted:
        out().print(foreign(f"✓ {name}: {told[name]}", "green"))
    if not accepted:
        out().print("Nothing waits to be accepted.")
