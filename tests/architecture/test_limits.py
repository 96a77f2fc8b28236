"""Limits that keep every file readable in one sitting, and habits that keep the project safe."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import OUTSIDE, PACKAGES, name_of, python_files, tree_of

OURS = python_files(*PACKAGES)
EVERYTHING = python_files(*PACKAGES, *OUTSIDE)
MAX_LINES = 400
MAX_TEST_LINES = 600
MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 7
# Names that say nothing about what is inside.
VAGUE = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "core", "base"}
UNSAFE_MODULES = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
ENVIRONMENT_READER = "agent/config.py"

each_file = pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
each_file_of_ours = pytest.mark.parametrize("path", OURS, ids=name_of)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    taken = function.args
    positional = [argument.arg for argument in (*taken.posonlyargs, *taken.args)]
    return len(positional[positional[:1] in (["self"], ["cls"]) :]) + len(taken.kwonlyargs)


def dotted(node: ast.expr) -> str:
    """`os.environ` for the expression that says so; empty for anything but names and attributes."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@each_file
def test_a_file_is_short_and_named_for_what_it_holds(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    limit = MAX_TEST_LINES if name_of(path).startswith("tests/") else MAX_LINES
    assert text.count("\n") <= limit
    assert path.stem not in VAGUE


@each_file
def test_functions_are_short_and_take_few_parameters(path: Path) -> None:
    for function in functions(path):
        lines = (function.end_lineno or 0) - function.lineno + 1
        # A command's parameters are the options the user sees: typer reads them from its signature.
        command = any(name.startswith("typer") for name in imported(path))
        assert lines <= MAX_FUNCTION_LINES, f"{function.name} has {lines} lines"
        assert command or parameters(function) <= MAX_PARAMETERS, f"{function.name} takes too many parameters"


@each_file_of_ours
def test_nothing_that_is_read_can_run_code(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imported(path)} & UNSAFE_MODULES
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func)
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        assert called not in {"eval", "exec", "os.system"}, f"line {node.lineno}: {called}"
        if called == "torch.load":
            assert ast.unparse(keywords.get("weights_only", ast.Constant(None))) == "True", f"line {node.lineno}"
        if "trust_remote_code" in keywords:
            assert ast.unparse(keywords["trust_remote_code"]) == "False", f"line {node.lineno}"


@each_file_of_ours
def test_only_the_settings_read_the_environment(path: Path) -> None:
    if name_of(path) == ENVIRONMENT_READER:
        return
    tree = tree_of(path)
    # Setting a variable for a library is no reading of ours.
    written = {
        id(target.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Subscript)
    }
    # Nor is handing all of them on to a child process.
    written |= {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "env"
        for part in ast.walk(node.value)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and dotted(node) == "os.environ" and id(node) not in written:
            pytest.fail(f"line {node.lineno} reads os.environ; settings come from agent.config")
        if isinstance(node, ast.Call) and dotted(node.func) in {"os.getenv", "getenv"}:
            pytest.fail(f"line {node.lineno} reads a variable; settings come from agent.config")
