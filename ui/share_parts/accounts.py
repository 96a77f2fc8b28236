"""Who may log in, and with what password."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from agent.errors import ConfigError

SHORTEST = 12  # characters of a password that somebody chose
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike
_GROUPS, _GROUP = 5, 4  # 20 of 31 letters: 99 bits
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Accounts:
    """Names and the scrypt hashes of their passwords; there is always at least one.

    Args:
        passwords: by name.

    Raises:
        ConfigError: nobody is named, a name is malformed, or a password is too short.
    """

    def __init__(self, passwords: Mapping[str, str]) -> None:
        if not passwords:
            raise ConfigError("Nobody could log in.", kept="Nothing was shared.", fix="Name somebody with --user.")
        for name, password in passwords.items():
            _check(name, password)
        self._salt = secrets.token_bytes(16)
        self._hashes = {name: self._hash(password) for name, password in passwords.items()}
        self._nobody = self._hash(secrets.token_hex(16))

    @property
    def names(self) -> tuple[str, ...]:
        """Who may log in."""
        return tuple(self._hashes)

    def check(self, name: str, password: str) -> bool:
        """Whether the password is that person's; as slow for a name that does not exist."""
        known = self._hashes.get(name)
        same = secrets.compare_digest(self._hash(password), self._nobody if known is None else known)
        return same and known is not None

    def _hash(self, password: str) -> bytes:
        return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=self._salt, n=2**13, r=8, p=1)


def generated(names: Iterable[str]) -> dict[str, str]:
    """A strong password for each name."""
    return {name: _generate() for name in names}


def read_accounts(path: Path) -> dict[str, str]:
    """Names and passwords of a file with a line `name:password` for each; blank lines and `#` lines are skipped.

    Raises:
        ConfigError: it cannot be read, others may read it, a line is malformed, or a name stands twice.
    """
    kept = "Nothing was shared."
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"Others can read {path}.", kept=kept, fix=f"chmod 600 {path}")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The accounts in {path} cannot be read: {error}.", kept=kept) from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, password = line.partition(":")
        if not colon or name.strip() in found:
            wrong = "names somebody twice" if colon else "has no colon"
            raise ConfigError(f"Line {number} of {path} {wrong}.", kept=kept, fix="Write each as name:password.")
        found[name.strip()] = password.strip()
    return found


def _check(name: str, password: str) -> None:
    kept = "Nothing was shared."
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f'"{name}" cannot be a user name.', kept=kept, fix="Use letters, digits, dots, hyphens, underscores."
        )
    if len(password) < SHORTEST:
        raise ConfigError(f"The password of {name} is too short.", kept=kept, fix=f"Use at least {SHORTEST} letters.")


def _generate() -> str:
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)
