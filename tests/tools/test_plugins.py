"""Tools of others: by dotted name and by entry point, called alike; what cannot be loaded costs one line."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import ToolException

from tools.plugins import gather
from tools.registry import build_tools
from tools.resources import Resources
from tools.spec import ToolSpec

GUESTS = '''
import asyncio
from typing import Any
from langchain_core.tools import BaseTool, BaseToolkit, StructuredTool, ToolException, tool
from pydantic import BaseModel, Field

class Who(BaseModel):
    name: str = Field(description="whom to greet")
    times: int = 1

@tool(args_schema=Who)
def greet(name: str, times: int = 1) -> str:
    """Greet somebody."""
    return " ".join([f"Hello {name}!"] * times)

class Shout(BaseTool):
    name: str = "shout"
    description: str = "Say it loudly."
    def _run(self, text: str) -> str:
        return text.upper()

class Later(BaseTool):
    name: str = "later"
    description: str = "Asynchronous by class."
    def _run(self, text: str) -> str:
        raise NotImplementedError("only asynchronous")
    async def _arun(self, text: str) -> str:
        await asyncio.sleep(0)
        return f"later: {text}"

async def _soon(text: str) -> str:
    await asyncio.sleep(0)
    return f"soon: {text}"
soon = StructuredTool.from_function(coroutine=_soon, name="soon", description="Asynchronous by function.")

async def _never() -> str:
    await asyncio.sleep(600)
    return "?"
never = StructuredTool.from_function(coroutine=_never, name="never", description="Takes long.")

class Kit(BaseToolkit):
    def get_tools(self) -> list[BaseTool]:
        return [greet, Shout()]

def several():
    return [soon, Later()]

class Needy(BaseTool):
    name: str = "needy"
    description: str = "Needs a key."
    def __init__(self, key: str) -> None:
        super().__init__()
    def _run(self) -> str:
        return ""

@tool(response_format="content_and_artifact")
def odd(kind: str) -> Any:
    """Answer in odd ways."""
    if kind == "raise":
        raise KeyError("gone")
    if kind == "mendable":
        raise ToolException("say it otherwise")
    if kind == "long":
        return "x" * 50_000, None
    if kind == "blocks":
        return [{"type": "text", "text": "one"}, "two"], {"files": [{"path": "/etc/passwd"}]}
    return {"a": 1}, [object()]

def explode():
    raise SystemExit(3)

badly = Shout(name="no good name")
nothing = 42
'''


@pytest.fixture
def guests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "guests_of_test.py").write_text(GUESTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "guests_of_test", raising=False)
    return "guests_of_test"


def load(*dotted: str, **more: Any) -> dict[str, ToolSpec]:
    specs, reasons = gather(Resources(plugins=dotted, **more))
    assert reasons == {}
    return {spec.name: spec for spec in specs}


def call(spec: ToolSpec, **arguments: Any) -> Any:
    return spec.tool.invoke({"name": spec.name, "args": arguments, "id": "1", "type": "tool_call"})


def test_instances_classes_toolkits_and_functions(guests: str) -> None:
    specs = load(f"{guests}:greet=read", f"{guests}:several")
    assert [specs[name].risk for name in ("greet", "soon", "later")] == ["read", "execute", "execute"]
    assert all(spec.untrusted and spec.origin.startswith("plugin guests_of_test:") for spec in specs.values())
    assert call(specs["greet"], name="Ada", times=2).content == "Hello Ada! Hello Ada!"
    schema: Any = specs["greet"].tool.args_schema
    assert schema["properties"]["name"]["description"] == "whom to greet"
    assert call(load(f"{guests}:Shout")["shout"], text="hey").content == "HEY"
    assert set(load(f"{guests}:Kit")) == {"greet", "shout"}


def test_asynchronous_tools_are_called_like_any_other(guests: str) -> None:
    specs = load(f"{guests}:several")
    assert call(specs["soon"], text="a").content == "soon: a"
    assert call(specs["later"], text="b").content == "later: b"


async def test_also_from_within_an_event_loop(guests: str) -> None:
    assert call(load(f"{guests}:soon")["soon"], text="a").content == "soon: a"


def test_stopping_ends_an_asynchronous_tool(guests: str) -> None:
    wish = threading.Event()
    spec = load(f"{guests}:never", cancelled=wish.is_set)["never"]
    threading.Timer(0.3, wish.set).start()
    with pytest.raises(ToolException, match="Stopped"):
        call(spec)


def test_a_schema_in_the_older_pydantic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "older_guests.py").write_text(
        textwrap.dedent("""
            from langchain_core.tools import StructuredTool
            from pydantic.v1 import BaseModel, Field
            class Sides(BaseModel):
                a: int = Field(description="one side")
                b: int = 2
            def area(a: int, b: int = 2) -> str:
                return str(a * b)
            area = StructuredTool(name="area", description="Area.", args_schema=Sides, func=area)
        """)
    )
    if sys.version_info >= (3, 14):
        pytest.skip("pydantic.v1 does not run on this Python")
    monkeypatch.syspath_prepend(tmp_path)
    spec = load("older_guests:area")["area"]
    assert call(spec, a=3).content == "6"
    with pytest.raises(ToolException, match="ValidationError"):
        call(spec, a="three")


def test_what_a_tool_raises_or_returns_is_text_and_nothing_else(guests: str) -> None:
    spec = load(f"{guests}:odd")["odd"]
    with pytest.raises(ToolException, match="KeyError"):
        call(spec, kind="raise")
    with pytest.raises(ToolException, match="say it otherwise"):
        call(spec, kind="mendable")
    with pytest.raises(ToolException, match="ValidationError"):
        call(spec)
    assert call(spec, kind="long").content.endswith("(first 20,000 of 50,000 characters)")
    blocks = call(spec, kind="blocks")
    assert (blocks.content, blocks.artifact) == ("one\ntwo", {})
    assert '{"a": 1}' in call(spec, kind="dict").content.replace("'", '"')


@pytest.mark.parametrize(
    ("dotted", "reason"),
    [
        ("no_such_package.x:Tool", "no_such_package is not installed"),
        ("{guests}:Missing", "Missing"),
        ("{guests}:nothing", "neither a LangChain tool"),
        ("{guests}:Needy", "without key"),
        ("{guests}:explode", "SystemExit"),
        ("{guests}:greet=harmless", "is no risk"),
        ("{guests}:badly", "no name for a tool"),
        ("os.system", "should look like"),
        ("os:getcwd", "does not give|neither"),
        ("__import__('os'):x", "should look like"),
    ],
)
def test_what_cannot_be_loaded_costs_one_line(guests: str, dotted: str, reason: str) -> None:
    dotted = dotted.format(guests=guests)
    specs, reasons = gather(Resources(plugins=(dotted, f"{guests}:greet")))
    assert [spec.name for spec in specs] == ["greet"]
    assert list(reasons) == [dotted]
    assert "\n" not in reasons[dotted]
    assert any(part in reasons[dotted] for part in reason.split("|"))


def test_a_name_that_is_taken_stays_with_the_first(guests: str) -> None:
    toolbox = build_tools(Resources(plugins=(f"{guests}:Kit", f"{guests}:greet")), ["plugins"])
    assert set(toolbox.tools) == {"greet", "shout"}
    assert toolbox.tools["greet"].origin.endswith("Kit")
    assert toolbox.unavailable == {"plugins: greet": "Another tool has the same name."}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs a package with an entry point by pip, and puts it on the path."""

    def install(source: str) -> None:
        package, site = tmp_path / "package", tmp_path / "site"
        package.mkdir()
        (package / "tiny_ratchet_plugin.py").write_text(textwrap.dedent(source))
        (package / "pyproject.toml").write_text(
            textwrap.dedent("""
                [build-system]
                requires = ["setuptools"]
                build-backend = "setuptools.build_meta"
                [project]
                name = "tiny-ratchet-plugin"
                version = "1.0"
                [project.entry-points."ratchet.tools"]
                tiny = "tiny_ratchet_plugin:build"
            """)
        )
        options = [
            "--no-index",
            "--no-deps",
            "--no-build-isolation",
            "--target",
            str(site),
            "--disable-pip-version-check",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", *options, str(package)], capture_output=True
        )
        if done.returncode:
            pytest.skip(f"pip cannot build a package here: {done.stderr.decode()[-200:]}")
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, "tiny_ratchet_plugin", raising=False)
        importlib.invalidate_caches()

    return install


