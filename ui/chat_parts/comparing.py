"""A blind choice between two answers of the same model with different adapters."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from ui.app_desk import get_records
from ui.chat_parts import jobs, tab
from ui.chat_parts.messages import question
from ui.labels import label_of

if TYPE_CHECKING:
    from agent.blind import BlindPair
    from knowledge.errors import RatchetError
    from knowledge.schema import SearchFilter
    from ui.answering import LiveAnswer
    from ui.desk import Desk

_NAMES = {"": "the one that is promoted", "none": "the model as it is"}


def adapter_name(adapter: str) -> str:
    """What people call an adapter: its name, or that of the file."""
    return _NAMES.get(adapter) or (Path(adapter).stem if "/" in adapter else adapter)


class Comparison:
    """A question that two adapters answer, in its place in the desk's queue; stopped as any answer is.

    The turn that is recorded beside both would give one of them away, so it is not shown before the choice.

    Attributes:
        turns_before: how many turns the conversation had.

    Raises:
        SessionBusy, QuestionError: as `Desk.ask`.
    """

    def __init__(
        self, desk: Desk, thread_id: str, question: str, where: SearchFilter | None, adapters: tuple[str, str]
    ) -> None:
        from agent.blind import BlindComparison

        self.thread_id, self.question = thread_id, question
        self.turns_before = len(desk.turns(thread_id))
        self._live: LiveAnswer | None = None
        self._blind = BlindComparison(adapters, seed=secrets.randbits(32), stopped=self._stopped)
        self._live = desk.ask(thread_id, question, where, how=self._blind.stream)

    def _stopped(self) -> bool:
        return self._live is not None and self._live.stopped

    @property
    def pair(self) -> BlindPair | None:
        """Both answers, once they are there."""
        return self._blind.pair

    @property
    def error(self) -> RatchetError | None:
        """Why there is nothing to choose from, though the question is answered."""
        return self._blind.error

    @property
    def finished(self) -> bool:
        """Whether both have answered, or will not."""
        return self._live is not None and self._live.finished

    @property
    def over(self) -> bool:
        """Whether it was stopped, failed, or waits for a person: the conversation shows all there is."""
        return self.finished and self.pair is None and self.error is None


def choice(comparison: Comparison) -> None:
    """Both answers, side by side and unnamed, until one is chosen."""
    from ui.markdown import to_html

    pair = comparison.pair
    if pair is None:
        return
    question(comparison.question)
    st.html('<h2 class="w-heading">Which answer is better?</h2>')
    columns = st.columns(2, border=True)
    for place, letter in enumerate("AB"):
        with columns[place]:
            answer = to_html(pair.answers[place])
            st.html(f'<h3 class="w-heading">Answer {letter}</h3><div class="r r-answer">{answer}</div>')
            st.button(
                f"{letter} is better",
                key=f"choose-{place}-{pair.turn.turn_id}",
                width="stretch",
                on_click=_choose,
                args=(comparison.thread_id, pair, place),
            )
    st.button(
        "Neither is better",
        key=f"choose-none-{pair.turn.turn_id}",
        on_click=_choose,
        args=(comparison.thread_id, pair, None),
    )


def _choose(thread_id: str, pair: BlindPair, chosen: int | None) -> None:
    job = jobs.of(thread_id)
    if not isinstance(job, Comparison) or job.pair is not pair:  # chosen in another tab: once is enough
        return
    if not tab.attempt(lambda: get_records().add_choice(pair.turn.turn_id, pair.answers, chosen, pair.adapters)):
        return
    jobs.put_away(thread_id)
    first, second = (label_of(adapter_name(name), 40) for name in pair.adapters)
    st.toast(f"Kept. Answer A was by {first}, answer B by {second}.")


def possible(desk: Desk, thread_id: str) -> bool:
    """Whether the model of a conversation takes adapters."""
    return desk.model_of(thread_id)[0].startswith("local:")


def settings(desk: Desk, thread_id: str) -> None:
    """Whether the next questions are answered twice, and by which adapters."""
    key = f"blind-{thread_id}"
    st.toggle(
        "Answer twice, and let me choose blindly",
        key=key,
        persist_state="session",
        help="Two adapters of the same local model answer; which is which is told after your choice. A question that "
        "comes with files is answered once.",
    )
    if st.session_state.get(key):
        adapters = desk.adapters()
        for side, place in (("first", 0), ("second", min(1, len(adapters) - 1))):
            st.selectbox(
                f"The {side} adapter",
                adapters,
                index=place,
                key=f"blind-{side}-{thread_id}",
                persist_state="session",
                format_func=adapter_name,
            )


def wanted(desk: Desk, thread_id: str) -> tuple[str, str] | None:
    """The two adapters that answer the next question; None if it is answered once."""
    state = st.session_state
    if not state.get(f"blind-{thread_id}") or not possible(desk, thread_id):
        return None
    return str(state.get(f"blind-first-{thread_id}", "")), str(state.get(f"blind-second-{thread_id}", "none"))
