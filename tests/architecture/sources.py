"""Where this project's own files are, for the tests that read them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agent", "tools", "knowledge", "ui", "finetune")
OUTSIDE = ("benchmarks", "examples", "tests")


def python_files(*folders: str) -> list[Path]:
    """Every Python file below the named folders of the checkout, sorted."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name_of(path: Path) -> str:
    """A file's path from the root of the checkout, with forward slashes."""
    return path.relative_to(ROOT).as_posix()


def documents() -> list[Path]:
    """The documentation: README, CONTRIBUTING, CHANGELOG and everything in docs/."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
