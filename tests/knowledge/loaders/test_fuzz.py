"""Damaged files of every format: each gives documents or one DocumentError, and nothing else.

The mutations come from a fixed seed, so a failure can be repeated: its message names the format and the round.
"""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from knowledge.errors import DocumentError
from knowledge.loaders import lazy_load
from knowledge.loaders.worker import Reader
from tests.knowledge.loaders import samples

ROUNDS = 500
SEED = 20_261_121
PACKED = frozenset({".docx", ".pptx", ".xlsx", ".epub", ".zip"})
_BYTES = (0, 0x0A, 0x20, 0x22, 0x26, 0x2D, 0x3C, 0x3E, 0x5B, 0x7B, 0x7F, 0x80, 0xFF)
_TOKENS = (
    b"<",
    b">",
    b"</",
    b"<!--",
    b"<![CDATA[",
    b"&#0;",
    b"&#x110000;",
    b"\xff\xfe",
    b"\x1b]0;x\x07",
    b"0 0 obj",
    b"endobj",
    b"stream",
    b"<<",
    b"-1",
    b"99999999999999999999",
    b"1e999",
    b"[[[[",
    b'{"',
    b"\\u",
    b"From ",
    b"=?utf-8?b?",
    b"Content-Type: multipart/mixed; boundary=x\n",
    b"\r\n\r\n",
    b"\xed\xa0\x80",
    b"../",
    b"%PDF-",
    b"PK\x01\x02",
    b"```",
    b"\t|\t",
)


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 12)):
        data[rng.randrange(len(data))] = rng.choice((rng.randrange(256), *_BYTES))


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def splice(data: bytearray, rng: random.Random) -> None:
    start, end = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    at = rng.randrange(len(data))
    data[at:at] = data[start : min(end, start + 2_000)]


def cut(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.randint(1, 200)]


def repeat(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    chunk = data[start : start + rng.randint(1, 40)]
    data[start:start] = chunk * rng.randint(2, 200)


def insert(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        data[at:at] = rng.choice(_TOKENS)


def number(data: bytearray, rng: random.Random) -> None:
    """Another value where a number stands, in letters or in bytes."""
    digits = [at for at, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    if digits:
        at = rng.choice(digits)
        data[at : at + 1] = rng.choice((b"-1", b"0", b"9999999", b"1e9", b"x"))
    at = rng.randrange(len(data))
    data[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\1\0\0\0"))


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip,
    truncate,
    splice,
    cut,
    repeat,
    insert,
    number,
)


def mutated(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if data:
            rng.choice(MUTATIONS)(data, rng)
    return bytes(data)


def repacked(content: bytes, rng: random.Random) -> bytes:
    """The container with one member damaged, renamed, doubled or left out: what a hostile writer would make."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = rng.randrange(len(members))
    name, data = members[at]
    kind = rng.randrange(6)
    if kind == 0:
        del members[at]
    elif kind == 1:
        members[at] = (rng.choice(("../" + name, name + "/", "x" * 300, name.upper())), data)
    elif kind == 2:
        members[at] = (name, rng.choice(members)[1])
    else:
        members[at] = (name, mutated(data, rng))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


UNREAD = "theme docProps Layout Master customXml printer numbering settings fontTable Effects".split()
STYLE = re.compile(rb'<w:style [^>]*w:styleId="(?!Heading[12]"|ListBullet"|Title")[^"]*".*?</w:style>', re.DOTALL)


def lean(content: bytes) -> bytes:
    """The members that are read, and of its styles those that are used: damage to others proves nothing."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    if "word/styles.xml" in members:
        members["word/styles.xml"] = re.sub(
            rb"<w:latentStyles.*</w:latentStyles>", b"", STYLE.sub(b"", members["word/styles.xml"]), flags=re.DOTALL
        )
    return samples.packed({name: data for name, data in members.items() if not any(word in name for word in UNREAD)})


def damaged(name: str, content: bytes, rng: random.Random) -> bytes:
    packed = Path(name).suffix in PACKED
    return repacked(content, rng) if packed and rng.random() < 0.6 else mutated(content, rng)


def originals(folder: Path) -> dict[str, bytes]:
    found = samples.everything(folder)
    for name in ("warranty.docx", "plan.pptx", "prices.xlsx"):
        found[name] = lean(found[name])
    found["all.zip"] = samples.packed({"a.md": samples.GUIDE, "b.xlsx": found["prices.xlsx"], "c.csv": samples.CSV})
    return found


NAMES = list(samples.everything(Path(__file__).parent / "nowhere", pdf=b""))


@pytest.mark.filterwarnings("ignore")  # what parsers say about damaged files
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_gives_documents_or_one_error(tmp_path: Path, name: str) -> None:
    rng = random.Random(f"{SEED} {name}")
    original = originals(tmp_path)[name]
    path = tmp_path / name
    read = 0
    for round_ in range(ROUNDS):
        path.write_bytes(damaged(name, original, rng))
        try:
            for document in lazy_load(path):
                document.page_content.encode("utf-8")
                read += 1
        except DocumentError as error:
            assert "\n" not in str(error), (name, round_)
            assert name in error.what or path.suffix in PACKED | {".eml", ".mbox"}, (name, round_, error.what)
        except BaseException as error:
            raise AssertionError(f"{name}, round {round_}") from error
    assert read > ROUNDS // 50  # else the damage is so great that nothing past the first check is tried


def test_damaged_files_go_through_one_worker(tmp_path: Path) -> None:
    """The same kind of damage through the real worker: it answers for every file, in order, and is still there."""
    rng = random.Random(SEED)
    found = originals(tmp_path)
    paths = []
    for round_ in range(200):
        name = rng.choice(NAMES)
        paths.append(tmp_path / f"{round_}-{name}")
        paths[-1].write_bytes(damaged(name, found[name], rng))
    (tmp_path / "fine.txt").write_text("fine")
    with Reader() as reader:
        outcomes = list(reader.read_many([*paths, tmp_path / "fine.txt"]))
    assert [path for path, _ in outcomes] == [*paths, tmp_path / "fine.txt"]
    assert all(isinstance(outcome, list | DocumentError) for _, outcome in outcomes)
    assert not [outcome for _, outcome in outcomes if "ended the process" in str(outcome)]
    assert isinstance(outcomes[-1][1], list)
