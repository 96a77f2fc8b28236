"""From the settings and a session's resources to its tools, what they may do, and what they may take."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.calls.running import stopped
from agent.config import Settings
from agent.state import ToolLimits
from tools.policy import Policy
from tools.registry import MODULES, Toolbox, build_tools
from tools.resources import McpServer, Resources, SearchService
from tools.spec import RISKS

if TYPE_CHECKING:
    from pydantic import SecretStr

# Where each service is when only a key is given; SearXNG has no home of its own.
_SEARCH_URLS = {
    "brave": "https://api.search.brave.com/res/v1/web/search",
    "tavily": "https://api.tavily.com/search",
    "searxng": "",
}


def policy_of(settings: Settings) -> Policy:
    """What the tools may do unasked."""
    by_risk = {risk: getattr(settings.tools, risk) for risk in RISKS}
    return Policy(by_risk, settings.tools.policy)


def limits_of(settings: Settings) -> ToolLimits:
    """What the tools may take in one turn."""
    tools = settings.tools
    return ToolLimits(tools.calls, tools.seconds, tools.result_chars, tools.turn_chars, tools.tokens)


def open_toolbox(settings: Settings, **resources: Any) -> Toolbox:
    """Build the session's tools; close the box when done.

    Args:
        settings: the configuration.
        resources: what only the session has, as fields of `tools.resources.Resources`.
    """
    only = settings.tools.only
    modules = [name for name in MODULES if not only or name in only]
    return build_tools(replace(_configured(settings), **resources), modules)


def _workspace(settings: Settings) -> Path:
    """The workspace; the one in the data folder is made, one that the user named must be there."""
    if not settings.tools.workspace:
        with suppress(OSError):  # a tool that needs it says so
            settings.workspace.mkdir(parents=True, exist_ok=True)
    return settings.workspace


def _configured(settings: Settings) -> Resources:
    tools = settings.tools
    url = tools.search_url or (_SEARCH_URLS[tools.search] if tools.search_key.get_secret_value() else "")
    return Resources(
        workspace=_workspace(settings),
        artifacts=settings.artifacts_folder,
        state=settings.tool_state_folder,
        databases=_revealed(tools.databases),
        search_service=SearchService(tools.search, url, tools.search_key.get_secret_value()) if url else None,
        mcp=tuple(
            McpServer(
                name,
                tuple(server.command),
                server.url,
                _revealed(server.environment),
                _revealed(server.headers),
                server.risk,
            )
            for name, server in tools.mcp.items()
        ),
        plugins=tuple(tools.plugins),
        cancelled=stopped,
        python_seconds=tools.python_seconds,
        python_megabytes=tools.python_megabytes,
    )


def _revealed(secrets: Mapping[str, SecretStr]) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in secrets.items()}
