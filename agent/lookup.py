"""The search of a turn: for what the question means in its conversation, where it may look, and how wide."""

from __future__ import annotations

from dataclasses import replace

from langchain_core.messages import HumanMessage

from agent import prompts
from agent.aside import think
from agent.errors import RatchetError
from agent.followups import Focus, accepted, resolve
from agent.state import Dependencies, TurnState, add_usage, asked, filter_of
from agent.widening import widen
from knowledge.schema import Retrieval

LONGEST_REWORDING = 400  # characters
_SHOWN_CHARS = 600  # of the last answer, to the model that rewords


def look_up(deps: Dependencies, state: TurnState) -> tuple[Retrieval, dict[str, int]]:
    """Retrieve for the question as it is meant, and the turn's usage with what that took.

    When the question so completed finds nothing to the point, it is tried as it was asked: it may have changed
    the topic.
    """
    question = asked(state)
    query, usage = standalone(deps, state)
    found = _search(deps, state, query)
    if not found.relevant and query != question:
        plain = _search(deps, state, question)
        found = plain if plain.relevant else found
    if found.relevant and deps.neighbours is not None:
        wide = widen(found.passages, deps.neighbours, deps.budget.passages, deps.model.get_num_tokens)
        found = replace(found, passages=tuple(wide))
    return found, usage


def _search(deps: Dependencies, state: TurnState, query: str) -> Retrieval:
    assert deps.search is not None  # noqa: S101 - nodes look up only where there is something to search
    where = filter_of(state)
    return deps.search(query) if where is None else deps.search(query, where=where)


def standalone(deps: Dependencies, state: TurnState) -> tuple[str, dict[str, int]]:
    """The question as it can be searched for by itself, and the turn's usage.

    Rules decide whether it leans on the conversation. If it does, a model that may be asked rewords it; rules
    do where it may not, fails, or answers with something that is no such question.
    """
    question, usage, focus = asked(state), state.get("usage", {}), focus_of(state)
    query = resolve(question, focus)
    if query == question or not deps.reword:
        return query, usage
    conversation = f"User: {focus.query}\nAnswer: {focus.answer[:_SHOWN_CHARS]}"
    prompt = prompts.REWORD.format(conversation=conversation, question=question)
    try:
        message = think(deps.model, prompt, deps.clock, LONGEST_REWORDING)
    except RatchetError:  # the answer's own call will say what is wrong with the model
        return query, usage
    return accepted(str(message.text), question, focus) or query, add_usage(usage, message)


def focus_of(state: TurnState) -> Focus:
    """What the turn before was about; for one recorded without it, its question and answer."""
    focus = Focus.from_json(state.get("focus", {}))
    history = state.get("history", [])
    if focus.query or not history:
        return focus
    earlier = [str(message.content) for message in history if isinstance(message, HumanMessage)]
    return Focus(query=earlier[-1], answer=str(history[-1].content)) if earlier else focus
