"""The user's facts as tools see them: what is kept under foreign text stays marked as such."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.calls.running import sources_in_play
from agent.schema import Fact

if TYPE_CHECKING:
    from agent.memory import FactStore


class ToolFacts:
    """Adds facts with the sources that the model had read when it asked for that.

    A page could have a sentence remembered that gives orders in every later conversation; recalling it then puts the
    page in play again, as reading it did.

    Args:
        facts: where they are kept.
    """

    def __init__(self, facts: FactStore) -> None:
        self._facts = facts

    def add(self, text: str) -> Fact:
        """Remember a fact; errors as for `FactStore.add`."""
        return self._facts.add(text, sources_in_play())

    def all(self) -> Sequence[Fact]:
        """Every fact, oldest first."""
        return self._facts.all()

    def delete(self, fact_id: str) -> None:
        """Forget a fact; errors as for `FactStore.delete`."""
        self._facts.delete(fact_id)
