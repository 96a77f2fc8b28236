"""A search of the web through the one service that the user has configured, for pages and a few words of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tools.spec import ToolSpec
from tools.stopping import Abandoned, await_work
from tools.visible import visible
from tools.web.search_service import Result, SearchFailed, endpoint, search

if TYPE_CHECKING:
    from knowledge.schema import Passage
    from tools.resources import Resources

MOST_RESULTS = 10
_UNSET = (
    "No web search service is configured: set tools.search (searxng, brave or tavily), tools.search_url for SearXNG, "
    "and tools.search_key for the other two."
)
_ASKED = re.compile(
    r"^\W*(?:(?:please|can you|could you)\s+)*(?:"
    r"(?:search|look)\s+(?:(?:on|in|through|up\s+on)\s+)?(?:the\s+)?(?:web|internet|net)\s+(?:for|about)\s+(?P<a>.+?)"
    r"|google\s+(?:for\s+)?(?P<b>.+?)"
    r"|(?:search|look)\s+(?:up|for)?\s*(?P<c>.+?)\s+(?:on\s+the\s+(?:web|internet|net)|online)"
    r")\W*$",
    re.IGNORECASE,
)


def unavailable(resources: Resources) -> str:
    """Why the web cannot be searched."""
    service = resources.search_service
    if service is None:
        return _UNSET
    try:
        endpoint(service)
    except SearchFailed as error:
        return f"Web search is off: {error}."
    return ""


def hints(question: str) -> dict[str, list[str]] | None:
    """What an explicit wish to search the web is about; None for any other question."""
    match = _ASKED.match(question[:500])
    return {"query": [next(filter(None, match.groups())).strip(" ?.!\"'")]} if match else None


def build(resources: Resources) -> list[ToolSpec]:
    """The tool, whose artifact holds the snippets as passages of the pages found; none without a service."""
    from langchain_core.tools import ToolException, tool

    service = resources.search_service
    if service is None or unavailable(resources):
        return []
    host = endpoint(service).host

    @tool(response_format="content_and_artifact")
    def web_search(query: str, results: int = 5) -> tuple[str, dict[str, Any]]:
        """Search the web; lists up to ten pages with their addresses and a few words of each."""
        wanted = min(max(results, 1), MOST_RESULTS)
        try:
            found = await_work(lambda: search(service, query, wanted), resources.cancelled)
        except (SearchFailed, Abandoned) as error:
            raise ToolException(str(error)) from None
        if not found:
            return f'Nothing was found for "{query}".', {}
        listed = [f"{number}. {hit.title}\n{hit.url}\n{hit.snippet}" for number, hit in enumerate(found, start=1)]
        return "\n\n".join(listed), {"passages": [passage.to_json() for passage in _passages(found)]}

    def preview(arguments: Mapping[str, Any]) -> str:
        return f"Ask {service.kind} at {host}:\n{visible(str(arguments.get('query', '')))}"

    return [ToolSpec(web_search, "network", untrusted=True, preview=preview, hints=hints)]


def _passages(found: Sequence[Result]) -> list[Passage]:
    from langchain_core.documents import Document

    from knowledge.chunking import split

    passages: list[Passage] = []
    for hit in found:
        snippet = Document(page_content=hit.snippet, metadata={"part": "search result"})
        passages += split([snippet], hit.url)
    return passages
