"""No path leads out of the workspace, whatever stands in it and whoever changes it meanwhile."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tools.files.workspace import Missing, Workspace, WorkspaceError, components

SECRET = b"canary: never to be read\n"

REFUSED_PATHS = [
    "/etc/passwd",
    "//etc/passwd",
    "/",
    "~",
    "~/x",
    "~root/x",
    "..",
    "../outside/secret.txt",
    "a/../../outside/secret.txt",
    "a/..",
    "./../outside",
    "a/b/../../../outside/secret.txt",
    ".//..//outside",
    "..\\outside",
    "a\\..\\..\\x",
    "\\etc\\passwd",
    "\\\\server\\share",
    "C:/x",
    "C:\\x",
    "c:x",
    "x\0y",
    "x\0",
    "\0",
    "notes.txt\0.pdf",
    "x\ny",
    "x\ty",
    "x\ry",
    "x\x1b[2Jy",
    "x\x7fy",
    "x\u202egpj.exe",
    "x\u2066y",
    "\ufeffx",
    "x\u2028y",
    "x\x85y",
    "a\ud800",
    "con",
    "CON",
    "nul",
    "NUL.txt",
    "aux.md",
    "com1",
    "lpt9.log",
    "prn",
    "x.",
    "x ",
    "a./b",
    "a /b",
    "...",
    ".ratchet-x.tmp",
    "a/.ratchet-y.tmp",
    "x" * 256,
    "ü" * 128,
    "a/" * 21 + "x",
    "/".join(["x" * 200] * 6),
    "\U000e0041x",
]
# Names that look like a way out and are none, or stand in the workspace and lead out of it.
LINKS = [
    "link.txt",
    "up/secret.txt",
    "up",
    "up/outside/secret.txt",
    "absolute/passwd",
    "a/deep/secret.txt",
    "chain/secret.txt",
    "self",
    "self/x",
    "dangling",
    "proc/self/cwd",
    "inside-link.txt",
    "pipe",
    "a/b/up/secret.txt",
]
HARMLESS = [
    "%2e%2e/x",
    "..x",
    "x..y",
    "．．/x",
    "…/x",
    "~x"[1:],
    "at 10:30.txt",
    "日本語.txt",
    "ünï.md",
    ".hidden",
    "a b.txt",
]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    place = tmp_path / "outside"
    place.mkdir()
    (place / "secret.txt").write_bytes(SECRET)
    return place


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "notes.txt").write_text("one\ntwo\n")
    for name, target in (
        ("link.txt", "../outside/secret.txt"), ("up", "../outside"), ("absolute", "/etc"), ("chain", "up"),
        ("self", "self"), ("dangling", "../outside/new.txt"), ("proc", "/proc"), ("inside-link.txt", "notes.txt"),
        ("a/deep", "../../outside"), ("a/b/up", "../../../outside"),
    ):  # fmt: skip
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture(params=[True, False], ids=["openat2", "step by step"])
def space(root: Path, request: pytest.FixtureRequest) -> Workspace:
    return Workspace(root, openat2=request.param)


@pytest.mark.parametrize("path", REFUSED_PATHS, ids=[ascii(path)[:40] for path in REFUSED_PATHS])
def test_a_path_that_leads_out_or_misleads_is_refused(path: str) -> None:
    with pytest.raises((WorkspaceError, UnicodeEncodeError)):
        components(path)


@pytest.mark.parametrize("path", LINKS)
def test_links_and_pipes_are_neither_read_nor_written(space: Workspace, outside: Path, path: str) -> None:
    before = sorted(outside.iterdir())
    with pytest.raises((WorkspaceError, OSError)):
        space.read(components(path), 1000)
    with pytest.raises((WorkspaceError, OSError)):
        space.write(components(path), b"evil", None)
    assert sorted(outside.iterdir()) == before and (outside / "secret.txt").read_bytes() == SECRET


@pytest.mark.parametrize("path", HARMLESS)
def test_other_names_are_only_names(space: Workspace, path: str) -> None:
    parts = components(path)
    space.write(parts, b"x", None)
    assert space.read(parts, 10).data == b"x"
    assert (space.root / path).read_bytes() == b"x"


def test_a_link_in_place_of_a_file_is_replaced_by_nothing(space: Workspace, outside: Path) -> None:
    status = space.read(("notes.txt",), 100).status
    (space.root / "notes.txt").unlink()
    (space.root / "notes.txt").symlink_to(outside / "secret.txt")
    with pytest.raises(WorkspaceError, match="changed"):
        space.write(("notes.txt",), b"evil", status)
    assert (outside / "secret.txt").read_bytes() == SECRET


def test_replacing_a_hard_link_leaves_the_other_name_alone(space: Workspace, outside: Path) -> None:
    os.link(outside / "secret.txt", space.root / "hard.txt")
    content = space.read(("hard.txt",), 100)
    space.write(("hard.txt",), b"new", content.status)
    assert (outside / "secret.txt").read_bytes() == SECRET


def test_devices_and_folders_are_no_files(space: Workspace) -> None:
    for path, said in (("a", "folder"), ("pipe", "regular")):
        with pytest.raises(WorkspaceError, match=said):
            space.read((path,), 10)
    with pytest.raises(Missing):
        space.read(("a", "none.txt"), 10)
    with pytest.raises(WorkspaceError, match="more than 3 bytes"):
        space.read(("notes.txt",), 3)
    with pytest.raises(Missing, match="workspace folder does not exist"):
        Workspace(space.root / "gone").read(("x",), 10)


def test_a_write_keeps_permissions_and_leaves_nothing_beside(space: Workspace) -> None:
    target = space.root / "notes.txt"
    target.chmod(0o640)
    space.write(("notes.txt",), b"new", space.read(("notes.txt",), 100).status)
    assert target.read_bytes() == b"new" and target.stat().st_mode & 0o7777 == 0o640
    target.chmod(0o4755)
    space.write(("notes.txt",), b"newer", space.read(("notes.txt",), 100).status)
    assert target.stat().st_mode & 0o7777 == 0o755  # no program that runs as its owner comes from here
    with pytest.raises(WorkspaceError, match="exists"):
        space.write(("notes.txt",), b"x", None)
    space.write(("new", "folder", "x.txt"), b"x", None)
    assert not [name for name in os.listdir(space.root) if name.startswith(".ratchet-")]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="exchanging two names is Linux's")
@pytest.mark.parametrize("openat2", [True, False])
def test_a_component_swapped_for_a_link_never_leads_out(root: Path, outside: Path, openat2: bool) -> None:
    """One thread swaps a folder for a link and back, as fast as it can; another reads and writes through it."""
    space, stop, flips = Workspace(root, openat2=openat2), threading.Event(), [0]
    (root / "swap").mkdir()
    (root / "swap" / "secret.txt").write_bytes(b"inside")
    (root / "way-out").symlink_to(outside)

    exchange = ctypes.CDLL(None).renameat2  # in one step, so that there always is something
    names = os.fsencode(root / "swap"), os.fsencode(root / "way-out")

    def swap() -> None:
        while not stop.is_set():
            assert exchange(-100, names[0], -100, names[1], 2) == 0
            flips[0] += 1

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = {"read": 0, "written": 0, "refused": 0}
    try:
        for number in range(1500):
            try:
                content = space.read(("swap", "secret.txt"), 1000)
                assert content.data != SECRET
                outcomes["read"] += 1
                space.write(("swap", "secret.txt"), b"inside %d" % number, content.status)
                space.write(("swap", f"new-{number}.txt"), b"x", None)
                outcomes["written"] += 1
            except (WorkspaceError, OSError):
                outcomes["refused"] += 1
    finally:
        stop.set()
        thread.join()
    assert [file.name for file in outside.iterdir()] == ["secret.txt"]
    assert (outside / "secret.txt").read_bytes() == SECRET
    assert flips[0] and outcomes["refused"] and outcomes["read"], outcomes


_KILLED = """
import json, os, sys
from pathlib import Path
from tools.resources import Resources
from tools.files import build
import filelock

