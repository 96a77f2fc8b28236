"""Facts kept across conversations at the user's wish: what is kept, or deleted, is shown before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from knowledge.errors import RatchetError
from knowledge.naming import words_of
from knowledge.text import sanitize
from tools.spec import ToolSpec

if TYPE_CHECKING:
    from tools.resources import Facts, Resources

_KEEP = re.compile(
    r"^\W*(?:(?:please|can you|could you)\s+)*(?:remember|keep in mind|note)(?:\s+that|\s*:)\s+(?P<text>\S.*)$",
    re.IGNORECASE | re.DOTALL,
)
_DROP = re.compile(
    r"^\W*(?:(?:please|can you|could you)\s+)*forget(?:\s+(?:the fact\s+)?that|\s*:|\s+about)\s+(?P<fact>\S.*)$",
    re.IGNORECASE | re.DOTALL,
)
_MOST_SHOWN = 10


def build(resources: Resources) -> list[ToolSpec]:
    """Both tools; none where facts are not kept."""
    from langchain_core.tools import ToolException, tool

    facts = resources.facts
    if facts is None:
        return []

    @tool
    def remember(text: str) -> str:
        """Keep a fact that the user asks to be remembered in every later conversation."""
        try:
            return f"Remembered: {facts.add(_one_line(text)).text}"
        except RatchetError as error:
            raise ToolException(" ".join(filter(None, (error.what, error.kept)))) from error

    @tool
    def forget(fact: str) -> str:
        """Delete a remembered fact, named by its id or by its words."""
        try:
            found = _the_one(fact, facts)
            facts.delete(found.fact_id)
        except (LookupError, RatchetError) as error:
            raise ToolException(str(error.args[0])) from error
        return f"Forgotten: {found.text}"

    def what_is_kept(arguments: Mapping[str, Any]) -> str:
        return f"Remember in every conversation:\n{_one_line(arguments.get('text', ''))}"

    def what_is_deleted(arguments: Mapping[str, Any]) -> str:
        try:
            found = _the_one(str(arguments.get("fact", "")), facts)
        except LookupError as error:
            return f"Nothing would be deleted. {error.args[0]}"
        return f"Delete the remembered fact {found.fact_id}:\n{found.text}"

    return [
        ToolSpec(remember, "write", preview=what_is_kept, hints=_hints(_KEEP)),
        ToolSpec(forget, "write", preview=what_is_deleted, hints=_hints(_DROP)),
    ]


def _hints(pattern: re.Pattern[str]) -> Any:
    def hints(question: str) -> dict[str, list[str]] | None:
        match = pattern.match(question[:2000])
        return {name: [_one_line(value).rstrip(".!")] for name, value in match.groupdict().items()} if match else None

    return hints


def _one_line(text: object) -> str:
    """As facts are kept: without line ends and characters that cannot be seen."""
    return " ".join(sanitize(str(text)).split())


def _the_one(named: str, facts: Facts) -> Any:
    """The fact that is meant: by id or its start, else by its whole text, else by words that it holds.

    Raises:
        LookupError: none, or several; says which.
    """
    known = facts.all()
    plain, words = named.strip().lower(), words_of(named)
    ways = (
        [fact for fact in known if fact.fact_id == plain],
        [fact for fact in known if words and words_of(fact.text) == words],
        [fact for fact in known if re.fullmatch(r"[0-9a-f]{3,}", plain) and fact.fact_id.startswith(plain)],
        [fact for fact in known if words and f" {words} " in f" {words_of(fact.text)} "],
    )
    found = next(filter(None, ways), [])
    if len(found) == 1:
        return found[0]
    if not known:
        raise LookupError("Nothing is remembered.")
    listed = "; ".join(f"{fact.fact_id}: {fact.text}" for fact in (found or known)[:_MOST_SHOWN])
    more = f"; and {len(found or known) - _MOST_SHOWN} more" if len(found or known) > _MOST_SHOWN else ""
    if found:
        raise LookupError(f'"{named[:100]}" fits several facts, name one by its id: {listed}{more}.')
    raise LookupError(f'No fact says "{named[:100]}". Remembered are: {listed}{more}.')
