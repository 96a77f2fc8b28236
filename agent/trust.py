"""Configuration files that come with a folder: one may do harm only after the user has trusted it as it is.

A `ratchet.toml` is found in the working folder or above it, so it may lie in an archive that somebody sent. What it
sets could start programs (MCP servers, plug-ins, loaders), loosen what tools may do, or send questions elsewhere. The
user's own file, and one named with --config or RATCHET_CONFIG, need no trust.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

FILE_NAME = "trusted.json"
# Limits and habits, which a stranger's file may well set.
_HARMLESS = {
    "model.context_tokens",
    "model.max_tokens",
    "model.seed",
    "model.temperature",
    "model.threads",
    "model.timeout",
    "knowledge.collection",
    "knowledge.passage_tokens",
    "knowledge.reword",
    "knowledge.strict",
    "knowledge.top_k",
    "agent.history_tokens",
    "agent.max_question_chars",
    "agent.max_steps",
}


def check_trust(path: Path, written: Mapping[str, Any], folder: Path) -> None:
    """Let a file pass that sets nothing harmful, or that the user has trusted.

    Args:
        path: the file.
        written: what it sets.
        folder: where the user's trust is kept.

    Raises:
        ConfigError: it sets what could do harm, and is not trusted or has changed since.
    """
    risky = sorted(key for key, value in _keys(written) if not _harmless(key, value))
    if not risky or _trusted(folder).get(str(path.resolve())) == _digest(path):
        return
    named = ", ".join(risky[:5]) + (f" and {len(risky) - 5} more" if len(risky) > 5 else "")
    raise ConfigError(
        f"{path} is not trusted, and sets {named}.",
        kept="Nothing of it was used.",
        fix="Read it; if it is yours, run `ratchet config trust`. Or move it away.",
    )


def trust(path: Path, folder: Path) -> None:
    """Trust a file as it is now; a change to it takes the trust away.

    Raises:
        ConfigError: the file cannot be read, or the trust not be kept.
    """
    try:
        known = _trusted(folder) | {str(path.resolve()): _digest(path)}
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
            json.dump(known, file, indent=2)
        os.replace(file.name, folder / FILE_NAME)
    except OSError as error:
        raise ConfigError(f"{path} cannot be trusted: {error}.", kept="Nothing was changed.") from error


def _keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and not prefix:
            yield from _keys(value, f"{name}.")
        else:
            yield f"{prefix}{name}", value


def _harmless(key: str, value: Any) -> bool:
    if key == "model.name":  # a path could name a hostile file
        return isinstance(value, str) and not set(value) & set("/\\~")
    return key in _HARMLESS


def _trusted(folder: Path) -> dict[str, str]:
    try:
        known = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
