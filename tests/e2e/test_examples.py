"""The programs in examples/, run as their users run them, with the bundled model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from tests.e2e.test_documentation import PUMP

WARRANTY = "How long is the warranty of the Heron 3 pump?"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder with one document."""
    folder = tmp_path / "some notes"
    folder.mkdir()
    (folder / "pump.md").write_text(PUMP, encoding="utf-8")
    return folder


def run(example: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / example), *arguments],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_sync_chat(notes: Path) -> None:
    said = run("sync_chat.py", str(notes), WARRANTY)
    assert "24 months" in said
    assert f"[1] {notes / 'pump.md'}, line 5: 'The warranty of the Heron 3 pump is 24 months" in said


def test_async_chat(notes: Path) -> None:
    said = run("async_chat.py", str(notes), WARRANTY, "What is 17*23?")
    assert "24 months" in said
    assert "391" in said
    assert said.rstrip().endswith("has 2 turns.")


def test_model_alone() -> None:
    said = run("model_alone.py")
    assert "multiply {'a':" in said
    assert "person=" in said and "weekday=" in said


def test_a_chat_imports_no_pytorch(notes: Path) -> None:
    program = (
        "import runpy, sys; example = sys.argv.pop(1)\n"
        "try: runpy.run_path(example, run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'torch', 'transformers', 'peft'}))"
    )
    arguments = [str(ROOT / "examples" / "sync_chat.py"), str(notes), WARRANTY]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=180, check=True
    )
    assert "24 months" in done.stdout
    assert done.stdout.rstrip().endswith("[]")
