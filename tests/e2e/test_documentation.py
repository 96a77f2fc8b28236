"""Every example of the documentation runs as written: `python` and `bash` blocks, in a fresh home.

The blocks of one file share a folder, which holds a small folder `notes`, and run one after the other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, documents
from tests.e2e.markdown import Block, blocks

PUMP = """# Heron 3 pump

## Warranty

The warranty of the Heron 3 pump is 24 months from the date of purchase.

## Cleaning the filter

The filter is rinsed under cold water every two weeks.
"""
SECONDS_PER_BLOCK = 180
WITH_EXAMPLES = [path for path in documents() if blocks(path, "python", "bash")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a few notes."""
    folder = tmp_path / "work"
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "pump.md").write_text(PUMP, encoding="utf-8")
    return folder


def run(block: Block, folder: Path) -> str:
    command = {"python": [sys.executable, "-c"], "bash": ["bash", "-euo", "pipefail", "-c"]}[block.language]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, block.code],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_PER_BLOCK,
        check=False,
    )
    assert done.returncode == 0, f"{block.name}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, f"{block.name}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.name)
def test_examples_run(path: Path, folder: Path) -> None:
    said = "".join(run(block, folder) for block in blocks(path, "python", "bash"))
    assert said.strip()


def test_the_answer_shown_in_the_readme_is_the_answer(folder: Path) -> None:
    """It is cut short, and times and further sentences vary; what it says first and cites is as shown."""
    (block,) = blocks(ROOT / "README.md", "json")
    shown = json.loads(block.code)
    command = f"ratchet ingest notes > log; ratchet ask --json '{shown['question']}'"
    answer = json.loads(run(Block(block.name, "bash", command), folder))
    assert set(shown) <= set(answer)
    assert set(shown["usage"]) <= set(answer["usage"])
    assert set(shown["timings"]) <= set(answer["timings"])
    assert answer["answer"].startswith(shown["answer"])
    (expected,) = shown["citations"]
    found = {key: answer["citations"][0][key] for key in expected}
    assert found | {"source": "pump.md"} == expected | {"source": "pump.md"}
    assert Path(found["source"]) == folder / "notes" / Path(expected["source"]).name
