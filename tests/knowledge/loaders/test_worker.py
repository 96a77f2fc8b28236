"""The confined worker: the same documents as in this process, and nothing that a file or loader does gets out."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from knowledge.errors import DocumentError
from knowledge.loaders import lazy_load, wire
from knowledge.loaders.process import Limits
from knowledge.loaders.worker import Reader
from tests.knowledge.loaders import samples

MB = 2**20
LOADERS = '''
import os, socket, subprocess, sys, threading, time
from pathlib import Path

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document


class Lines(BaseLoader):
    """One document a line."""

    def __init__(self, path):
        self.path = path

    def lazy_load(self):
        for number, line in enumerate(Path(self.path).read_text().splitlines()):
            yield Document(page_content=line, metadata={"page": number} if "paged" in self.path else {})


class Whole(Lines):
    def lazy_load(self):
        yield Document(page_content=Path(self.path).read_text())


def endless(path):
    while True:
        pass


def silent(path):
    time.sleep(1000)


def hog(path):
    kept = []
    while True:
        kept.append(bytearray(2**22))


def fork(path):
    os.fork()


def run(path):
    subprocess.run(["true"])


def shell(path):
    os.system("true")


def spawn(path):
    os.posix_spawn("/bin/true", ["true"], {})


def write(path):
    Path(path).with_suffix(".witness").write_text("x")


def append(path):
    open(path, "a").write("x")


def remove(path):
    os.remove(path)


def rename(path):
    os.rename(path, path + ".moved")


def link(path):
    os.symlink(path, path + ".link")


def folder(path):
    os.mkdir(path + ".folder")


def connect(path):
    socket.create_connection(("127.0.0.1", int(Path(path).read_text())))


def look_up(path):
    socket.getaddrinfo("localhost", 80)


def listen(path):
    socket.socket().bind(("127.0.0.1", 0))


def open_many(path):
    return [open(path) for _ in range(10_000)] and []


def die(path):
    os._exit(3)


def crash(path):
    import ctypes
    ctypes.string_at(0)


def recurse(path):
    return recurse(path)


def chatter(path):
    print("\\0" * 1000)
    os.write(1, b"\\0\\0\\0\\5hello")
    yield Document(page_content=repr(sorted(os.environ)))


def fail(path):
    raise RuntimeError("two\\nlines")
'''


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "odd_loaders.py").write_text(LOADERS)
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.odd"
    path.write_text("first\nsecond\n")
    return path


@pytest.fixture
def reader(modules: Path) -> Iterator[Reader]:
    with Reader(Limits(seconds=30.0)) as reader:
        yield reader


def reader_with(loader: str, **limits: float) -> Reader:
    return Reader(Limits(**{"seconds": 30.0, "memory_bytes": 256 * MB, **limits}), {".odd": f"odd_loaders:{loader}"})  # type: ignore[arg-type]


def said(reader: Reader, path: Path) -> str:
    with reader, pytest.raises(DocumentError) as caught:
        reader.read(path)
    assert "\n" not in str(caught.value)
    assert path.name in caught.value.what
    return str(caught.value)


def test_a_worker_reads_what_this_process_reads(tmp_path: Path, reader: Reader) -> None:
    paths = []
    for name, content in samples.everything(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        paths.append(tmp_path / name)
    for path, outcome in reader.read_many(paths):
        assert outcome == list(lazy_load(path))


def test_errors_come_over_as_they_are(tmp_path: Path, reader: Reader) -> None:
    (tmp_path / "empty.md").touch()
    with pytest.raises(DocumentError) as there:
        reader.read(tmp_path / "empty.md")
    with pytest.raises(DocumentError) as here:
        list(lazy_load(tmp_path / "empty.md"))
    assert str(there.value) == str(here.value)
    with pytest.raises(OSError, match="No such file") as missing:
        reader.read(tmp_path / "missing.md")
    assert missing.value.errno == 2


def test_names_of_any_bytes_are_read(tmp_path: Path, reader: Reader) -> None:
    paths = [tmp_path / "caf\u00e9 \u2013 \U0001f600.txt", Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff.txt"))]
    for path in paths:
        path.write_text("text")
    for path in paths:
        (document,) = reader.read(path)
        assert document.metadata["source"] == str(path)


def test_many_files_come_in_order_around_those_that_fail(tmp_path: Path, modules: Path) -> None:
    paths = []
    for number in range(300):
        path = tmp_path / f"{number}{'.odd' if number % 100 == 50 else '.txt'}"
        path.write_text(f"text {number}")
        paths.append(path)
    with reader_with("die") as reader:
        outcomes = list(reader.read_many(iter(paths)))
    assert [path for path, _ in outcomes] == paths
    failed = [path.name for path, outcome in outcomes if isinstance(outcome, Exception)]
    assert failed == ["50.odd", "150.odd", "250.odd"]
    assert all(
        outcome[0].page_content == f"text {path.stem}" for path, outcome in outcomes if isinstance(outcome, list)
    )


def test_stopping_early_leaves_no_answer_behind(tmp_path: Path, reader: Reader) -> None:
    paths = []
    for number in range(20):
        paths.append(tmp_path / f"{number}.txt")
        paths[-1].write_text(f"text {number}")
    next(reader.read_many(paths))
    assert reader.read(paths[7])[0].page_content == "text 7"


def test_a_langchain_loader_gives_parts_or_pages(tmp_path: Path, modules: Path, file: Path) -> None:
    with reader_with("Lines") as reader:
        assert [doc.metadata["part"] for doc in reader.read(file)] == ["part 1", "part 2"]
        paged = tmp_path / "paged.odd"
        paged.write_text("first\nsecond\n")
        assert [(doc.metadata["page"], doc.metadata["part"]) for doc in reader.read(paged)] == [(1, ""), (2, "")]
    with reader_with("Whole") as reader:
        assert [(doc.metadata["page"], doc.metadata["part"]) for doc in reader.read(file)] == [(None, "")]


def test_a_community_loader_can_be_named(tmp_path: Path) -> None:
    pytest.importorskip("langchain_community", reason="needs the community extra")
    (tmp_path / "a.odd").write_text("Some text.")
    loader = "langchain_community.document_loaders.text.TextLoader"
    with Reader(Limits(seconds=120.0), {".odd": loader}) as reader:
        (document,) = reader.read(tmp_path / "a.odd")
    assert document.page_content == "Some text."
    assert document.metadata["source"] == str(tmp_path / "a.odd")


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("no_such_module:Loader", "no_such_module"),
        ("odd_loaders:NoSuch", "no loader NoSuch"),
        ("langchain_community.no_such:Loader", "ratchet-agent[community]"),
        ("odd_loaders:fail", "two lines"),
    ],
)
def test_a_loader_that_cannot_be_used_is_named(modules: Path, file: Path, named: str, words: str) -> None:
    with Reader(loaders={".odd": named}) as reader, pytest.raises(DocumentError) as caught:
        reader.read(file)
    assert words in str(caught.value)


REFUSED = "fork run shell spawn write append remove rename link folder look_up listen".split()


@pytest.mark.parametrize("loader", REFUSED)
def test_a_loader_cannot_write_start_programs_or_reach_the_network(modules: Path, file: Path, loader: str) -> None:
    before = {path.name for path in file.parent.iterdir()}
    assert "tried to" in said(reader_with(loader), file)
    assert {path.name for path in file.parent.iterdir()} == before
    assert file.read_text() == "first\nsecond\n"


def test_a_loader_cannot_connect(modules: Path, file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        file.write_text(str(server.getsockname()[1]))
        assert "tried to use socket" in said(reader_with("connect"), file)
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    ("loader", "words"),
    [
        ("endless", "longer than 1 seconds"),
        ("silent", "longer than 1 seconds"),
        ("hog", "more than 256 MB of memory"),
        ("open_many", "Too many open files"),
        ("die", "exit code 3"),
        ("crash", "ended the process"),
        ("recurse", "recursion"),
    ],
)
def test_a_loader_that_takes_too_much_costs_one_sentence(modules: Path, file: Path, loader: str, words: str) -> None:
    (file.parent / "fine.txt").write_text("fine")
    reader = reader_with(loader, seconds=1.0 if "seconds" in words else 60.0)
    assert words in said(reader, file)
    with reader_with(loader, seconds=10.0) as reader:
        (document,) = reader.read(file.parent / "fine.txt")
        assert document.page_content == "fine"


def test_prints_do_not_reach_the_answers_nor_variables_the_loader(modules: Path, file: Path) -> None:
    os.environ["SECRET_TOKEN"] = "canary"
    try:
        with reader_with("chatter") as reader:
            (document,) = reader.read(file)
    finally:
        del os.environ["SECRET_TOKEN"]
    assert "SECRET_TOKEN" not in document.page_content


def test_a_killed_worker_is_replaced(tmp_path: Path, reader: Reader) -> None:
    (tmp_path / "a.txt").write_text("text")
    for _ in range(3):
        assert reader.read(tmp_path / "a.txt")
        (worker,) = psutil.Process().children()
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(5)


def test_closing_from_another_thread_ends_what_is_being_read(modules: Path, file: Path) -> None:
    reader = reader_with("silent", seconds=60.0)
    closing = threading.Timer(1.0, reader.close)
    closing.start()
    assert "a.odd" in said(reader, file)
    closing.join()
    assert not psutil.Process().children()


def test_nobody_is_left_when_the_reader_is_done(tmp_path: Path, reader: Reader) -> None:
    (tmp_path / "a.txt").write_text("text")
    reader.read(tmp_path / "a.txt")
    assert psutil.Process().children()
    reader.close()
    assert not psutil.Process().children()


def bomb(folder: Path, name: str) -> Path:
    path = folder / name
    if name == "zeros.zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.txt", b"a" * (100 * MB))
    elif name == "nested.zip":
        inner = samples.packed({"a.csv": b"0" * (60 * MB)})
        path.write_bytes(samples.packed({f"{number}.zip": inner for number in range(20)}))
    elif name == "entities.docx":
        grow = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
        document = f'<!DOCTYPE d [<!ENTITY a0 "x">{grow}]><document><body>&a9;</body></document>'
        path.write_bytes(samples.packed({"word/document.xml": document}))
    elif name == "deep.docx":
        document = "<document>" + "<p>" * 200_000 + "</p>" * 200_000 + "</document>"
        path.write_bytes(samples.packed({"word/document.xml": document}))
    elif name == "deep.ipynb":
        path.write_text('{"cells":' + "[" * 500_000)
    elif name == "deep.json":
        path.write_text('{"a":' * 500_000)
    elif name == "wide.csv":
        path.write_text("a" * (5 * MB) + "\n")
    elif name == "deep.py":
        path.write_text("(" * 100_000 + "\n" + "-" * 1_000_000 + "1\n")
    elif name == "quoted.csv":
        path.write_text('"' + "a\n" * MB)
    else:
        path.write_text("<div><b>" * 50_000 + "</p>" * 50_000)
    return path


BOMBS = "zeros.zip nested.zip entities.docx deep.docx deep.ipynb deep.json wide.csv quoted.csv deep.html".split()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_one_sentence(tmp_path: Path, reader: Reader, name: str) -> None:
    path = bomb(tmp_path, name)
    (tmp_path / "fine.txt").write_text("fine")
    (_, outcome), (_, fine) = reader.read_many([path, tmp_path / "fine.txt"])
    assert isinstance(outcome, DocumentError)
    assert name in outcome.what and "\n" not in str(outcome)
    assert isinstance(fine, list)


def test_code_nested_beyond_the_parser_is_still_text(tmp_path: Path, reader: Reader) -> None:
    (document,) = reader.read(bomb(tmp_path, "deep.py"))
    assert document.metadata["markup"] == "code"


def test_what_is_no_message_ends_the_conversation(tmp_path: Path) -> None:
    for data in (b"", b"\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x05[1,2]", b"\0\0\0\x02{}x", b"\0\0\0\x09{}"):
        (tmp_path / "data").write_bytes(data)
        with (tmp_path / "data").open("rb") as stream:
            assert wire.receive(stream) in (None, {})


def test_starting_a_worker_imports_nothing_heavy() -> None:
    import subprocess

    program = "import sys, knowledge.loaders.worker, knowledge.loaders.reading; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"langchain_core", "numpy", "pypdf", "pydantic", "psutil", "subprocess", "charset_normalizer", "httpx"}
    assert not heavy & set(done.stdout.split())
