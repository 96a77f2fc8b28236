"""One of the user's documents, whole or the section under a heading, in portions that fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from knowledge.chunking.structure import HEADING_SEPARATOR
from knowledge.naming import find, title_of, words_of
from tools.passages import excerpt
from tools.spec import ToolSpec

if TYPE_CHECKING:
    from knowledge.schema import Passage
    from tools.resources import Documents, Resources

MOST_NAMED = 30  # documents or sections named when what was asked for is not there
_FILE = r"[\"“`']?(?P<name>[^\"“”`'?,;:]*?[^\s\"“”`'?,;:]\.[A-Za-z]{1,8})[\"”`']?"
_WISH = r"^\W*(?:(?:please|can you|could you)\s+)*(?:read|open|show|print|display)(?:\s+me)?\s+"
_ASKED = (
    re.compile(rf"{_WISH}(?:the\s+)?(?:(?:file|document|page)\s+)?{_FILE}\W*$", re.IGNORECASE),
    re.compile(
        rf"{_WISH}(?:the\s+)?(?:section|chapter|part)\s+[\"“`'](?P<section>[^\"“”`']+)[\"”`']\s+"
        rf"(?:of|in|from)\s+(?:the\s+)?(?:(?:file|document|page)\s+)?{_FILE}\W*$",
        re.IGNORECASE,
    ),
)


class NotFound(ValueError):
    """What was asked for is not among the documents, or could be several of them."""


def hints(question: str) -> dict[str, list[str]] | None:
    """The file, and the section, that the whole question asks to be shown; None for any other question."""
    for pattern in _ASKED:
        if match := pattern.match(question[:300]):
            return {key: [value.strip()] for key, value in match.groupdict().items()}
    return None


def build(resources: Resources) -> list[ToolSpec]:
    """The tool, whose artifact holds the passages shown; none without an index."""
    from langchain_core.tools import ToolException, tool

    documents = resources.documents
    if documents is None:
        return []

    @tool(response_format="content_and_artifact")
    def read_document(name: str, section: str = "", from_line: int = 1) -> tuple[str, dict[str, Any]]:
        """Read one of the user's documents by its file name, whole or only the section under a heading."""
        try:
            source = _source_of(name, documents, lambda title: _titled(title, documents, resources))
            passages = _passages_of(source, documents)
            chosen = section_of(passages, section) if section.strip() else passages
        except NotFound as error:
            raise ToolException(str(error)) from error
        shown = excerpt(chosen, from_line)
        return f"{PurePath(source).name}:\n\n{shown.text}", shown.artifact()

    return [ToolSpec(read_document, "read", hints=hints, untrusted=True)]


def _source_of(name: str, documents: Documents, titled: Callable[[str], Sequence[str]]) -> str:
    sources = documents.sources()
    if not name.strip():
        raise NotFound(f"Name a document: {_listed(map(_short, sorted(sources)))}.")
    found = find(name, sources.keys(), titled)
    if not found.known:
        near = f" Did you mean {_listed(map(_short, found.sources), 'or')}?" if found.sources else ""
        raise NotFound(f'No document is called "{name[:100]}".{near}')
    if len(found.sources) > 1:
        raise NotFound(f'"{name[:100]}" could be {_listed(map(_short, found.sources), "or")}: ask for one of them.')
    return found.sources[0]


def _titled(title: str, documents: Documents, resources: Resources) -> list[str]:
    """The sources found by a search for their title that do bear it."""
    if resources.search is None:
        return []
    hits = dict.fromkeys(passage.source for passage in resources.search(title).passages)
    sources, wanted = documents.sources(), words_of(title)
    return [
        source
        for source in hits
        if source in sources and words_of(title_of(documents.passages(documents.rows_of(source)))) == wanted
    ]


def _passages_of(source: str, documents: Documents) -> list[Passage]:
    passages = documents.passages(documents.rows_of(source))
    if not passages:
        reason = getattr(documents.sources()[source], "failure", "") or "It holds no text."
        raise NotFound(f"{PurePath(source).name} has nothing that could be read. {reason}")
    return passages


def section_of(passages: Sequence[Passage], section: str) -> list[Passage]:
    """The passages under a heading, or of a page or part such as "page 3" and "sheet Prices".

    A heading that is exactly so goes before one that only contains the words.

    Raises:
        NotFound: there is none; names those there are.
    """
    wanted = words_of(section.lstrip("# "))
    for fits in (_equals, _holds):
        chosen = [passage for passage in passages if wanted and any(fits(name, wanted) for name in _places(passage))]
        if chosen:
            return chosen
    names = list(dict.fromkeys(name for passage in passages for name in _places(passage)))
    there = f"There are {_listed(names)}" if names else "The document has no sections: leave `section` empty"
    raise NotFound(f'There is no section "{section[:100]}". {there}.')


def _places(passage: Passage) -> list[str]:
    page = f"page {passage.page}" if passage.page is not None else ""
    headings = passage.heading.split(HEADING_SEPARATOR) if passage.heading else []
    return [name for name in (page, passage.part, *headings) if name]


def _equals(name: str, wanted: str) -> bool:
    return words_of(name) == wanted


def _holds(name: str, wanted: str) -> bool:
    return f" {wanted} " in f" {words_of(name)} "


def _short(source: str) -> str:
    return "/".join(PurePath(source).parts[-3:]).lstrip("/")


def _listed(names: Iterable[str], word: str = "and") -> str:
    quoted = [f'"{name}"' for name in names]
    if len(quoted) > MOST_NAMED:
        quoted = [*quoted[:MOST_NAMED], f"{len(quoted) - MOST_NAMED:,} more"]
    return f" {word} ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1]))) if quoted else "none"
