"""Files that are handed to the pages keep their content, and no name leads out of their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from knowledge.errors import StorageError
from ui.uploads import plain_name, refusal, save


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\me\\notes.md", "notes.md"),
        ("a\u202eb\u200b.txt", "a_b_.txt"),
        ("what? <why>.md", "what_ _why_.md"),
        (".hidden.md", "hidden.md"),
        ("cafe\u0301.txt", "café.txt"),
        ("half\udc80.txt", "half_.txt"),
        ("nul\0.md", "nul_.md"),
        ("", "file"),
        ("..", "file"),
    ],
)
def test_a_name_becomes_a_plain_one(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_a_long_name_keeps_its_ending() -> None:
    plain = plain_name("é" * 500 + ".pdf")
    assert len(plain.encode()) <= 120
    assert plain.startswith("éé") and plain.endswith(".pdf")


def test_no_file_takes_the_place_of_another(tmp_path: Path) -> None:
    contents = [f"content {number}".encode() for number in range(5)]
    paths = [save(tmp_path / "uploads", "notes.md", content) for content in contents]
    assert [path.name for path in paths] == ["notes.md", *(f"notes-{number}.md" for number in range(2, 6))]
    assert [path.read_bytes() for path in paths] == contents
    assert [save(tmp_path / "uploads", "notes.md", content) for content in contents] == paths
    assert len(os.listdir(tmp_path / "uploads")) == 5


def test_what_can_be_told_beforehand_is_told(tmp_path: Path) -> None:
    endings = {".md"}
    assert refusal("notes.MD", b"text", endings) is None
    for name, content, reason in (("notes.md", b"", "empty"), ("film.mp4", b"x", ".mp4"), ("README", b"x", "nothing")):
        found = refusal(name, content, endings)
        assert found is not None and reason in found.reason


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "uploads").write_text("in the way")
    with pytest.raises(StorageError) as caught:
        save(tmp_path / "uploads", "notes.md", b"text")
    assert caught.value.kept and caught.value.fix
