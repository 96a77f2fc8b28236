"""The user's `ratchet.toml`: changed in single values, its comments kept, and never left half written.

Only the user's own file is changed, or one that the user named with RATCHET_CONFIG. One that came with a folder
may be somebody else's: whoever trusts it trusts it as it is, so a change is made, and trusted, by hand.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.config import (
    FILE_NAME,
    Settings,
    config_path,
    decided_by_variables,
    named_config,
    settings_of,
    user_folder,
)
from agent.errors import ConfigError, StorageError

BACKUP = ".bak"
SECRETS = frozenset({"model.api_key", "tools.search_key"})


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """The file that settings are kept in, as it was read.

    Attributes:
        path: where it is, or would be.
        text: what it says; empty when there is none yet.
        exists: whether it is there.
        why_not: why it is not changed from a page, in two sentences; empty when it may be.
        decided: settings, as "section.key", that variables of the environment decide, whatever it says.
    """

    path: Path
    text: str
    exists: bool
    why_not: str
    decided: frozenset[str]

    @property
    def mark(self) -> str:
        """Tells one text of it from another."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    def holds(self, key: str) -> bool:
        """Whether it sets a value, such as a secret, that is not empty."""
        return bool(_flat(tomllib.loads(self.text)).get(key))


def read_settings_file() -> SettingsFile:
    """The file in use, or the user's own that there could be.

    Raises:
        ConfigError: it cannot be read.
    """
    found, own = config_path(), user_folder() / FILE_NAME
    path = found or own
    try:
        text = _text(path)
        tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", kept="It was left as it is.") from error
    stranger = path.parent.resolve() != own.parent.resolve() and named_config() is None
    why_not = (
        f"The settings come from {path}, which lies in the folder that Ratchet was started in, and are not changed "
        "from here. Change that file by hand and run `ratchet config trust`, or move it away to use your own."
    )
    return SettingsFile(path, text, path.exists(), why_not if stranger else "", decided_by_variables())


def save(file: SettingsFile, changes: Mapping[str, Any]) -> Settings:
    """Change single values; the file as it was stands beside it, with the ending `.bak`.

    A secret that is changed is not kept in the backup either.

    Args:
        file: as it was read; if it has changed since, nothing is written.
        changes: new values by "section.key" ("tools.policy.run_python" too); None takes a value out of the file, so
            that its default holds.

    Returns:
        The settings as they are now.

    Raises:
        ConfigError: a value is not allowed, a variable decides it, the file is not the user's own, or has changed.
        StorageError: the disk refused; the file stands as it was.
    """
    if file.why_not:
        raise ConfigError(file.why_not, kept="Nothing was changed.")
    if overruled := sorted(set(changes) & file.decided):
        name = f"RATCHET_{overruled[0].upper().replace('.', '__')}"
        raise ConfigError(
            f"The variable {name} decides this setting.", kept="Nothing was changed.", fix="Unset it, and start again."
        )
    text = changed(file.text, changes)
    try:
        settings = settings_of(text, file.path)
    except ConfigError as error:
        raise ConfigError(error.what, kept="Nothing was changed.", fix="Choose another value.") from error
    touched = {key: None for key in changes if key in SECRETS and file.holds(key)}
    _write(file, text, changed(file.text, touched) if touched else file.text)
    return settings


def changed(text: str, changes: Mapping[str, Any]) -> str:
    """A TOML text with other values; everything else, comments and order included, stays as it is.

    Args:
        text: valid TOML.
        changes: as for `save`.

    Raises:
        ConfigError: it is written in a way that cannot be changed without harm.
    """
    from tomlkit import dumps, inline_table, parse, table
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import InlineTable

    expected = tomllib.loads(text)
    try:
        document = parse(text)
        for key, value in changes.items():
            _put(document, key, value, lambda inside: inline_table() if isinstance(inside, InlineTable) else table())
            _put(expected, key, value, lambda inside: {})
        new = dumps(document)
        if _without_empty(tomllib.loads(new)) == _without_empty(expected):
            return new
    except (TOMLKitError, tomllib.TOMLDecodeError, TypeError, KeyError):
        pass  # what it would have become is no use, whatever the reason
    raise ConfigError(
        "The file is written in a way that cannot be changed from here.",
        kept="Nothing was changed.",
        fix="Edit it by hand.",
    )


def _put(tables: Any, key: str, value: Any, new_table: Callable[[Any], Any]) -> None:
    *folders, name = key.split(".")
    for folder in folders:
        if folder not in tables:
            if value is None:
                return
            tables[folder] = new_table(tables)
        tables = tables[folder]
    if value is not None:
        tables[name] = value
    elif name in tables:
        del tables[name]


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values without tables that hold nothing, which mean nothing."""
    found = {key: _without_empty(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    return {key: value for key, value in found.items() if value != {}}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def _text(path: Path) -> str:
    """What a file says, its line ends included; empty if there is none."""
    return path.read_bytes().decode("utf-8") if path.exists() else ""


def _write(file: SettingsFile, text: str, backup: str) -> None:
    target = Path(os.path.realpath(file.path))  # a link, as those who keep their settings elsewhere have it, stays one
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _text(target) != file.text:
            raise ConfigError(
                f"{file.path} was changed meanwhile by somebody else.",
                kept="It was left as it is.",
                fix="Look at the settings again, and repeat your change.",
            )
        if file.exists:
            _replace(target.with_name(target.name + BACKUP), backup)
        _replace(target, text)
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f"{file.path} cannot be written: {getattr(error, 'strerror', None) or error}.",
            kept="It was left as it is.",
            fix="See that you may write there and that there is space.",
        ) from error


def _replace(target: Path, text: str) -> None:
    """Write a file in one step, readable by its owner alone: it may hold keys."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as part:
            part.write(text)
            part.flush()
            os.fsync(part.fileno())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
