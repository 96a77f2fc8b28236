"""Tools that others wrote: LangChain tools by dotted name, and packages with an entry point in `ratchet.tools`.

Their code runs in this process, as any installed package's does; what they return is untrusted. One that cannot be
loaded costs a line in the list of what is unavailable, and nothing else.
"""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from tools.spec import RISKS, Risk, ToolSpec

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from tools.resources import Resources

GROUP = "ratchet.tools"
DEFAULT_RISK: Risk = "execute"
LONGEST_REASON = 300  # characters
_DOTTED = re.compile(r"(?P<module>[\w.]+):(?P<name>[\w.]+)(?:=(?P<risk>\w+))?")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class PluginError(Exception):
    """Why a plug-in gives no tools, in one sentence."""


def gather(resources: Resources) -> tuple[list[ToolSpec], dict[str, str]]:
    """The tools of others, and why some are not there, by dotted name or name of the entry point."""
    specs: list[ToolSpec] = []
    reasons: dict[str, str] = {}
    for dotted in resources.plugins:
        try:
            specs += _named(dotted, resources)
        except PluginError as error:
            reasons[dotted] = str(error)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            specs += _installed(point, resources)
        except PluginError as error:
            reasons[point.name] = str(error)
    return specs, reasons


def build(resources: Resources) -> list[ToolSpec]:
    """The tools of others."""
    return gather(resources)[0]


def _named(dotted: str, resources: Resources) -> list[ToolSpec]:
    """The tools that "package.module:Name" or "package.module:Name=read" stands for."""
    match = _DOTTED.fullmatch(dotted.strip())
    if match is None:
        raise PluginError('It should look like "package.module:Name", or "package.module:Name=read".')
    risk = match.group("risk") or DEFAULT_RISK
    if risk not in RISKS:
        raise PluginError(f'"{risk}" is no risk; a tool may {", ".join(RISKS)}.')
    tools = _attempt(lambda: list(_tools_of(_object(match.group("module"), match.group("name")))))
    from tools.plugins.guest import Guest

    origin = f"plugin {match.group('module')}:{match.group('name')}"
    return [
        ToolSpec(_usable(Guest.of(tool, resources.cancelled)), risk, untrusted=True, origin=origin) for tool in tools
    ]


def _object(module: str, name: str) -> Any:
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _tools_of(thing: Any) -> Iterable[BaseTool]:
    """The tool itself, one made of a class, or those that a toolkit or a function gives."""
    from langchain_core.tools import BaseTool, BaseToolkit

    if isinstance(thing, BaseTool):
        return [thing]
    if isinstance(thing, BaseToolkit):
        return thing.get_tools()
    if isinstance(thing, list | tuple) and all(isinstance(each, BaseTool) for each in thing):
        return thing
    if not callable(thing):
        raise PluginError("It is neither a LangChain tool nor something that makes one.")
    if needed := _arguments_needed(thing):
        raise PluginError(f"It cannot be made without {', '.join(needed)}; name a function that gives the tool ready.")
    made = thing()
    if callable(made) and not isinstance(made, BaseTool):
        raise PluginError("It does not give a LangChain tool.")
    return _tools_of(made)


def _arguments_needed(thing: Any) -> list[str]:
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in optional]


def _installed(point: EntryPoint, resources: Resources) -> list[ToolSpec]:
    """The tools of an installed package; it declares their risk itself."""
    from tools.plugins.guest import Guest, is_async_only

    specs = _attempt(lambda: list(point.load()(resources)))
    if not all(isinstance(spec, ToolSpec) and spec.risk in RISKS for spec in specs):
        raise PluginError(f"{point.value} does not give a list of ToolSpec.")
    return [
        replace(
            spec,
            tool=_usable(Guest.of(spec.tool, resources.cancelled) if is_async_only(spec.tool) else spec.tool),
            untrusted=True,
            origin=f"plugin {point.name}",
        )
        for spec in specs
    ]


def _usable(tool: BaseTool) -> BaseTool:
    from langchain_core.utils.function_calling import convert_to_openai_tool

    if not _NAME.fullmatch(tool.name):
        raise PluginError(f"{_line(tool.name)!r} is no name for a tool: letters, digits, - and _ only, at most 64.")
    _attempt(lambda: convert_to_openai_tool(tool))
    return tool


def _attempt(step: Any) -> Any:
    """What `step` gives; whatever others' code raises becomes one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs are no news to the user
            return step()
    except PluginError:
        raise
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        extra = " (pip install 'ratchet-agent[community]')" if name == "langchain_community" else ""
        raise PluginError(f"The package {name} is not installed{extra}.") from error
    except (Exception, SystemExit) as error:  # any code may stand behind the name
        raise PluginError(f"It cannot be loaded: {type(error).__name__}: {_line(str(error))}") from error


def _line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_REASON else f"{flat[:LONGEST_REASON]} …"
