"""One configured MCP server: connected when it is needed, held to what its tools were when they were accepted."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools.mcp_servers.connection import CallRefused, Connection, ServerFailed, Stopped
from tools.mcp_servers.pins import Descriptor, Pins, ServerPins, difference
from tools.mcp_servers.wording import one_line

if TYPE_CHECKING:
    from tools.resources import McpServer

LARGEST_SCHEMA = 32_000  # characters of JSON
LONGEST_RAW_DESCRIPTION = 20_000  # characters
STOPPED = "Stopped, as the user asked."
ACCEPT = "Look at it and accept it with: ratchet tools accept {server}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: `connect` to start, shake hands and list the tools; `call` for one call."""

    connect: float = 30.0
    call: float = 120.0


class Server:
    """A server and its tools.

    Args:
        settings: how it is reached.
        pins: what its tools were.
        limits: how long to wait for it.
        cancelled: whether the user asked to stop.
    """

    def __init__(self, settings: McpServer, pins: Pins, limits: Limits, cancelled: Callable[[], bool]) -> None:
        self._settings = settings
        self._pins = pins
        self._limits = limits
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._now: Mapping[str, str] = {}  # name → SHA-256 of each tool as this connection listed it

    @property
    def identity(self) -> str:
        """A hash of how it is reached: another command or address is another server."""
        where = [list(self._settings.command), self._settings.url]
        return hashlib.sha256(json.dumps(where).encode()).hexdigest()

    def tools(self, *, fresh: bool = False) -> tuple[list[Descriptor], dict[str, str]]:
        """The tools to offer, and name → reason of those that are not.

        Connects to a server that was not seen before or has a tool to accept; to any if `fresh`.

        Raises:
            ServerFailed, Stopped: as `Connection.open`.
            StorageError: as `Pins.of`.
        """
        known = self._pins.of(self._settings.name)
        if fresh or known is None or known.identity != self.identity or known.changed:
            with self._lock:
                self._connected()
            known = self._pins.of(self._settings.name)
        return self._sorted(known) if known is not None else ([], {})

    def _sorted(self, known: ServerPins) -> tuple[list[Descriptor], dict[str, str]]:
        offered: list[Descriptor] = []
        refused: dict[str, str] = {}
        for name, pin in known.tools.items():
            if pin.pending is not None:
                changed = difference(pin.accepted, pin.pending)
                refused[name] = f"It has changed: {changed}. {ACCEPT.format(server=self._settings.name)}"
            elif len(json.dumps(pin.accepted.schema)) > LARGEST_SCHEMA:
                refused[name] = "Its schema is too large."
            elif pin.listed:
                offered.append(pin.accepted)
        return offered, refused

    def _connected(self) -> Connection:
        """The connection, made anew when there is none that works; the lock is held."""
        if self._connection is not None and self._connection.alive:
            return self._connection
        if self._connection is not None:
            self._connection.close()
        self._connection = connection = Connection(self._settings)
        listed = connection.open(self._limits.connect, self._cancelled)
        kept = [tool for tool in listed if len(tool.description) <= LONGEST_RAW_DESCRIPTION]
        self._now = {tool.name: tool.sha256 for tool in kept}
        self._pins.record(self._settings.name, self.identity, kept)
        return connection

    def call(self, tool: Descriptor, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a tool that still is what was accepted; returns the protocol's result as plain JSON.

        Raises:
            ToolException: the tool has changed or gone, the server failed, or it refused; in words for the model.
        """
        from langchain_core.tools import ToolException

        try:
            with self._lock:
                connection = self._connected()
                now = self._now.get(tool.name)
        except ServerFailed as error:
            raise ToolException(f"{error} Nothing was called.") from error
        except Stopped as error:
            raise ToolException(STOPPED) from error
        if now is None:
            raise ToolException(f'The MCP server "{self._settings.name}" no longer offers this tool.')
        if now != tool.sha256:
            raise ToolException(
                "This tool has changed since it was accepted, so it was not called. "
                f"{ACCEPT.format(server=self._settings.name)}"
            )
        try:
            return connection.call(tool.name, arguments, self._limits.call, self._cancelled)
        except ServerFailed as error:
            raise ToolException(f"{error} Whether the call had an effect is not known.") from error
        except CallRefused as error:
            raise ToolException(f"The server refused the call: {one_line(str(error))}") from error
        except Stopped as error:
            raise ToolException(STOPPED) from error

    def close(self) -> None:
        """End the connection; safe to call twice. A later call connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
