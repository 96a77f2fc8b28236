"""Two adapters answer the same question from one loaded model, and nobody is told which is which.

pair = compare(session, "How do I add documents?", ("mine", "none"))
...                                 # show pair.answers, ask which is better
record_choice(session, pair, 1)
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.adapters import NONE, ServedAdapter, choose_adapter
from agent.errors import ModelError
from agent.schema import AnswerChoice, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import AnyMessage

    from agent.models.local import LocalChatModel
    from agent.session import ChatSession


@dataclass(frozen=True, slots=True)
class BlindPair:
    """Two answers to one question.

    Attributes:
        turn: the recorded turn that they stand beside, answered with the adapter that is served.
        answers: in the order in which they are shown.
        adapters: what gave them, in the same order; not to be shown before the choice.
        first: the place, among the adapters that were asked for, of the one whose answer is shown first.
        seconds: that each took, in the order shown.
        tokens: that each has.
    """

    turn: Turn
    answers: tuple[str, str]
    adapters: tuple[str, str]
    first: int = 0
    seconds: tuple[float, float] = (0.0, 0.0)
    tokens: tuple[int, int] = (0, 0)


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
    both = _with_adapters(model, sides)
    replies = [_reply(both, prompt, side) for side in sides]
    first = _first(seed, question)
    one, other = replies[first], replies[1 - first]
    return BlindPair(
        turn,
        (one.text, other.text),
        (sides[first].name or NONE, sides[1 - first].name or NONE),
        first,
        (one.seconds, other.seconds),
        (one.tokens, other.tokens),
    )


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


def _with_adapters(model: LocalChatModel, sides: Sequence[ServedAdapter]) -> LocalChatModel:
    """The same model, in the same memory, with the adapters of all sides at hand."""
    return type(model)(
        path=model.path,
        adapters=tuple(dict.fromkeys(path for side in sides for path in side.paths[:1])),
        temperature=model.temperature,
        seed=model.seed,
        max_tokens=model.max_tokens,
        context_tokens=model.context_tokens,
        timeout=model.timeout,
        threads=model.threads,
    )


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str
    seconds: float
    tokens: int


def _reply(model: LocalChatModel, prompt: list[AnyMessage], side: ServedAdapter) -> _Reply:
    begun = time.perf_counter()
    said = model.invoke(prompt, adapter=str(side.paths[0]) if side.paths else NONE)
    usage = said.usage_metadata
    return _Reply(said.text.strip(), time.perf_counter() - begun, usage["output_tokens"] if usage else 0)


def _first(seed: int, question: str) -> int:
    """0 or 1, as good as tossed and yet the same for the same seed and question."""
    return hashlib.sha256(f"{seed}\0{question}".encode("utf-8", "surrogatepass")).digest()[0] & 1
