"""What programs are for still works inside: packages, plots, tables, files, exit codes, tracebacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.sandbox.results import is_png
from tools.sandbox.sandbox import Outcome, Sandbox


def output(outcome: Outcome) -> str:
    assert not outcome.report.error, outcome.report.error
    return outcome.run.output.kept.decode()


def test_printing_in_any_script(sandbox: Sandbox) -> None:
    outcome = sandbox.run("import sys; print('Größe 東京 🎈'); print('\\ud800', file=sys.stderr)")
    assert output(outcome) == "Größe 東京 🎈\n"
    assert outcome.run.errors.kept == b"\\ud800\n"


def test_there_is_no_input(sandbox: Sandbox) -> None:
    assert "EOFError" in sandbox.run("input('name? ')").report.error
    assert output(sandbox.run("import sys; print(repr(sys.stdin.read()))")) == "''\n"


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("exit()", 0),
        ("import sys; sys.exit('sorry')", 1),
        ("1 / 0", 1),
        ("import os; os._exit(7)", 7),
        ("import sys; sys.exit(300)", 44),
    ],
)
def test_exit_codes(sandbox: Sandbox, code: str, exit_code: int) -> None:
    assert [sandbox.run(code).run.exit_code for _ in range(2)] == [exit_code] * 2


def test_a_traceback_names_the_line(sandbox: Sandbox) -> None:
    error = sandbox.run("def share(whole):\n    return 1 / whole\n\nshare(0)\n").report.error
    assert error.startswith('Traceback (most recent call last):\n  File "program.py", line 4, in <module>')
    assert 'File "program.py", line 2, in share\n    return 1 / whole' in error
    assert error.endswith("ZeroDivisionError: division by zero")
    assert "confine" not in error and "importlib" not in error


def test_a_syntax_error_names_the_line(sandbox: Sandbox) -> None:
    error = sandbox.run("x = 1\nprint(x\n").report.error
    assert 'File "program.py", line 2' in error
    assert "'(' was never closed" in error


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", "2"),
        ("x = 1", ""),
        ("'text'", "'text'"),
        ("None", ""),
        ("for n in range(3): n", ""),
        ("class Odd:\n    def __repr__(self): raise ValueError\nOdd()", "(a Odd that cannot be shown: ValueError)"),
    ],
)
def test_the_value_of_the_last_expression(sandbox: Sandbox, code: str, value: str) -> None:
    assert sandbox.run(code).report.value == value


def test_files_of_its_own(sandbox: Sandbox) -> None:
    code = """
import os, shutil, tempfile
os.makedirs("a/b")
with open("a/b/file.txt", "w") as file:
    file.write("kept while it runs")
shutil.copy2("a/b/file.txt", "copy.txt")
shutil.move("copy.txt", "a/moved.txt")
with tempfile.TemporaryDirectory() as folder:
    shutil.copytree("a", folder + "/tree")
    print(open(folder + "/tree/moved.txt").read())
shutil.rmtree("a")
print(sorted(os.listdir(".")))
"""
    assert output(sandbox.run(code)) == "kept while it runs\n['scratch']\n"
    assert output(sandbox.run("import os; print(os.listdir('.'))")) == "['scratch']\n", "the next one starts afresh"


def test_processes_and_threads_of_its_own(sandbox: Sandbox) -> None:
    code = """
import asyncio, subprocess, sys, threading
threading.Thread(target=print, args=("thread",), daemon=False).run()
print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout.strip())
async def later():
    await asyncio.sleep(0.01)
    return "later"
print(asyncio.run(later()))
"""
    assert output(sandbox.run(code)) == "thread\n42\nlater\n"


def test_the_workspace_can_be_read_and_not_written(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("from the workspace", encoding="utf-8")
    (tmp_path / "notes" / "link").symlink_to("/etc/passwd")
    code = """
import os
print(open("workspace/notes/a.txt").read())
for action in (
    lambda: open("workspace/notes/a.txt", "a"),
    lambda: open("workspace/new.txt", "w"),
    lambda: os.unlink("workspace/notes/a.txt"),
    lambda: open("workspace/notes/link").read(),
):
    try:
        action()
        print("done")
    except OSError as error:
        print("refused")