def counted(name, last):
    original = getattr(os, name)
    def call(*args, **kwargs):
        seen.append(name)
        if len(seen) == last:
            os.kill(os.getpid(), 9)
        return original(*args, **kwargs)
    setattr(os, name, call)

results = []
for step in range(1, 100):
    home, seen = Path(sys.argv[1]) / str(step), []
    (home / "work").mkdir(parents=True)
    (home / "work" / "x.txt").write_bytes(b"old" * 1000)
    tools = {spec.name: spec.tool for spec in build(Resources(workspace=home / "work", state=home / "state"))}
    child = os.fork()
    if not child:
        for name in ("open", "fsync", "replace", "rename", "link", "unlink", "fchmod", "mkdir"):
            counted(name, step)
        tools["write_file"].invoke({"path": "x.txt", "text": "new" * 1000, "mode": "replace"})
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    content = (home / "work" / "x.txt").read_bytes()
    undone = tools["undo_write"].invoke({"path": "x.txt"}) if content == b"new" * 1000 else ""
    after = (home / "work" / "x.txt").read_bytes()
    results.append([status, content.decode(), after.decode()])
    if status != -9:
        break
print(json.dumps(results))
"""


def test_killed_at_any_step_a_write_leaves_the_old_or_the_new_file_and_can_be_undone(tmp_path: Path) -> None:
    """The process ends itself, without any cleaning up, at the Nth call that touches the disk."""
    command = [sys.executable, "-c", _KILLED, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True)
    results = json.loads(done.stdout)
    old, new = "old" * 1000, "new" * 1000
    written = [content == new for _, content, _ in results]
    assert {content for _, content, _ in results} == {old, new}
    assert written == sorted(written) and len(results) > 10  # old before a certain step, new from it on
    assert {after for _, _, after in results} == {old}
    assert results[-1][0] == 0
