"""Two adapters answer the same question from one loaded model, and nobody is told which is which.

pair = compare(session, "How do I add documents?", ("mine", "none"))
...                                 # show pair.answers, ask which is better
record_choice(session, pair, 1)
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.adapters import NONE, ServedAdapter, choose_adapter
from agent.errors import ModelError, RatchetError
from agent.schema import AnswerChoice, Done, Event, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AnyMessage

    from agent.session import ChatSession
    from knowledge.schema import SearchFilter

    Ask = Callable[[ChatSession, str, SearchFilter | None], Iterator[Event]]


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
    sides, before = _sides(session, adapters), session.last_prompt
    return _pair(session, session.ask(question), sides, before, seed)


class BlindComparison:
    """As `compare`, event by event, for pages that show how far it is and let it be stopped.

    Args:
        adapters, seed: as for `compare`.
        stopped: asked at every word of the adapters; stopping the turn itself is up to `ChatSession.cancel`.
        ask: gives the events of the turn.

    Attributes:
        pair: what there is to choose from, once `stream` has ended; None where it was stopped, or where the turn
            failed or waits for a person.
        error: why there is none though the turn is recorded, or None.
    """

    def __init__(
        self,
        adapters: tuple[str, str],
        *,
        seed: int = 0,
        stopped: Callable[[], bool] = lambda: False,
        ask: Ask | None = None,
    ) -> None:
        self.pair: BlindPair | None = None
        self.error: RatchetError | None = None
        self._adapters, self._seed, self._stopped, self._ask = adapters, seed, stopped, ask

    def stream(self, session: ChatSession, question: str, where: SearchFilter | None = None) -> Iterator[Event]:
        """The events of the turn; the adapters answer after the last of them.

        Raises:
            ModelError, ModelNotFound, ModelFileInvalid: as `compare`, before anything is asked.
        """
        sides, before = _sides(session, self._adapters), session.last_prompt
        event: Event | None = None
        for event in self._ask(session, question, where) if self._ask else session.stream(question, where):
            yield event
        if isinstance(event, Done) and event.turn.status in ("done", "limit"):
            try:
                pair = _pair(session, event.turn, sides, before, self._seed, self._stopped)
            except RatchetError as error:
                self.error = error
            else:
                self.pair = None if self._stopped() else pair


def record_choice(session: ChatSession, pair: BlindPair, chosen: int | None) -> AnswerChoice:
    """Keep which answer was preferred: 0 or 1 as they were shown, None for neither.

    Raises:
        RecordError: the turn is gone, or the choice is none of these.
    """
    return session.records.add_choice(pair.turn.turn_id, pair.answers, chosen, pair.adapters)


def _sides(session: ChatSession, adapters: tuple[str, str]) -> list[ServedAdapter]:
    from agent.models.local import LocalChatModel

    model = session.model
    if not isinstance(model, LocalChatModel):
        raise ModelError(f"{session.model_name} takes no adapters.", fix="Use a local: model, such as local:default.")
    served = ServedAdapter(model.adapters[:1], model.adapter_name)
    folder = session.settings.adapters_folder
    return [choose_adapter(name, model.path, folder) if name else served for name in adapters]


def _pair(
    session: ChatSession,
    turn: Turn,
    sides: Sequence[ServedAdapter],
    before: list[AnyMessage],
    seed: int,
    stopped: Callable[[], bool] = lambda: False,
) -> BlindPair:
    """Both answers from the prompt of a turn, or what was said until they were stopped.

    `before` is the prompt before that turn: where it is still the last one, the turn needed no model.
    """
    prompt = session.last_prompt
    if prompt is before or not prompt:
        raise ModelError(
            "This question was answered without the model, so there is nothing to compare.",
            kept="The answer is in the conversation.",
            fix="Ask something that the model has to put into words.",
        )
    both = _with_adapters(session.model, sides)
    replies = [_reply(both, prompt, side, stopped) for side in sides]
    first = _first(seed, turn.question)
    one, other = replies[first], replies[1 - first]
    return BlindPair(
        turn,
        (one.text, other.text),
        (sides[first].name or NONE, sides[1 - first].name or NONE),
        first,
        (one.seconds, other.seconds),
        (one.tokens, other.tokens),
    )


def _with_adapters(model: Any, sides: Sequence[ServedAdapter]) -> BaseChatModel:
    """The same local model, in the same memory, with the adapters of all sides at hand."""
    made: BaseChatModel = type(model)(
        path=model.path,
        adapters=tuple(dict.fromkeys(path for side in sides for path in side.paths[:1])),
        temperature=model.temperature,
        seed=model.seed,
        max_tokens=model.max_tokens,
        context_tokens=model.context_tokens,
        timeout=model.timeout,
        threads=model.threads,
    )
    return made


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str
    seconds: float
    tokens: int


def _reply(model: BaseChatModel, prompt: list[AnyMessage], side: ServedAdapter, stopped: Callable[[], bool]) -> _Reply:
    begun, text, tokens = time.perf_counter(), "", 0
    if not stopped():
        for chunk in model.stream(prompt, adapter=str(side.paths[0]) if side.paths else NONE):
            text += chunk.text
            tokens += chunk.usage_metadata["output_tokens"] if chunk.usage_metadata else 0
            if stopped():
                break
    return _Reply(text.strip(), time.perf_counter() - begun, tokens)


def _first(seed: int, question: str) -> int:
    """0 or 1, as good as tossed and yet the same for the same seed and question."""
    return hashlib.sha256(f"{seed}\0{question}".encode("utf-8", "surrogatepass")).digest()[0] & 1
