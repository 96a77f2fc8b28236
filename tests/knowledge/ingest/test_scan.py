from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from knowledge.ingest.scan import scan

SUFFIXES = {".md", ".txt", ".json", ".js"}


def names(root: Path, *roots: Path) -> set[str]:
    return {os.path.relpath(source, root) for source in scan([str(root), *map(str, roots)], SUFFIXES).files}


def test_only_known_types_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.MD").write_text("a")
    (tmp_path / "photo.png").write_bytes(b"x")
    found = scan([str(tmp_path)], SUFFIXES)
    (file,) = found.files.values()
    status = (tmp_path / "sub" / "a.MD").stat()
    assert (file.source, file.size, file.mtime_ns) == (str(tmp_path / "sub" / "a.MD"), 1, status.st_mtime_ns)
    assert (found.skipped, found.closed) == (1, [])


def test_what_nobody_wrote_to_be_read_and_links_to_folders_are_left_out(tmp_path: Path) -> None:
    installed = ("made/pyvenv.cfg", "made/lib/a.md", "target/CACHEDIR.TAG", "target/a.md", "node_modules/a.md")
    for name in (*installed, ".git/a.md", ".hidden.md", "package-lock.json", "app.min.js", "b.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("a")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "round.txt").symlink_to(tmp_path / "round.txt")
    (tmp_path / "alias.md").symlink_to(tmp_path / "b.md")
    assert names(tmp_path) == {"b.md", "alias.md", "round.txt"}
    assert "cannot be read" in scan([str(tmp_path)], SUFFIXES).files[str(tmp_path / "round.txt")].problem


def test_a_root_is_taken_as_named(tmp_path: Path) -> None:
    (tmp_path / ".notes").mkdir()
    (tmp_path / ".notes" / "a.md").write_text("a")
    (tmp_path / "b.xyz").write_text("b")
    (tmp_path / "package-lock.json").write_text("{}")
    (tmp_path / ".notes" / "pyvenv.cfg").touch()
    assert names(tmp_path / ".notes") == {"a.md"}
    assert names(tmp_path / "b.xyz") == {"."}
    assert names(tmp_path / "package-lock.json") == {"."}


def test_overlapping_roots_give_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.md").write_text("a")
    assert names(tmp_path, tmp_path / "sub", tmp_path / "sub" / "a.md") == {"sub/a.md"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_text_and_names_of_two_lines(tmp_path: Path) -> None:
    bad = os.fsencode(tmp_path) + b"/caf\xe9.md"
    Path(os.fsdecode(bad)).write_text("a")
    (tmp_path / "two\nlines.md").write_text("b")
    found = scan([str(tmp_path)], SUFFIXES).files
    assert {Path(source).name for source in found} == {"caf\\xe9.md", "two\nlines.md"}
    assert "rename it" in found[str(tmp_path / "caf\\xe9.md")].problem
    assert not found[str(tmp_path / "two\nlines.md")].problem


def test_a_pipe_is_told_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    assert "not a regular file" in scan([str(tmp_path)], SUFFIXES).files[str(tmp_path / "pipe.md")].problem


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_closed_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    try:
        found = scan([str(tmp_path)], SUFFIXES)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert found.closed == [str(tmp_path / "closed")]
    assert "permission denied" in found.files[str(tmp_path / "closed")].problem
