"""The file tools as a model calls them: list, read, write, edit, and take back."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import ToolException

from knowledge.schema import Passage
from tools.files import build, diff, list_hints, read_hints, unavailable
from tools.files.undo import MOST_VERSIONS, UndoStore
from tools.resources import Resources
from tools.spec import ToolSpec


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "sub" / "deeper").mkdir(parents=True)
    (folder / "notes.txt").write_text("one\ntwo\nthree\n")
    (folder / "sub" / "todo.md").write_text("# Monday\n\nBuy milk.\n")
    (folder / "sub" / "deeper" / "data.csv").write_text("a,b\n1,2\n")
    (folder / "link").symlink_to("/etc")
    return folder


@pytest.fixture
def desk(root: Path, tmp_path: Path) -> dict[str, ToolSpec]:
    return specs(root, tmp_path)


def specs(root: Path, tmp_path: Path) -> dict[str, ToolSpec]:
    return {spec.name: spec for spec in build(Resources(workspace=root, state=tmp_path / "state"))}


def call(spec: ToolSpec, **arguments: Any) -> Any:
    return spec.tool.invoke({"name": spec.name, "args": arguments, "id": "1", "type": "tool_call"})


def text(spec: ToolSpec, **arguments: Any) -> str:
    return str(call(spec, **arguments).content)


def test_what_the_tools_declare(desk: dict[str, ToolSpec], root: Path) -> None:
    risks = {name: (spec.risk, spec.untrusted, spec.preview is not None) for name, spec in desk.items()}
    assert risks == {
        "list_files": ("read", True, False),
        "read_file": ("read", True, False),
        "write_file": ("write", False, True),
        "edit_file": ("write", False, True),
        "undo_write": ("write", False, True),
    }
    assert build(Resources()) == [] and unavailable(Resources(workspace=root)) == ""
    assert "undo_write" not in {spec.name for spec in build(Resources(workspace=root))}


def test_listing(desk: dict[str, ToolSpec]) -> None:
    listed = text(desk["list_files"]).split("\n")
    assert listed[0] == "link (a link, not followed)" and listed[2] == "sub/"
    assert listed[1].startswith("notes.txt  14 bytes, 20")
    assert text(desk["list_files"], folder="sub").startswith("sub/deeper/\nsub/todo.md  ")
    assert text(desk["list_files"], pattern="*.csv").startswith("sub/deeper/data.csv")
    assert text(desk["list_files"], pattern="deeper/*", folder="sub").startswith("sub/deeper/data.csv")
    assert "Nothing" in text(desk["list_files"], pattern="*.pdf")
    for folder in ("link", "..", "/etc", "none", "notes.txt"):
        with pytest.raises(ToolException):
            call(desk["list_files"], folder=folder)


def test_a_long_listing_is_cut_and_says_so(desk: dict[str, ToolSpec], root: Path) -> None:
    (root / "many").mkdir()
    for number in range(250):
        (root / "many" / f"{number}.txt").touch()
    listed = text(desk["list_files"], folder="many").split("\n")
    assert len(listed) == 201 and listed[-1].startswith("(first 200 of 250;")


def test_reading_lines(desk: dict[str, ToolSpec], root: Path) -> None:
    assert text(desk["read_file"], path="notes.txt") == "notes.txt, lines 1-3 of 3:\none\ntwo\nthree"
    message = call(desk["read_file"], path="notes.txt", first_line=2, lines=1)
    assert message.content == "notes.txt, lines 2-2 of 3:\ntwo"
    (passage,) = message.artifact["passages"]
    evidence = Passage.from_json(passage)
    assert (evidence.source, evidence.text, evidence.start_line) == (str(root / "notes.txt"), "two", 2)
    with pytest.raises(ToolException, match="only 3 lines"):
        call(desk["read_file"], path="notes.txt", first_line=9)
    with pytest.raises(ToolException, match="no file none.txt"):
        call(desk["read_file"], path="none.txt")
    (root / "empty.txt").touch()
    assert text(desk["read_file"], path="empty.txt") == "empty.txt is empty."


def test_long_and_hostile_text(desk: dict[str, ToolSpec], root: Path) -> None:
    (root / "long.txt").write_text("".join(f"line {number}\n" for number in range(100_000)))
    read = text(desk["read_file"], path="long.txt", lines=100_000)
    assert read.startswith("long.txt, lines 1-") and " of 100,000:" in read[:60] and len(read) < 21_000
    (root / "wide.txt").write_text("x" * 50_000 + "\nshort")
    read = text(desk["read_file"], path="wide.txt")
    assert "not shown whole" in read and len(read) < 21_000
    (root / "escape.txt").write_bytes(b"a\x1b]0;title\x07b\x1b[2Jc\n")
    assert text(desk["read_file"], path="escape.txt").endswith(":\nabc")
    (root / "binary.bin").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(ToolException, match="binary"):
        call(desk["read_file"], path="binary.bin")


def test_other_formats_are_read_in_the_confined_process(desk: dict[str, ToolSpec], root: Path) -> None:
    with zipfile.ZipFile(root / "pack.zip", "w") as archive:
        archive.writestr("inner/one.txt", "first file")
        archive.writestr("two.md", "second file")
    message = call(desk["read_file"], path="pack.zip")
    assert "first file" in message.content and "[inner/one.txt]" in message.content
    assert {passage["part"] for passage in message.artifact["passages"]} == {"inner/one.txt", "two.md"}
    assert {passage["source"] for passage in message.artifact["passages"]} == {str(root / "pack.zip")}
    (root / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    with pytest.raises(ToolException, match=r"broken\.pdf"):
        call(desk["read_file"], path="broken.pdf")


def test_writing(desk: dict[str, ToolSpec], root: Path) -> None:
    write = desk["write_file"]
    assert "11 bytes" in text(write, path="new/x.txt", text="hello wörl")
    assert (root / "new" / "x.txt").read_text() == "hello wörl"
    text(write, path="new/x.txt", text="d\n", mode="append")
    text(write, path="log.txt", text="made by append\n", mode="append")
    assert (root / "new" / "x.txt").read_text() == "hello wörld\n" and (root / "log.txt").exists()
    text(write, path="new/x.txt", text="", mode="replace")
    assert (root / "new" / "x.txt").read_bytes() == b""
    for arguments, said in (
        ({"path": "notes.txt", "text": "x"}, "exists already"),
        ({"path": "none.txt", "text": "x", "mode": "replace"}, "mode create"),
        ({"path": "sub", "text": "x"}, "folder"),
        ({"path": "", "text": "x"}, "path of a file"),
        ({"path": "link/x", "text": "x"}, "link"),
        ({"path": "notes.txt/x", "text": "x"}, "no folder"),
        ({"path": "big.txt", "text": "x" * 5_000_000}, "at most"),
        ({"path": "half.txt", "text": "\ud800"}, "surrogate"),
    ):
        with pytest.raises(ToolException, match=said):
            call(write, **arguments)
    assert (root / "notes.txt").read_text() == "one\ntwo\nthree\n"


def test_editing(desk: dict[str, ToolSpec], root: Path) -> None:
    edit = desk["edit_file"]
    text(edit, path="notes.txt", old="two\n", new="2\n")
    assert (root / "notes.txt").read_text() == "one\n2\nthree\n"
    for old, said in (("e", "stands there 3 times"), ("four", "does not stand"), ("", "is empty")):
        with pytest.raises(ToolException, match=said):
            call(edit, path="notes.txt", old=old, new="x")
    (root / "dos.txt").write_bytes(b"a\r\nb\r\nc\r\n")
    text(edit, path="dos.txt", old="a\nb", new="x\ny")
    assert (root / "dos.txt").read_bytes() == b"x\r\ny\r\nc\r\n"
    (root / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ToolException, match="UTF-8"):
        call(edit, path="latin.txt", old="c", new="x")


def test_previews_show_the_difference_and_change_nothing(desk: dict[str, ToolSpec], root: Path, tmp_path: Path) -> None:
    def preview(name: str, **arguments: Any) -> str:
        shown = desk[name].preview
        assert shown is not None
        return shown(arguments)

    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    edited = preview("edit_file", path="notes.txt", old="two", new="2")
    assert edited == "--- notes.txt\n+++ notes.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three"
    made = preview("write_file", path="deep/new.txt", text="a\nb")
    assert made == "--- (no file)\n+++ deep/new.txt\n@@ -0,0 +1,2 @@\n+a\n+b (no line end)"
    assert "+<U+202E>x<U+001B>[2J" in preview("write_file", path="new.txt", text="\u202ex\x1b[2J\n")
    long = preview("write_file", path="new.txt", text="x\n" * 5000)
    assert long.endswith("… 4,801 further lines of this difference are not shown")
    for arguments in ({}, {"path": "../x", "text": "x"}, {"path": "notes.txt", "text": "x"}, {"path": "x"}):
        assert preview("write_file", **arguments).startswith("This would fail: ")
    assert "nothing to undo" in preview("undo_write", path="notes.txt")
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before
    text(desk["edit_file"], path="notes.txt", old="two", new="2")
    assert "-2\n+two" in preview("undo_write", path="notes.txt")


def test_undo_outlasts_a_restart(root: Path, tmp_path: Path) -> None:
    for arguments in (
        {"path": "notes.txt", "text": "second", "mode": "replace"},
        {"path": "made.txt", "text": "new"},
        {"path": "notes.txt", "text": "third", "mode": "replace"},
    ):
        text(specs(root, tmp_path)["write_file"], **arguments)
    undo = specs(root, tmp_path)["undo_write"]
    assert "as it was" in text(undo, path="notes.txt") and (root / "notes.txt").read_text() == "second"
    assert "as it was" in text(undo, path="notes.txt") and (root / "notes.txt").read_text() == "one\ntwo\nthree\n"
    with pytest.raises(ToolException, match="nothing to undo"):
        call(undo, path="notes.txt")
    assert "removed again" in text(undo, path="made.txt") and not (root / "made.txt").exists()


def test_undo_does_not_touch_what_was_changed_since(desk: dict[str, ToolSpec], root: Path) -> None:
    text(desk["write_file"], path="notes.txt", text="ours", mode="replace")
    (root / "notes.txt").write_text("theirs")
    with pytest.raises(ToolException, match="changed since"):
        call(desk["undo_write"], path="notes.txt")
    assert (root / "notes.txt").read_text() == "theirs"
    text(desk["write_file"], path="gone.txt", text="x")
    text(desk["write_file"], path="gone.txt", text="y", mode="replace")
    (root / "gone.txt").unlink()
    with pytest.raises(ToolException, match="changed since"):
        call(desk["undo_write"], path="gone.txt")


def test_undo_passes_over_a_write_that_never_came_about(desk: dict[str, ToolSpec], root: Path, tmp_path: Path) -> None:
    text(desk["write_file"], path="notes.txt", text="second", mode="replace")
    UndoStore(tmp_path / "state", root).keep("notes.txt", b"second", b"killed before it was in place")
    assert "as it was" in text(desk["undo_write"], path="notes.txt")
    assert (root / "notes.txt").read_text() == "one\ntwo\nthree\n"


def test_a_write_that_fails_keeps_the_file_and_the_undo(
    desk: dict[str, ToolSpec], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text(desk["write_file"], path="notes.txt", text="second", mode="replace")

    def full(*arguments: object, **named: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere/else")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", full)
        with pytest.raises(ToolException, match="No space left on device") as failed:
            call(desk["write_file"], path="notes.txt", text="third", mode="replace")
    assert "/somewhere" not in str(failed.value)
    assert (root / "notes.txt").read_text() == "second"
    text(desk["undo_write"], path="notes.txt")
    assert (root / "notes.txt").read_text() == "one\ntwo\nthree\n"


def test_undo_keeps_a_bounded_number(tmp_path: Path, root: Path) -> None:
    store = UndoStore(tmp_path / "state", root)
    with store.locked():
        for number in range(MOST_VERSIONS + 5):
            store.keep("x", b"%d" % number, b"")
        kept = store.versions("x")
    assert len(kept) == MOST_VERSIONS and store.content(kept[0]) == b"%d" % (MOST_VERSIONS + 4)


def test_a_difference_of_long_texts_is_quick_and_whole() -> None:
    before = "\n".join(f"a{number}" for number in range(20_000))
    after = "\n".join(f"b{number}" for number in range(20_000))
    shown = diff.unified("head\n" * 5 + before, "head\n" * 5 + after, "x")
    assert "@@ -6,20000 +6,20000 @@" in shown and "… 39,801 further lines" in shown
    assert diff.unified("a\n", "a\n", "x") == "x: no change"
    assert "@@ -998,4 +998,5 @@" in diff.unified("l\n" * 1001, "l\n" * 1000 + "m\nl\n", "x")


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("read notes.txt", "notes.txt"),
        ("Can you please open the file sub/todo.md?", "sub/todo.md"),
        ("show me the contents of 'plan.csv'", "plan.csv"),
        ("Please read the file report.pdf in my workspace", "report.pdf"),
        ("How do I read a file in Python?", None),
        ("read about config.py and explain the settings", None),
        ("What does notes.txt say about milk?", None),
        ("show me example.com prices", None),
        ("read v1.2", None),
    ],
)
def test_hints_for_reading(question: str, path: str | None) -> None:
    assert read_hints(question) == ({"path": [path]} if path else None)


def test_hints_for_listing() -> None:
    for question in (
        "list the files in my workspace",
        "Show me all files in the workspace.",
        "What files are in my workspace?",
    ):
        assert list_hints(question) == {"folder": [""]}
    for question in ("list the files that FastAPI needs", "What is a workspace?", "show my documents"):
        assert list_hints(question) is None
