"""Tools of MCP servers, started by a command or reached over HTTP.

A server is code of others: its tools run with the risk that its user set, whatever it says of itself; what it
describes is shown cleaned and bounded; what it answers is untrusted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.errors import StorageError
from tools.mcp_servers import outcome
from tools.mcp_servers.pins import Descriptor, Pins, difference
from tools.mcp_servers.server import STOPPED, Limits, Server
from tools.mcp_servers.wording import LONGEST_DESCRIPTION, bounded, shown_schema, tool_name
from tools.spec import ToolSpec

if TYPE_CHECKING:
    from tools.resources import McpServer, Resources

MISSING = "MCP servers need a package: pip install 'ratchet-agent[tools]'"
_ALIKE = "Two servers have this name; only the first is used."


def gather(
    resources: Resources, limits: Limits | None = None, *, fresh: bool = False
) -> tuple[list[ToolSpec], dict[str, str]]:
    """The tools of all servers, and why others are not offered, by "SERVER" or "SERVER: TOOL".

    A server seen before is not started for this: it is connected by the first call. The others are connected at once,
    side by side; all of them if `fresh`.
    """
    if not resources.mcp:
        return [], {}
    if find_spec("mcp") is None:
        return [], {server.name: MISSING for server in resources.mcp}
    reasons: dict[str, str] = {}
    servers: dict[str, McpServer] = {}
    for settings in resources.mcp:
        if settings.name in servers:
            reasons[f"{settings.name} (again)"] = _ALIKE
        else:
            servers[settings.name] = settings
    pins = Pins(resources.state)
    gathered = [Server(settings, pins, limits or Limits(), resources.cancelled) for settings in servers.values()]
    with ThreadPoolExecutor(len(gathered)) as pool:
        listings = list(pool.map(lambda server: _listing(server, fresh), gathered))
    specs: list[ToolSpec] = []
    for settings, server, (tools, refused) in zip(servers.values(), gathered, listings, strict=True):
        reasons |= {f"{settings.name}: {name}" if name else settings.name: why for name, why in refused.items()}
        taken = {spec.name for spec in specs}
        for tool in tools:
            specs.append(_spec(settings, server, tool, taken, resources.artifacts))
            taken.add(specs[-1].name)
        if not tools:
            server.close()
    return specs, reasons


def build(resources: Resources) -> list[ToolSpec]:
    """The tools of all servers."""
    return gather(resources)[0]


def accept(state: Path, server: str, tool: str = "") -> list[str]:
    """Take a server's changed tools, or one of them, as they are now; returns their names.

    Raises:
        StorageError: what was accepted before cannot be read or written.
    """
    return Pins(state).accept(server, tool)


def changes(state: Path, server: str) -> dict[str, str]:
    """Tool → what changed about it, for each that waits to be accepted.

    Raises:
        StorageError: what was accepted before cannot be read.
    """
    known = Pins(state).of(server)
    pins = known.tools if known is not None else {}
    return {name: difference(pin.accepted, pin.pending) for name, pin in pins.items() if pin.pending is not None}


def _listing(server: Server, fresh: bool) -> tuple[Sequence[Descriptor], dict[str, str]]:
    from tools.mcp_servers.connection import ServerFailed, Stopped

    try:
        return server.tools(fresh=fresh)
    except Stopped:
        return [], {"": STOPPED}
    except (ServerFailed, StorageError) as error:
        return [], {"": str(error)}


def _spec(settings: McpServer, server: Server, tool: Descriptor, taken: set[str], artifacts: Path | None) -> ToolSpec:
    from tools.mcp_servers.bridge import McpTool

    described = bounded(tool.description, LONGEST_DESCRIPTION) or f"{settings.name}: {tool.name}"
    bridge = McpTool(
        name=tool_name(settings.name, tool.name, taken),
        description=described,
        args_schema={"type": "object", "properties": {}, **shown_schema(dict(tool.schema))},
        send=_sender(server, tool, artifacts),
    )
    return ToolSpec(bridge, settings.risk, untrusted=True, origin=f"mcp {settings.name}", close=server.close)


def _sender(
    server: Server, tool: Descriptor, artifacts: Path | None
) -> Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]:
    def send(arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        from langchain_core.tools import ToolException

        result = server.call(tool, arguments)
        if result.get("isError"):
            raise ToolException(f"The tool failed: {outcome.failure(result)}")
        return outcome.read(result, artifacts)

    return send
