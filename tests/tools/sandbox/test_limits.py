"""Programs that take too much, or stay: each is ended, and nothing of it is left."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.sandbox import job
from tools.sandbox.limits import MIB, MOST_OPEN, MOST_TASKS, Limits
from tools.sandbox.sandbox import Outcome, Sandbox

SMALL = Limits(seconds=8, memory_bytes=192 * MIB, disk_bytes=16 * MIB, files=500, output_bytes=2 * MIB)


def run(sandbox: Sandbox, code: str, **changed: float) -> Outcome:
    limits = {name: getattr(SMALL, name) for name in Limits.__dataclass_fields__} | changed
    return sandbox.run(code, Limits(**limits))


def output(outcome: Outcome) -> str:
    return outcome.run.output.kept.decode()


def named(name: str) -> list[int]:
    """The processes that call themselves so, or were started with such an argument."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if name in (entry / "comm").read_text() or name in (entry / "cmdline").read_text().split("\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No folder of a job; the test has a temporary folder of its own, which the sandbox's user can enter."""
    place = Path(tempfile.mkdtemp(prefix="ratchet-test-", dir="/var/tmp"))
    place.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield
    assert list(place.iterdir()) == []
    place.rmdir()


@pytest.fixture
def token() -> str:
    """A name for processes (15 characters at most) that nothing else has."""
    return "r" + secrets.token_hex(6)


def test_a_fork_bomb(sandbox: Sandbox, token: str) -> None:
    outcome = run(
        sandbox,
        f"""
import ctypes, os, time
ctypes.CDLL(None).prctl(15, b"{token}", 0, 0, 0)
end = time.monotonic() + 0.7
while time.monotonic() < end:
    try:
        if not os.fork():
            print("born")
    except BlockingIOError:
        time.sleep(0.05)
""",
    )
    assert 3 < output(outcome).count("born") < 3 * (MOST_TASKS + 40)
    assert named(token) == []


def test_a_memory_bomb_of_one_process(sandbox: Sandbox) -> None:
    outcome = run(
        sandbox,
        """
kept = []
while True:
    kept.append(bytearray(8 << 20))
""",
    )
    assert outcome.run.ending == "" and outcome.report.error.endswith("MemoryError")


def test_a_memory_bomb_of_many_processes(sandbox: Sandbox) -> None:
    outcome = run(
        sandbox,
        """
import os, time
for number in range(6):
    if not os.fork():
        kept = bytearray(os.urandom(1)) * (100 << 20)
        time.sleep(30)
time.sleep(30)
""",
    )
    assert outcome.run.ending == "memory"


def test_a_memory_bomb_of_shared_pages(sandbox: Sandbox) -> None:
    outcome = run(
        sandbox,
        """
import mmap, time
kept = mmap.mmap(-1, 900 << 20)
for place in range(0, len(kept), 4096):
    kept[place] = 1
time.sleep(30)
""",
    )
    assert outcome.run.ending == "memory"


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import signal, time\nfor n in (1, 2, 3, 15): signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    ],
    ids=["busy", "asleep", "deaf to signals", "stopped"],
)
def test_an_endless_program(sandbox: Sandbox, code: str) -> None:
    if "SIGSTOP" in code and sandbox.tier == "landlock" and sandbox.abi < 6:
        pytest.skip("without scoped signals none can be sent")
    outcome = run(sandbox, code, seconds=0.6)
    assert outcome.run.ending == "time"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_giant_output(sandbox: Sandbox, stream: str) -> None:
    outcome = run(sandbox, f"import sys\nwhile True: sys.{stream}.write('x' * 100_000)")
    assert outcome.run.ending == "output"
    assert len(outcome.run.output.kept) + len(outcome.run.errors.kept) == SMALL.kept_bytes


def test_giant_messages(sandbox: Sandbox) -> None:
    outcome = run(
        sandbox,
        """
import os
for number in range(3, 64):
    try:
        while True:
            os.write(number, b"P" + (1 << 30).to_bytes(4, "big") + b"x" * 1_000_000)
    except OSError:
        pass
""",
    )
    assert outcome.run.ending == "output"
    assert outcome.report.images == []


def test_a_giant_value(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "'x' * 10_000_000")
    assert len(outcome.report.value) < 21_000
    assert "characters left out" in outcome.report.value


def test_a_giant_file(sandbox: Sandbox) -> None:
    outcome = run(
        sandbox,
        """
with open("big", "wb") as file:
    while True:
        file.write(bytes(1 << 20))
""",
    )
    assert "File too large" in outcome.report.error or "No space left" in outcome.report.error


def test_files_that_fill_the_disk(sandbox: Sandbox) -> None:
    outcome = run(
        sandbox,
        """
import time
for number in range(20):
    with open(f"part{number}", "wb") as file:
        file.write(bytes(8 << 20))
    time.sleep(0.1)
print("filled")
""",
    )
    assert "filled" not in output(outcome)
    assert outcome.run.ending == "disk" or "No space left" in outcome.report.error


