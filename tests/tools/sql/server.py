"""A real PostgreSQL server of the tests' own, on a loopback port, gone with the session."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "canary-" + secrets.token_hex(8)


def binaries() -> Path | None:
    """Where initdb and postgres are, if they are."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parents[1].name))
    found = installed[-1] if installed else Path(shutil.which("initdb") or "")
    return found.parent if found.is_file() and (found.parent / "postgres").is_file() else None


def _account() -> str | None:
    """PostgreSQL refuses to run as root; another account then runs it."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running() -> Iterator[str]:
    """A fresh server; yields the address of its administrator, with the password."""
    folder = binaries()
    if folder is None:
        pytest.skip("PostgreSQL's server is not installed (apt-get install postgresql)")
    account = _account()
    if os.geteuid() == 0 and account is None:
        pytest.skip("PostgreSQL does not run as root, and there is no other account")
    place = Path(tempfile.mkdtemp(prefix="ratchet-postgres-", dir="/tmp"))
    secret = place / "password"
    secret.write_text(PASSWORD)
    if account:
        for path in (place, secret):
            shutil.chown(path, account)
    port = _free_port()
    try:
        initdb = [folder / "initdb", "-D", place / "data", "-U", "postgres", "-A", "scram-sha-256", "--no-sync"]
        subprocess.run(
            [*initdb, "--pwfile", secret, "-E", "UTF8", "--locale", "C.UTF-8"],
            user=account, check=True, capture_output=True, cwd=place,
        )  # fmt: skip
        control = [folder / "pg_ctl", "-D", place / "data", "-w"]
        options = f"-p {port} -k {place} -c listen_addresses=127.0.0.1 -c fsync=off"
        subprocess.run(
            [*control, "-l", place / "log", "-o", options, "start"],
            user=account, check=True, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], user=account, cwd=place, stdout=subprocess.DEVNULL)
    finally:
        shutil.rmtree(place, ignore_errors=True)
