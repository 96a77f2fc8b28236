"""Two adapters answer the same question from one loaded model, and nobody is told which is which.

pair = compare(session, "How do I add documents?", ("mine", "none"))
...                                 # show pair.answers, ask which is better
record_choice(session, pair, 1)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.adapters import NONE, ServedAdapter, choose_adapter
from agent.errors import ModelError
from agent.schema import AnswerChoice, Turn

if TYPE_CHECKING:
    from agent.models.local import LocalChatModel
    from agent.session import ChatSession


@dataclass(frozen=True, slots=True)
class BlindPair:
    """Two answers to one question.

    Attributes:
        turn: the recorded turn that they stand beside, answered with the adapter that is served.
        answers: in the order in which they are shown.
        adapters: what gave them, in the same order; not to be shown before the choice.
    """

    turn: Turn
    answers: tuple[str, str]
    adapters: tuple[str, str]


def compare(session: ChatSession, question: str, adapters: tuple[str, str], *, seed: int = 0) -> BlindPair:
    """Answer a question as a turn of the session, then with both adapters from the very prompt of that turn.

    So tools run once, both answers rest on the same passages, and the conversation goes on with the turn's own.

    Args:
        session: its model must be a `local:` one.
        question: what to answer.
        adapters: names or paths; "none" for the bare model, "" for the one that is served.
        seed: with the question, it decides which answer is shown first.

    Raises:
        ModelError: the model takes no adapters, or was not needed for this answer.
        ModelNotFound, ModelFileInvalid: an adapter is missing, damaged, or of another model.
        RatchetError: as `ChatSession.ask`.
    """
    from agent.models.local import LocalChatModel

    model = session.model
    if not isinstance(model, LocalChatModel):
        raise ModelError(f"{session.model_name} takes no adapters.", fix="Use a local: model, such as local:default.")
    sides = [_side(model, name, session) for name in adapters]
    before = session.last_prompt
    turn = session.ask(question)
    prompt = session.last_prompt
    if prompt is before or not prompt:
        raise ModelError(
            "This question was answered without the model, so there is nothing to compare.",
            kept="The answer is in the conversation.",
            fix="Ask something that the model has to put into words.",
        )
    both = LocalChatModel(
        path=model.path,
        adapters=tuple(dict.fromkeys(path for side in sides for path in side.paths[:1])),
        temperature=model.temperature,
        seed=model.seed,
        max_tokens=model.max_tokens,
        context_tokens=model.context_tokens,
        timeout=model.timeout,
        threads=model.threads,
    )
    said = [both.invoke(prompt, adapter=str(side.paths[0]) if side.paths else NONE).text.strip() for side in sides]
    first = _first(seed, question)
    order = (first, 1 - first)
    answers, names = [said[place] for place in order], [sides[place].name or NONE for place in order]
    return BlindPair(turn, (answers[0], answers[1]), (names[0], names[1]))


def record_choice(session: ChatSession, pair: BlindPair, chosen: int | None) -> AnswerChoice:
    """Keep which answer was preferred: 0 or 1 as they were shown, None for neither.

    Raises:
        RecordError: the turn is gone, or the choice is none of these.
    """
    return session.records.add_choice(pair.turn.turn_id, pair.answers, chosen, pair.adapters)


def _side(model: LocalChatModel, name: str, session: ChatSession) -> ServedAdapter:
    if not name:
        return ServedAdapter(model.adapters[:1], model.adapter_name)
    return choose_adapter(name, model.path, session.settings.adapters_folder)


def _first(seed: int, question: str) -> int:
    """0 or 1, as good as tossed and yet the same for the same seed and question."""
    return hashlib.sha256(f"{seed}\0{question}".encode("utf-8", "surrogatepass")).digest()[0] & 1
