"""What each tool of a server looked like when it was first seen or accepted, so that a change is noticed.

A server that was trusted once can later describe its tools otherwise, to make the model do something else
(CVE-2025-54136). So name, description and schema of a tool are kept with their SHA-256, and a tool that differs is
not offered until a person has accepted it. Kept in one JSON file, written whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.errors import StorageError
from tools.mcp_servers.wording import one_line

FILE = "mcp-pins.json"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A tool as its server describes it, verbatim."""

    name: str
    description: str
    schema: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """Of name, description and schema in canonical JSON."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"name": self.name, "description": self.description, "schema": dict(self.schema)}

    @classmethod
    def from_json(cls, data: Any) -> Descriptor:
        """The reverse of `to_json`.

        Raises:
            ValueError: it is not of that form.
        """
        match data:
            case {"name": str(name), "description": str(description), "schema": dict(schema)}:
                return cls(name, description, schema)
        raise ValueError("not the description of a tool")


@dataclass(frozen=True, slots=True)
class Pin:
    """A tool as accepted; `pending`: as its server describes it now, where that differs; `listed`: still there."""

    accepted: Descriptor
    pending: Descriptor | None = None
    listed: bool = True

    def seen(self, descriptor: Descriptor) -> Pin:
        """The pin after the server described the tool again."""
        return Pin(self.accepted, None if descriptor.sha256 == self.accepted.sha256 else descriptor)


@dataclass(frozen=True, slots=True)
class ServerPins:
    """The tools of one server; `identity` is a hash of how it is reached, so that another server starts anew."""

    identity: str
    tools: Mapping[str, Pin]

    @property
    def changed(self) -> bool:
        """Whether a tool waits to be accepted."""
        return any(pin.pending is not None for pin in self.tools.values())


class Pins:
    """The pins of all servers.

    Args:
        state: the folder of the file; None keeps them in memory only, so that every session trusts at first sight.
    """

    def __init__(self, state: Path | None) -> None:
        self._path = state / FILE if state is not None else None
        self._memory: dict[str, ServerPins] = {}

    def of(self, server: str) -> ServerPins | None:
        """What is known of a server.

        Raises:
            StorageError: the file cannot be read, or is none of ours.
        """
        return self._load().get(server)

    def record(self, server: str, identity: str, listed: Iterable[Descriptor]) -> ServerPins:
        """Take in what a server offers now: new tools are pinned, changed ones wait to be accepted.

        Raises:
            StorageError: as `of`, or the file cannot be written.
        """
        seen = {descriptor.name: descriptor for descriptor in listed}

        def update(known: ServerPins | None) -> ServerPins:
            before = known.tools if known is not None and known.identity == identity else {}
            pins = {
                name: before[name].seen(descriptor) if name in before else Pin(descriptor)
                for name, descriptor in seen.items()
            }
            gone = {name: Pin(pin.accepted, pin.pending, False) for name, pin in before.items() if name not in seen}
            return ServerPins(identity, pins | gone)

        return self._change(server, update)

    def accept(self, server: str, tool: str = "") -> list[str]:
        """Take a server's changed tools, or one of them, as they are now; returns their names."""
        accepted: list[str] = []

        def update(known: ServerPins | None) -> ServerPins:
            if known is None:
                return ServerPins("", {})
            tools = dict(known.tools)
            for name, pin in known.tools.items():
                if pin.pending is not None and tool in ("", name):
                    tools[name] = Pin(pin.pending)
                    accepted.append(name)
            return ServerPins(known.identity, tools)

        if self.of(server) is not None:
            self._change(server, update)
        return accepted

    def _change(self, server: str, update: Callable[[ServerPins | None], ServerPins]) -> ServerPins:
        try:
            with self._lock():
                everything = self._load()
                before = everything.get(server)
                everything[server] = after = update(before)
                if after != before:
                    self._save(everything)
        except OSError as error:
            raise StorageError(
                f"What the tools of MCP servers look like cannot be kept in {self._path}: {error.strerror or error}.",
                fix="Free disk space or check its permissions.",
            ) from error
        return after

    def _lock(self) -> AbstractContextManager[Any]:
        if self._path is None:
            return nullcontext()
        from filelock import FileLock

        self._path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self._path.with_suffix(".lock"))

    def _load(self) -> dict[str, ServerPins]:
        if self._path is None:
            return dict(self._memory)
        try:
            data = json.loads(self._path.read_bytes())
            return {name: _server(entry) for name, entry in data["servers"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StorageError(
                f"What the tools of MCP servers looked like ({self._path}) cannot be read.",
                kept="None of their tools is offered.",
                fix="Restore the file, or delete it to trust the servers' tools as they are now.",
            ) from error

    def _save(self, everything: Mapping[str, ServerPins]) -> None:
        if self._path is None:
            self._memory = dict(everything)
            return
        data = {"version": 1, "servers": {name: _plain(entry) for name, entry in everything.items()}}
        with tempfile.NamedTemporaryFile("w", dir=self._path.parent, suffix=".new", delete=False) as file:
            json.dump(data, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, self._path)


def _server(entry: Mapping[str, Any]) -> ServerPins:
    tools = {name: _pin(pin) for name, pin in entry["tools"].items()}
    return ServerPins(str(entry["identity"]), tools)


def _pin(data: Mapping[str, Any]) -> Pin:
    accepted = Descriptor.from_json(data["accepted"])
    if accepted.sha256 != data["sha256"]:
        raise ValueError("a tool's description does not match its hash")
    pending = Descriptor.from_json(data["pending"]) if data["pending"] is not None else None
    return Pin(accepted, pending, bool(data["listed"]))


def _plain(entry: ServerPins) -> dict[str, Any]:
    tools = {
        name: {
            "sha256": pin.accepted.sha256,
            "accepted": pin.accepted.to_json(),
            "pending": pin.pending.to_json() if pin.pending is not None else None,
            "listed": pin.listed,
        }
        for name, pin in entry.tools.items()
    }
    return {"identity": entry.identity, "tools": tools}


def difference(old: Descriptor, new: Descriptor) -> str:
    """What a server changed about a tool, in words that a person can judge by."""
    said: list[str] = []
    if old.description != new.description:
        said.append(f'its description was "{one_line(old.description)}" and is "{one_line(new.description)}"')
    before, after = _arguments(old), _arguments(new)
    for verb, names in (
        ("takes also", sorted(after.keys() - before.keys())),
        ("no longer takes", sorted(before.keys() - after.keys())),
        ("describes otherwise", sorted(name for name in before.keys() & after.keys() if before[name] != after[name])),
    ):
        if names:
            said.append(f"it {verb} {one_line(', '.join(names))}")
    return "; ".join(said) or "its schema changed"


def _arguments(descriptor: Descriptor) -> Mapping[str, Any]:
    properties = descriptor.schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}