def test_deleted_files_that_fill_the_disk(sandbox: Sandbox) -> None:
    outcome = run(
        sandbox,
        """
import os, time
kept = []
for number in range(20):
    kept.append(open("part", "wb", buffering=0))
    kept[-1].write(bytes(8 << 20))
    os.unlink("part")
    time.sleep(0.1)
print("filled")
""",
    )
    assert "filled" not in output(outcome)
    assert outcome.run.ending == "disk" or "No space left" in outcome.report.error


def test_many_small_files(sandbox: Sandbox) -> None:
    outcome = run(
        sandbox,
        """
import time
for number in range(1_000_000):
    open(f"file{number}", "w").close()
    if number > 2_000:
        time.sleep(0.01)
""",
    )
    assert outcome.run.ending == "disk"


def test_folders_nested_beyond_the_longest_path(sandbox: Sandbox) -> None:
    outcome = run(
        sandbox,
        """
import os
for number in range(450):
    os.mkdir("d" * 20)
    os.chdir("d" * 20)
    open("file", "w").close()
    os.symlink("/", "link")
print("nested")
""",
        files=2_000,
    )
    assert outcome.run.ending == "disk" or "nested" in output(outcome)


def test_a_folder_that_nobody_may_read(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "import os; os.mkdir('closed/', 0o300); open('closed/file', 'w').write('x')")
    assert not outcome.report.error


def test_too_many_open_files(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "kept = []\nwhile True: kept.append(open('/dev/null'))")
    assert "Too many open files" in outcome.report.error
    assert MOST_OPEN <= 64


def test_too_deep_a_recursion_and_too_deep_a_program(sandbox: Sandbox) -> None:
    assert "RecursionError" in run(sandbox, "def f(): f()\nf()").report.error
    outcome = run(sandbox, "(" * 30_000 + ")" * 30_000)
    assert outcome.report.error or outcome.run.exit_code > 128


def test_a_crash(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "import ctypes; print('before'); ctypes.string_at(0)")
    assert outcome.run.exit_code == 128 + signal.SIGSEGV
    assert output(outcome) == "before\n"


def test_a_process_left_behind(sandbox: Sandbox, token: str) -> None:
    """Forked twice, deaf, and holding the pipes open."""
    outcome = run(
        sandbox,
        f"""
import ctypes, os, signal, time
if not os.fork():
    try:
        os.setsid()
    except OSError:
        pass
    if os.fork():
        os._exit(0)
    for number in (1, 2, 3, 15):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(15, b"{token}", 0, 0, 0)
    time.sleep(60)
time.sleep(0.2)
print("done")
""",
    )
    assert output(outcome) == "done\n"
    assert outcome.run.ending == "" and outcome.run.exit_code == 0
    assert named(token) == []


def test_cancelling(sandbox: Sandbox) -> None:
    asked: list[float] = []

    def cancelled() -> bool:
        asked.append(time.monotonic())
        return len(asked) > 3

    outcome = sandbox.run("while True: pass", SMALL, cancelled=cancelled)
    assert outcome.run.ending == "cancelled"


def test_a_program_ends_with_the_one_that_asked_for_it(sandbox: Sandbox, token: str) -> None:
    """Ratchet killed in the middle: nobody is left to end the program, so it must end by itself."""
    code = f"""
import ctypes, os, time
ctypes.CDLL(None).prctl(15, b"{token}", 0, 0, 0)
os.fork()
time.sleep(60)
"""
    asking = f"from tools.sandbox.sandbox import Sandbox; Sandbox({sandbox.tier!r}, {sandbox.abi}).run({code!r})"
    folder = Path(tempfile.gettempdir())
    with subprocess.Popen(
        [sys.executable, "-c", asking], env={"TMPDIR": str(folder)}, cwd=job.SOURCES.parents[2]
    ) as ask:
        try:
            wait_until(lambda: len(named(token)) == 2)
        finally:
            ask.kill()
    wait_until(lambda: not named(token))
    for left in folder.iterdir():
        job.remove(left)  # its owner could not


def wait_until(condition: object) -> None:
    end = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_removing_a_tree_that_is_hostile(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    tree = tmp_path / "tree"
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for number in range(1_200):
        os.symlink(outside, "link", dir_fd=here)
        os.mkdir("d" * 10, 0o700, dir_fd=here)
        deeper = os.open("d" * 10, os.O_RDONLY, dir_fd=here)
        if number % 7 == 0:
            os.chmod(here, 0o000)
        os.close(here)
        here = deeper
    os.close(here)
    tree.chmod(0o700)
    job.remove(tree)
    assert not tree.exists()
    assert (outside / "kept").read_text() == "kept"
