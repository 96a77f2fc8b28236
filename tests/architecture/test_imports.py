"""What is imported when, and from where: quick starts, declared dependencies, public names."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import agent
import knowledge
from agent import checks
from agent.models import bundled
from tests.architecture.sources import PACKAGES, ROOT, python_files
from tests.architecture.test_limits import imported

HEAVY = {
    "faiss",
    "langchain",
    "langchain_core",
    "langgraph",
    "numpy",
    "onnxruntime",
    "openai",
    "sentence_transformers",
    "torch",
    "transformers",
    "xllamacpp",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Imported only for annotations, or brought by the package that is declared.
BROUGHT = {
    "anyio": "mcp",
    "click": "typer",
    "httpx2": "openai",
    "huggingface-hub": "tokenizers",
    "langgraph-checkpoint": "langgraph",
    "mcp-types": "mcp",
    "ollama": "langchain-ollama",
}
# What only these import, when they are used, comes with an extra.
EXTRAS = {
    "sentence_transformer.py": "finetune",
    "connection.py": "tools",
    "conversion.py": "tools",
    "duck.py": "tools",
    "postgres.py": "tools",
    "stdio.py": "tools",
    "streamable_http.py": "tools",
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(lines: list[str]) -> set[str]:
    return {normal(re.split(r"[\s<>=!~;\[]", line, maxsplit=1)[0]) for line in lines}


@pytest.mark.parametrize(
    "program", ["import agent", "import knowledge", "import tools.registry", "from agent import Turn, load_settings"]
)
def test_importing_is_cheap(program: str) -> None:
    program += "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert loaded & {"agent", "knowledge"}
    assert not loaded & HEAVY


@pytest.mark.parametrize("package", [agent, knowledge], ids=lambda package: package.__name__)
def test_public_names_can_be_imported_and_no_others_are_offered(package: object) -> None:
    names: list[str] = package.__all__  # type: ignore[attr-defined]
    assert names == sorted(names)
    assert all(getattr(package, name) is not None for name in names)
    with pytest.raises(AttributeError, match="no_such_name"):
        package.no_such_name  # type: ignore[attr-defined]  # noqa: B018


def test_public_names_of_the_agent_are_documented() -> None:
    text = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    missing = [name for name in agent.__all__ if f"`{name}" not in text]
    assert not missing, f"docs/embedding.md does not mention {missing}"


def test_every_import_is_a_declared_dependency() -> None:
    providers = metadata.packages_distributions()
    declared = required(PROJECT["dependencies"])
    undeclared: dict[str, set[str]] = {}
    for path in python_files("agent", "tools", "knowledge"):
        for name in {name.partition(".")[0] for name in imported(path)} - sys.stdlib_module_names - {*PACKAGES, ""}:
            owners = {normal(owner) for owner in providers.get(name, [name])}
            extra = PROJECT["optional-dependencies"].get(EXTRAS.get(path.name), [])
            if not (owners | {BROUGHT.get(owner, owner) for owner in owners}) & (declared | required(extra)):
                undeclared.setdefault(name, set()).add(path.name)
    assert not undeclared


def test_what_the_doctor_looks_for_is_a_dependency() -> None:
    providers = metadata.packages_distributions()
    owners = {name: {normal(owner) for owner in providers.get(name, [name])} for name in checks.PACKAGES}
    strays = {name for name, found in owners.items() if not found & required(PROJECT["dependencies"])}
    assert not strays


def test_every_dependency_is_pinned_and_none_by_a_path() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line) for line in pins), "name==version only"
    pinned = {normal(line.partition("==")[0]) for line in pins}
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    assert not required([*PROJECT["dependencies"], *extras]) - pinned
    assert set(bundled._WHEELS) <= set(pins)


def test_what_is_pinned_runs_on_the_oldest_python_we_promise() -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.partition("==")[0]) for line in lines}
    demands = {each.name: each.metadata["Requires-Python"] for each in metadata.distributions()}
    too_new = {
        name: demand
        for name, demand in demands.items()
        if normal(name) in pinned and demand and oldest not in SpecifierSet(demand)
    }
    assert not too_new


def test_what_a_newcomer_installs_brings_no_pytorch() -> None:
    """Follows the declared requirements of the installed packages, extras left out."""
    seen: set[str] = set()
    waiting = sorted(required(PROJECT["dependencies"]))
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        waiting += required([line for line in lines if "extra ==" not in line])
    assert {"langchain-core", "pydantic-core"} <= seen, "the walk reached what the dependencies bring"
    assert not seen & {"torch", "transformers", "sentence-transformers", "peft", "streamlit", "gradio"}


def test_the_version_has_notes() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {PROJECT['version']}" in changelog


def test_the_console_script_is_the_module() -> None:
    module, _, function = PROJECT["scripts"]["ratchet"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert Path(ROOT / "agent" / "cli" / "__main__.py").is_file()
