"""Which tier is there, why not, and that a sandbox which cannot be set up runs nothing."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.sandbox.conftest import make
from tools.sandbox import bubblewrap, interpreter, landlock, sandbox, seccomp, tiers
from tools.sandbox.limits import tasks_of
from tools.sandbox.sandbox import Sandbox, SandboxError


@pytest.fixture(autouse=True)
def found_anew() -> Iterator[None]:
    sandbox.find.cache_clear()
    yield
    sandbox.find.cache_clear()


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo bubblewrap 0.6.1", "bubblewrap 0.6.1 is too old"),
        ('[ "$1" = --version ] && echo bubblewrap 0.9.0 || { echo no namespaces >&2; exit 1; }', "no namespaces"),
        ("exit 1", "cannot be started"),
        ("echo nonsense", "cannot be started"),
        (None, "not installed"),
    ],
)
def test_why_bubblewrap_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str | None, reason: str
) -> None:
    fake = None if body is None else script(tmp_path / "bwrap", body)
    monkeypatch.setattr(bubblewrap, "executable", lambda: fake)
    assert reason in bubblewrap.why_not(None)
    found, why = sandbox.find()
    if landlock.version():
        assert found is not None and found.tier == "landlock"
    assert reason in why or os.geteuid() == 0  # another user cannot reach the script


def test_no_tier_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "executable", lambda: None)
    monkeypatch.setattr(landlock, "version", lambda: 0)
    found, why = sandbox.find()
    assert found is None
    assert "bubblewrap is not installed" in why and "no Landlock" in why


def test_root_with_no_other_user_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(tiers, "_known_users", lambda: ((0, 1),))
    assert "never run as root" in tiers.why_not("bubblewrap")
    assert "never run as root" in tiers.why_not("landlock")


def test_root_becomes_someone_else() -> None:
    if os.geteuid() != 0:
        pytest.skip("this is not root")
    outcome = make("landlock").run("import os; print(os.getuid(), os.getgid(), os.getgroups())")
    user, group, groups = outcome.run.output.kept.decode().split(" ", 2)
    assert int(user) == int(group) >= 62_000 and groups.strip() == "[]"
    assert len({tiers.foreign_user() for _ in range(20)}) > 10, "another one each time"


@pytest.mark.parametrize("name", ["bubblewrap", "landlock"])
def test_a_filter_that_cannot_be_set_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made = make(name)
    monkeypatch.setattr(seccomp, "program", lambda needs: struct.pack("=HBBI", 0xFFFF, 0, 0, 0))
    with pytest.raises(SandboxError, match="prctl 22: Invalid argument"):
        made.run("print('ran')")


def test_rules_that_cannot_be_set_run_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make("landlock")
    monkeypatch.setattr(landlock, "ruleset", lambda abi, rules: {"attributes": "ff" * 8, "rules": []})
    with pytest.raises(SandboxError, match="system call 444"):
        made.run("print('ran')")


def test_without_python_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "find", lambda user: None)
    with pytest.raises(SandboxError, match="no Python"):
        Sandbox("landlock", 1).run("print('ran')")


def test_the_interpreter_is_the_systems_and_fits_the_packages() -> None:
    found = interpreter.find(None)
    assert found is not None
    assert found.path.is_file()
    if found.home is None:
        assert found.path.is_relative_to("/usr")


def test_what_is_reachable_for_a_stranger(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert not interpreter.reachable(tmp_path / "missing", 62_000)
    assert not interpreter.reachable(tmp_path, 62_000)
    assert interpreter.reachable(Path("/usr"), 62_000)
    assert interpreter.reachable(tmp_path, None)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("needs", [seccomp.Needs(), seccomp.Needs(True, True, True)])
def test_the_filter_is_well_formed(machine: str, needs: seccomp.Needs) -> None:
    code = seccomp.program(needs, machine)
    instructions = list(struct.iter_unpack("=HBBI", code))
    assert len(instructions) < 4096
    for place, (kind, yes, no, _) in enumerate(instructions):
        assert kind & 7 != 5 or place + 1 + max(yes, no) < len(instructions), "jumps stay inside"
    assert instructions[-1][0] == 0x06


def test_the_tasks_of_a_user_are_counted() -> None:
    assert tasks_of(os.getuid()) >= 1
    assert tasks_of(1_999_999_999) == 0