"""
    assert output(sandbox.run(code, workspace=tmp_path)) == "from the workspace\n" + 4 * "refused\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "link", "notes"]


def test_the_workspace_has_a_place_of_its_own_in_bubblewrap(sandbox: Sandbox, tmp_path: Path) -> None:
    if sandbox.tier != "bubblewrap":
        pytest.skip("only a mount can make one")
    (tmp_path / "a.txt").write_text("here", encoding="utf-8")
    assert output(sandbox.run("print(open('/workspace/a.txt').read())", workspace=tmp_path)) == "here\n"


def test_numpy(sandbox: Sandbox) -> None:
    pytest.importorskip("numpy")
    outcome = sandbox.run("import numpy as np; a = np.ones((200, 200)); np.linalg.inv(a @ a + np.eye(200)).shape")
    assert not outcome.report.error
    assert outcome.report.value == "(200, 200)"


def test_a_table_of_pandas(sandbox: Sandbox) -> None:
    pytest.importorskip("pandas")
    code = """
import pandas as pd
frame = pd.DataFrame({"city": ["Oslo", "Rome", "Oslo"], "sold": [1, 2, None], "day": pd.Timestamp("2026-01-02")})
print(frame.groupby("city").sold.sum())
frame
"""
    outcome = sandbox.run(code)
    assert "Oslo" in output(outcome)
    assert outcome.report.table == {
        "columns": ["city", "sold", "day"],
        "rows": [
            ["Oslo", 1.0, "2026-01-02 00:00:00"],
            ["Rome", 2.0, "2026-01-02 00:00:00"],
            ["Oslo", None, "2026-01-02 00:00:00"],
        ],
    }
    assert "Rome" in outcome.report.value


def test_a_table_with_an_index_and_too_many_rows(sandbox: Sandbox) -> None:
    pytest.importorskip("pandas")
    outcome = sandbox.run("import pandas as pd; pd.Series(range(1000), index=[f'n{n}' for n in range(1000)], name='v')")
    table = outcome.report.table
    assert table is not None and len(table["rows"]) == 200 and outcome.report.table_rows == 1000
    assert table["columns"] == ["index", "v"] and table["rows"][1] == ["n1", 1]


def test_a_table_of_dicts(sandbox: Sandbox) -> None:
    outcome = sandbox.run("[{'a': 1, 'b': float('nan')}, {'a': 2**80, 'c': [1]}]")
    assert outcome.report.table == {"columns": ["a", "b", "c"], "rows": [[1, None, None], [str(2**80), None, "[1]"]]}


def test_plots(sandbox: Sandbox) -> None:
    pytest.importorskip("matplotlib")
    code = """
import matplotlib.pyplot as plt
plt.plot([1, 4, 9])
plt.show()
plt.figure()
plt.bar(["a", "b"], [1, 2])
plt.title("größer")
plt.show()
"""
    outcome = sandbox.run(code)
    assert output(outcome) == "" and outcome.run.errors.kept == b""
    assert len(outcome.report.images) == 2
    assert all(map(is_png, outcome.report.images))


def test_images_that_the_program_saved(sandbox: Sandbox) -> None:
    pytest.importorskip("matplotlib")
    code = """
import matplotlib.pyplot as plt
for number in range(11):
    plt.imsave(f"{number}.png", [[0, number], [number, 0]])
open("forged.png", "w").write("no image")
"""
    outcome = sandbox.run(code)
    assert not outcome.report.error
    assert len(outcome.report.images) == 8
    assert any("4 of 12 plots were left out" in note for note in outcome.report.notes)


def test_a_workspace_is_copied_up_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tools.sandbox import job

    monkeypatch.setattr(job, "_MOST_COPIES", 2)
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for name in "abc":
        (source / name).write_text(name)
    (source / "link").symlink_to("/etc/passwd")
    assert job.snapshot(source, target).startswith("1 files")
    assert sorted(path.name for path in target.iterdir()) == ["a", "b"]


def test_a_workspace_that_is_not_there(sandbox: Sandbox, tmp_path: Path) -> None:
    assert output(sandbox.run("print('ran')", workspace=tmp_path / "missing")) == "ran\n"
