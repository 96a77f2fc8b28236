"""The tool around the sandbox: what it declares, shows and refuses."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException

from tests.tools.sandbox.conftest import make
from tools.python import build, hints, tool_for, unavailable
from tools.resources import Resources
from tools.sandbox import sandbox
from tools.spec import ToolSpec


@pytest.fixture(scope="module", params=["bubblewrap", "landlock"])
def tier(request: pytest.FixtureRequest) -> sandbox.Sandbox:
    return make(request.param)


def call(spec: ToolSpec, code: str) -> tuple[str, dict[str, Any]]:
    message: ToolMessage = spec.tool.invoke({"type": "tool_call", "id": "1", "name": spec.name, "args": {"code": code}})
    return str(message.content), message.artifact


def test_what_it_declares(tier: sandbox.Sandbox, tmp_path: Path) -> None:
    spec = tool_for(tier, Resources())
    assert (spec.name, spec.risk, spec.untrusted) == ("run_python", "execute", True)
    assert spec.always_ask is (tier.tier == "landlock")
    assert set(spec.tool.args) == {"code"}
    assert "workspace" not in spec.tool.description
    assert "workspace" in tool_for(tier, Resources(workspace=tmp_path)).tool.description


def test_the_preview_shows_the_program_and_its_terms(tier: sandbox.Sandbox) -> None:
    preview = tool_for(tier, Resources(python_seconds=7)).preview
    assert preview is not None
    text = preview({"code": "print(1)"})
    assert text.endswith("\n\nprint(1)") and "no network" in text and "7 seconds" in text


def test_text_value_error_and_exit_code(tier: sandbox.Sandbox) -> None:
    spec = tool_for(tier, Resources())
    assert call(spec, "print('a')\n1 + 1") == ("a\n\nValue:\n2", {})
    assert call(spec, "x = 1")[0] == "The program ended without printing anything."
    assert call(spec, "import sys; print('b', file=sys.stderr); sys.exit(4)")[0] == (
        "Error output:\nb\n\nThe program ended with exit code 4."
    )
    text, _ = call(spec, "print('c')\nundefined")
    assert text.startswith("c\n\nTraceback") and text.endswith("NameError: name 'undefined' is not defined")


def test_long_output_is_cut_and_says_so(tier: sandbox.Sandbox) -> None:
    text, _ = call(tool_for(tier, Resources()), "print('x' * 50_000)")
    assert text == "x" * 20_000 + "\n(the beginning; 50,001 bytes were printed)"


def test_limits_are_told(tier: sandbox.Sandbox) -> None:
    spec = tool_for(tier, Resources(python_seconds=4))
    assert call(spec, "print('on my way')\nwhile True: pass")[0] == (
        "on my way\n\nThe program was ended after 4 seconds, which is its limit."
    )
    assert "segmentation fault" in call(spec, "import ctypes; ctypes.string_at(0)")[0]
    stopping = tool_for(tier, Resources(cancelled=lambda: True))
    assert "asked to stop" in call(stopping, "while True: pass")[0]


def test_tables_and_plots_are_artifacts(tier: sandbox.Sandbox, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n[{'a': n} for n in range(300)]"
    text, artifact = call(tool_for(tier, Resources(artifacts=tmp_path / "plots")), code)
    assert artifact["table"]["columns"] == ["a"] and len(artifact["table"]["rows"]) == 200
    assert "(the table shows the first 200 of 300 rows)" in text
    (file,) = artifact["files"]
    assert file["media_type"] == "image/png" and Path(file["path"]).parent == tmp_path / "plots"
    width, height = struct.unpack(">II", Path(file["path"]).read_bytes()[16:24])
    assert width > 300 and height > 200
    assert str(tmp_path) not in text
    text, artifact = call(tool_for(tier, Resources()), code)
    assert "files" not in artifact and "plots are not kept" in text


@pytest.mark.parametrize(("code", "reason"), [(" \n", "empty"), ("#" * 50_001, "50,000 characters")])
def test_programs_that_are_refused(tier: sandbox.Sandbox, code: str, reason: str) -> None:
    with pytest.raises(ToolException, match=reason):
        call(tool_for(tier, Resources()), code)


def test_where_nothing_confines_nothing_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "find", lambda: (None, "bubblewrap is not installed; the kernel has no Landlock"))
    assert build(Resources()) == []
    assert unavailable(Resources()) == (
        "No code is run, since it could not be confined: bubblewrap is not installed; the kernel has no Landlock."
    )


def test_where_something_confines_it_is_offered() -> None:
    found, _ = sandbox.find()
    assert [spec.name for spec in build(Resources())] == (["run_python"] if found else [])
    assert bool(unavailable(Resources())) is (found is None)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Run this:\n```python\nprint(1)\n```", {"code": ["print(1)"]}),
        ("What does this print?\n```\nprint(2)\n```", {"code": ["print(2)"]}),
        ("Explain the code\n```python\nprint(1)\n```", None),
        ("Run the numbers for me", None),
        ("Is Python installed?", None),
        ("What does print(1) print?", None),
    ],
)
def test_hints(question: str, expected: dict[str, list[str]] | None) -> None:
    assert hints(question) == expected
