"""What nodes say without a model: texts that end a turn, and notes beside the answer. Streamed, and kept."""

from __future__ import annotations

from collections.abc import Sequence

from langgraph.config import get_stream_writer

from agent.schema import Note, Token
from agent.speech import Clock
from agent.state import TurnState


def answered(clock: Clock, state: TurnState, text: str, status: str = "done") -> TurnState:
    """End the turn with a text that no model wrote, below what was said before."""
    said = state.get("answer", "")
    get_stream_writer()(Token(f"\n\n{text}" if said else text))
    timings = {**state.get("timings", {})}
    timings.setdefault("first_token", clock.elapsed())
    answer = f"{said}\n\n{text}" if said else text
    return {"status": status, "answer": answer, "raw_answer": text, "timings": timings}


def noted(notes: Sequence[str], *more: str) -> list[str]:
    """Stream and keep the notes that have not been said yet."""
    fresh = [note for note in more if note not in notes]
    for note in fresh:
        get_stream_writer()(Note(note))
    return [*notes, *fresh]