def test_an_installed_package_adds_its_tools(installed: Callable[[str], None]) -> None:
    installed("""
        from langchain_core.tools import StructuredTool
        from tools.spec import ToolSpec
        async def _coin() -> str:
            return "heads"
        def build(resources):
            coin = StructuredTool.from_function(coroutine=_coin, name="coin", description="Toss a coin.")
            return [ToolSpec(coin, "read", origin="ratchet")]
    """)
    (spec,) = gather(Resources())[0]
    assert (spec.risk, spec.untrusted, spec.origin) == ("read", True, "plugin tiny")
    assert call(spec).content == "heads"


@pytest.mark.parametrize("body", ["return [42]", "raise RuntimeError('broken')", "return None"])
def test_an_installed_package_that_fails_costs_one_line(installed: Callable[[str], None], body: str) -> None:
    installed(f"""
        def build(resources):
            {body}
    """)
    specs, reasons = gather(Resources())
    assert specs == []
    assert set(reasons) == {"tiny"}


@pytest.mark.skipif(find_spec("langchain_community") is None, reason="needs the community extra")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tools_of_langchain_community(tmp_path: Path) -> None:
    specs = load("langchain_community.tools:ReadFileTool=read", "langchain_community.tools.sleep.tool:SleepTool")
    (tmp_path / "note.txt").write_text("It is blue.")
    assert "It is blue." in call(specs["read_file"], file_path=str(tmp_path / "note.txt")).content
    assert specs["read_file"].risk == "read"
    assert specs["sleep"].risk == "execute"
    kit, reasons = gather(Resources(plugins=("langchain_community.agent_toolkits:FileManagementToolkit",)))
    assert reasons == {}
    assert {"copy_file", "write_file", "list_directory"} <= {spec.name for spec in kit}


def test_nothing_named_nothing_loaded() -> None:
    specs, reasons = gather(Resources())
    assert (specs, reasons) == ([], {})
