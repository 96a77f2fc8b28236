"""Where a thread stands, and a new thread that begins like it: without a model, from what is stored alone."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from agent.errors import RecordError

if TYPE_CHECKING:
    from langchain_core.messages import AnyMessage
    from langgraph.graph.state import CompiledStateGraph

    from agent.memory import PrunedSqliteSaver
    from agent.records import Records
    from agent.schema import Turn

START = "__start__"  # LangGraph's name for what comes before the first node
_SUMMED_UP = 4  # turns that are remembered word by word where the conversation has to be put together anew


def unfinished(graph: CompiledStateGraph[Any], thread_id: str) -> dict[str, Any] | None:
    """The state of the turn of a thread that did not come to its end, or None.

    Args:
        graph: of a turn, with its checkpointer; `storage_graph` will do.
        thread_id: the thread.
    """
    config = _config(thread_id)
    state = graph.get_state(config)
    if state.next != (START,):
        return state.values if state.next else None
    # The program ended before the first node ran: the turn is still a message to it, and not in the state.
    saved = cast("PrunedSqliteSaver", graph.checkpointer).get(config)
    return cast("dict[str, Any]", saved["channel_values"][START]) if saved else None


def storage_graph(checkpointer: PrunedSqliteSaver) -> CompiledStateGraph[Any]:
    """The graph of a turn for reading and writing what is stored of it; its nodes cannot run."""
    from agent.graph import build_graph

    return build_graph(cast(Any, None), checkpointer)


def fork(records: Records, checkpointer: PrunedSqliteSaver, thread_id: str, turn_id: str, into: str) -> str:
    """Make a new thread that holds the finished turns of another before one of them; that thread stays as it is.

    The copies have ids of their own and no feedback. The conversation is continued as the other one stood then, and
    whose text its model had read still counts for approvals.

    Args:
        records: of turns.
        checkpointer: of conversations.
        thread_id: the thread to copy from.
        turn_id: the first of its turns that is left out.
        into: the id of the new thread, which must not exist yet; it is returned.

    Raises:
        RecordError: there is no such turn in that thread.
        DatabaseError: the database cannot be used.
    """
    turns = records.turns(thread_id)
    place = next((number for number, turn in enumerate(turns) if turn.turn_id == turn_id), None)
    if place is None:
        raise RecordError(
            "This turn is not in the conversation any more.",
            kept="The conversation is as it was.",
            fix="Load it again and choose another turn.",
        )
    copies = {turn.turn_id: replace(turn, turn_id=uuid.uuid4().hex, thread_id=into) for turn in turns[:place]}
    if not copies:
        return into
    graph = storage_graph(checkpointer)
    state = graph.get_state(_config(thread_id)).values
    history, summary = _conversation(state, turns[:place])
    for message in history:
        if message.id in copies:
            message.id = copies[message.id].turn_id
    # The conversation first: should the program end in between, the new thread is in no list.
    values = {
        "history": history,
        "summary": summary,
        "focus": {},
        "waiting": 0,
        "carried": list(state.get("carried", [])),
    }
    graph.update_state(_config(into), values, as_node="finalize")
    checkpointer.prune([into])
    for copy in copies.values():
        records.append(copy)
    return into


def _config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}}


def _conversation(state: dict[str, Any], turns: list[Turn]) -> tuple[list[AnyMessage], str]:
    """What the model remembers after these turns, which are the first of the thread that the state is of."""
    history: list[AnyMessage] = [message.model_copy() for message in state.get("history", [])]
    kept = {turn.turn_id for turn in turns}
    places = [place for place, message in enumerate(history) if message.id in kept]
    if places:  # later turns stand behind them, and what was summed up stood in front
        return history[: places[-1] + 2], str(state.get("summary", ""))
    if not state.get("summary") and history:
        return [], ""  # none of the turns left anything to remember, as those that were cancelled
    return _anew(turns)


def _anew(turns: list[Turn]) -> tuple[list[AnyMessage], str]:
    """The conversation from the records, where the model remembers these turns only in summary, with later ones."""
    from langchain_core.messages import AIMessage, HumanMessage

    from agent.context import digest

    said = [turn for turn in turns if turn.answer and turn.status != "cancelled"]
    summary = "\n".join(digest(turn.question, turn.answer) for turn in said[:-_SUMMED_UP])
    history: list[AnyMessage] = []
    for turn in said[-_SUMMED_UP:]:
        history += [HumanMessage(turn.question, id=turn.turn_id), AIMessage(_unmarked(turn))]
    return history, summary


def _unmarked(turn: Turn) -> str:
    """The answer without the numbers of its citations."""
    text = turn.answer
    for citation in turn.citations:
        text = text.replace(f" [{citation.number}]", "").replace(f"[{citation.number}]", "")
    return text
