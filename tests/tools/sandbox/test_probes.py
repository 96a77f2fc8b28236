"""Every probe in every tier is held, the host is untouched, and the probes themselves are alive."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.tools.sandbox.probes import LIVE, PROBES, program
from tools.sandbox.sandbox import Sandbox

CANARY = "canary-" + secrets.token_hex(8)


@dataclass
class Host:
    """Files anyone may read and write, listening sockets, and what they looked like before."""

    folder: Path
    sockets: list[socket.socket] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)

    def listing(self) -> dict[str, tuple[bytes, int]]:
        return {
            str(path): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mode)
            for path in sorted(self.folder.rglob("*"))
        }

    def reached(self) -> list[str]:
        """The sockets on which anything has arrived."""
        found = []
        for each in self.sockets:
            each.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                if each.type == socket.SOCK_STREAM:
                    each.accept()[0].close()
                else:
                    each.recv(10)
                found.append(str(each.getsockname()))
        return found


@contextlib.contextmanager
def made_host() -> Iterator[Host]:
    folder = Path(tempfile.mkdtemp(prefix="ratchet-host-", dir="/var/tmp"))
    made = Host(folder)
    files = {name: folder / name for name in ("secret.txt", "id_ed25519")}
    for path in files.values():
        path.write_text(CANARY)
    with contextlib.closing(sqlite3.connect(folder / "ratchet.db")) as database, database:
        database.execute("create table turns(text)")
    for path in folder.iterdir():
        path.chmod(0o666)
    folder.chmod(0o777)
    abstract = "ratchet-" + secrets.token_hex(8)
    addresses: list[tuple[int, int, object]] = [
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        (socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "stream")),
        (socket.AF_UNIX, socket.SOCK_STREAM, f"\0{abstract}"),
        (socket.AF_UNIX, socket.SOCK_DGRAM, str(folder / "datagram")),
    ]
    for family, kind, address in addresses:
        opened = socket.socket(family, kind)
        opened.bind(address)
        if kind == socket.SOCK_STREAM:
            opened.listen()
        made.sockets.append(opened)
    for name in ("stream", "datagram"):
        (folder / name).chmod(0o777)
    tcp, udp, *_ = made.sockets
    made.facts = {
        "home": str(Path.home()),
        "outside": str(folder),
        "secret": str(files["secret.txt"]),
        "key": str(files["id_ed25519"]),
        "database": str(folder / "ratchet.db"),
        "tcp": tcp.getsockname()[1],
        "udp": udp.getsockname()[1],
        "unix": str(folder / "stream"),
        "abstract": abstract,
        "datagram": str(folder / "datagram"),
        "parent": os.getpid(),
    }
    try:
        yield made
    finally:
        for opened in made.sockets:
            opened.close()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with made_host() as made:
        yield made


@pytest.fixture(scope="module")
def tried(sandbox: Sandbox, host: Host) -> dict[str, list[str]]:
    """Probe → whether it was held, and why; the host is compared before and after."""
    before = host.listing()
    outcome = sandbox.run(program(host.facts))
    assert not outcome.run.ending
    assert not outcome.report.error, outcome.report.error
    after = host.listing()
    assert before == after
    assert host.reached() == []
    found: dict[str, list[str]] = json.loads(outcome.run.output.kept)
    return found


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_is_held(tried: dict[str, list[str]], probe: str) -> None:
    verdict, detail = tried[probe]
    assert verdict == "held", detail
    # An error in the probe itself would prove nothing.
    assert not detail.startswith(("NameError", "TypeError", "AttributeError", "SyntaxError", "KeyError"))


def test_the_probes_leak_without_a_sandbox(tmp_path: Path) -> None:
    """Or it would prove nothing that they are held inside."""
    with made_host() as host:
        command = [sys.executable, "-I", "-c", program(host.facts, LIVE)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        found = json.loads(done.stdout)
        assert {name: detail for name, (verdict, detail) in found.items() if verdict != "leaked"} == {}
        assert len(host.reached()) == len(host.sockets)
        assert (host.folder / "new.txt").exists()


def test_variables_are_not_handed_on(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_KEY", CANARY)
    outcome = sandbox.run("import os; print(dict(os.environ))")
    assert b"PATH" in outcome.run.output.kept
    assert CANARY.encode() not in outcome.run.output.kept


def test_descriptors_are_not_handed_on(sandbox: Sandbox, tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w+") as file:
        os.set_inheritable(file.fileno(), True)
        outcome = sandbox.run(
            """
import os
found = []
for number in range(64):
    try:
        found.append((number, oct(os.fstat(number).st_mode >> 12)))
    except OSError:
        pass
print(found)
"""
        )
    kinds = [kind for _, kind in eval(outcome.run.output.kept)]
    assert sorted(kinds) == ["0o1", "0o1", "0o1", "0o2"], "three pipes, and /dev/null as standard input"


def test_links_are_not_followed_when_plots_are_collected(sandbox: Sandbox, tmp_path: Path, host: Host) -> None:
    outside = host.folder / "image.png"
    outside.write_bytes(b"\x89PNG\r\n\x1a\n" + CANARY.encode())
    outside.chmod(0o644)
    outcome = sandbox.run(f"import os; os.symlink({str(outside)!r}, 'a.png'); os.symlink('/etc', 'b.png')")
    outside.unlink()
    assert not outcome.report.error
    assert outcome.report.images == []
    assert CANARY.encode() not in bytes(outcome.run.channel.kept)


def test_modes_owners_and_times_outside_stay(sandbox: Sandbox, host: Host) -> None:
    """Under Landlock these calls seem to succeed, so it is the host that must be looked at."""
    path = host.folder / "secret.txt"
    before = path.stat()
    sandbox.run(
        f"""
import os
for action in (
    lambda: os.chmod({str(path)!r}, 0o7777),
    lambda: os.utime({str(path)!r}, (1, 1)),
    lambda: os.chown({str(path)!r}, os.getuid(), os.getgid()),
):
    try:
        action()
    except OSError:
        pass
"""
    )
    after = path.stat()
    assert (before.st_mode, before.st_mtime_ns, before.st_uid) == (after.st_mode, after.st_mtime_ns, after.st_uid)


@pytest.mark.parametrize("folder", ["/tmp", "/var/tmp", "/dev/shm"])
def test_nothing_is_left_in_folders_that_anyone_may_write(sandbox: Sandbox, folder: str) -> None:
    path = Path(folder) / f"ratchet-probe-{secrets.token_hex(8)}"
    sandbox.run(f"open({str(path)!r}, 'w').write('x')")
    assert not path.exists()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="32-bit calls are x86's")
def test_32_bit_system_calls_end_the_program(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # getpid as a 32-bit program calls it
print("pid", ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))())
"""
    )
    assert outcome.run.exit_code == 128 + signal.SIGSYS
    assert not outcome.run.output.kept
