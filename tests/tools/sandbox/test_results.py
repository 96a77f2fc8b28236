"""What a program sends is checked as what a stranger sent; images are stored under names of our own."""

from __future__ import annotations

import json
import stat
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.sandbox.results import MOST_FIGURES, is_png, read, store


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int = 1, height: int = 1, *extra: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + b"".join([head, *extra, chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND")])


def message(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">cI", kind, len(content)) + content


def told(**fields: object) -> bytes:
    return message(b"J", json.dumps(fields).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        png()[:-1],
        png() + b"<script>",
        png().replace(b"IDAT", b"IDAX"),
        png(100_000, 100_000),
        png(0, 5),
        png()[:8] + png()[33:],
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0xFFFFFFFF) + b"IHDR" + b"x" * 20,
    ],
)
def test_what_is_no_png(content: bytes) -> None:
    assert not is_png(content)
    assert read(message(b"P", content)).images == []


def test_a_png() -> None:
    assert is_png(png()) and is_png(png(600, 400, chunk(b"tEXt", b"Title\0x")))


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_survived(received: bytes) -> None:
    report = read(received + told(ready=True))
    assert not report.images


@given(st.integers(0, len(png()) - 1), st.integers(1, 255))
def test_a_changed_png_is_refused(place: int, change: int) -> None:
    content = bytearray(png())
    content[place] ^= change
    assert not is_png(bytes(content))


def test_messages_are_held_to_their_types_and_sizes() -> None:
    report = read(
        told(ready=1, error=7, value="v" * 99_999, notes=[1, "n" * 9_999], table={"columns": "abc", "rows": []})
        + told(table={"columns": ["a", 2], "rows": [[{"x": 1}], [1, 2, 3], "row", [10**30, 1e999]], "total": "many"})
        + message(b"P", png()) * (MOST_FIGURES + 3)
        + message(b"?", b"")
        + told(ready=True)
    )
    assert report.ready and report.error == ""
    assert len(report.value) == 21_000 and len(report.notes[0]) == 600
    assert report.table == {"columns": ["a", "2"], "rows": [["{'x': 1}", None], [1, 2], [str(10**30), None]]}
    assert report.table_rows == 3
    assert len(report.images) == MOST_FIGURES


def test_nested_json_is_survived() -> None:
    assert not read(message(b"J", b"[" * 100_000) + told(ready=True)).ready


def test_images_are_stored_under_names_of_our_own(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts" / "new"
    first, second = store([png(), png(2, 2)], folder)
    assert first["name"] == "plot-1.png" and first["media_type"] == "image/png"
    assert Path(first["path"]).read_bytes() == png() and Path(second["path"]).parent == folder
    assert stat.S_IMODE(Path(first["path"]).stat().st_mode) == 0o600


def test_nothing_is_stored_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "artifacts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="artifacts"):
        store([png()], tmp_path / "artifacts")
    assert list((tmp_path / "elsewhere").iterdir()) == []
