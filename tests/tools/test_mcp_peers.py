"""MCP servers that others wrote, from the package index: real processes, real answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from langchain_core.tools import ToolException

from tools import mcp_servers
from tools.resources import McpServer, Resources
from tools.spec import ToolSpec

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("mcp", "mcp_server_time", "mcp_server_git"))), reason="the peers come with the dev extra"
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "a.txt").write_text("one\n")
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "The first line"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def tools(tmp_path: Path, repository: Path) -> Iterator[dict[str, ToolSpec]]:
    resources = Resources(
        state=tmp_path / "state",
        mcp=(
            McpServer("clock", (sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"), risk="read"),
            McpServer("repo", (sys.executable, "-m", "mcp_server_git", "--repository", str(repository))),
        ),
    )
    specs, reasons = mcp_servers.gather(resources)
    assert reasons == {}
    yield {spec.name: spec for spec in specs}
    for spec in specs:
        assert spec.close is not None
        spec.close()
    assert not psutil.Process().children(recursive=True)


def call(spec: ToolSpec, **arguments: Any) -> str:
    return str(spec.tool.invoke({"name": spec.name, "args": arguments, "id": "1", "type": "tool_call"}).content)


def test_the_clock_and_the_repository_answer(tools: dict[str, ToolSpec], repository: Path) -> None:
    assert {"clock_get_current_time", "clock_convert_time", "repo_git_log", "repo_git_status"} <= set(tools)
    assert tools["clock_get_current_time"].risk == "read"
    assert tools["repo_git_commit"].risk == "execute"
    converted = call(
        tools["clock_convert_time"], source_timezone="Asia/Tokyo", time="09:00", target_timezone="Asia/Kolkata"
    )
    assert "05:30" in json.loads(converted)["target"]["datetime"]
    assert "The first line" in call(tools["repo_git_log"], repo_path=str(repository), max_count=1)
    (repository / "a.txt").write_text("two\n")
    assert "a.txt" in call(tools["repo_git_status"], repo_path=str(repository))
    schema: Any = tools["clock_convert_time"].tool.args_schema
    assert set(schema["required"]) == {"source_timezone", "time", "target_timezone"}


def test_their_errors_are_told(tools: dict[str, ToolSpec], repository: Path) -> None:
    with pytest.raises(ToolException, match="No time zone found"):
        call(tools["clock_get_current_time"], timezone="Mars/Base")
    with pytest.raises(ToolException):
        call(tools["repo_git_log"], repo_path=str(repository.parent))
