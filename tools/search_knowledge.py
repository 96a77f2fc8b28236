"""A further look into the user's documents, for what the first retrieval did not bring."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tools.spec import ToolSpec

if TYPE_CHECKING:
    from tools.resources import Resources


_ASKS = re.compile(
    r"\b(?:search|look)\s+(?:(?:in|through|for|up)\s+)*(?:my|the|our)?\s*(?:documents?|docs|files|notes)\b"
    r"(?:\s+(?:for|about)\s+(?P<topic>.+))?",
    re.IGNORECASE,
)


def hints(question: str) -> dict[str, list[str]] | None:
    """The topic of an explicit wish to search; None otherwise, since every turn retrieves first anyway."""
    match = _ASKS.search(question)
    if not match:
        return None
    return {"query": [(match.group("topic") or question).strip(" ?.!")]}


def build(resources: Resources) -> list[ToolSpec]:
    """The search as a LangChain tool whose artifact holds the passages found; none without an index."""
    from langchain_core.tools import tool

    search = resources.search
    if search is None:
        return []

    @tool(response_format="content_and_artifact")
    def search_knowledge(query: str) -> tuple[str, dict[str, Any]]:
        """Search the user's documents for passages about a topic, in other words than before."""
        found = search(query)
        if not found.relevant:
            return "Nothing about this stands in the documents.", {}
        text = "\n\n".join(f"{passage.source}, {passage.locator}:\n{passage.text}" for passage in found.passages)
        return text, {"passages": [passage.to_json() for passage in found.passages]}

    return [ToolSpec(search_knowledge, "read", hints=hints, untrusted=True, answers=False)]
