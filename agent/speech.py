"""One model call, heard: tokens become events, sentences get their citations, cancellation is noticed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage
from langchain_core.messages.ai import UsageMetadata
from langgraph.config import get_stream_writer

from agent import prompts
from agent.grounding import CitationStream
from agent.models.conversation import ASKED_FOR
from agent.schema import Cited, Token, Verdict
from knowledge.schema import Passage
from knowledge.spans import Span


@dataclass(slots=True)
class Clock:
    """When the turn began and spoke its first token, and whether someone asked it to stop."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.perf_counter)

    def elapsed(self) -> float:
        """Seconds since the question arrived."""
        return time.perf_counter() - self.began


class Speech:
    """Listens to one model call: streams tokens and citations, notices cancellation and loss of the thread.

    Args:
        passages: the evidence; empty when the answer does not rest on documents.
        clock: the turn's clock.
        strict: show only sentences that the evidence supports.
        patience: in strict mode, unsupported sentences after which listening on is pointless.
        text, marked, verdicts: what was shown before, between tool calls; see `CitationStream`.
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        clock: Clock,
        *,
        strict: bool,
        patience: int,
        text: str = "",
        marked: Sequence[Sequence[int]] = (),
        verdicts: Sequence[Verdict] = (),
    ) -> None:
        self._clock = clock
        self._strict = strict and bool(passages)
        self._patience = patience
        self._passages = passages
        self._stream = CitationStream(passages, strict=self._strict, text=text, marked=marked, verdicts=verdicts)
        self._raw = ""
        self.cancelled = self.repeating = False
        self.first_shown: float | None = None
        self.first_generated: float | None = None

    def quote(self, nearest: tuple[int, Span]) -> None:
        """Open the answer with the words of the documents that come closest to the question."""
        self._emit(self._stream.quote(*nearest))

    @property
    def is_unsupported(self) -> bool:
        """Whether nothing of what the model said can be shown, and it was not that the documents do not say."""
        return self._is_silent and not self.cancelled and not self._holds_back

    @property
    def _is_silent(self) -> bool:
        return self._strict and not self._stream.text.strip()

    @property
    def _holds_back(self) -> bool:
        return self._raw.strip().startswith(prompts.REFUSAL.rstrip("."))

    def listen(self, caller: Any, messages: list[AnyMessage], count: Callable[[str], int]) -> AIMessage:
        """Stream the call to its end or to the cancellation; the message holds what was generated."""
        whole: AIMessageChunk | None = None
        chunks = caller.stream(messages)
        for chunk in chunks:
            whole = chunk if whole is None else whole + chunk
            self._take(str(chunk.text))
            if self._enough():
                chunks.close()
                break
        self._emit(self._stream.finish())
        if whole is None:
            return AIMessage("")
        return AIMessage(
            self._raw,
            tool_calls=[] if self.cancelled else whole.tool_calls,
            usage_metadata=whole.usage_metadata or self._counted(messages, count),
            response_metadata={
                name: value for name, value in whole.response_metadata.items() if name in ("finish_reason", ASKED_FOR)
            },
        )

    def _enough(self) -> bool:
        self.cancelled = self._clock.cancelled.is_set()
        self.repeating = _repeats(self._raw)
        return self.cancelled or self.repeating or self._stream.withheld >= self._patience

    def _counted(self, messages: list[AnyMessage], count: Callable[[str], int]) -> UsageMetadata:
        """Usage of a call that was stopped before the model could report it."""
        read = sum(count(str(message.content)) for message in messages)
        written = count(self._raw)
        return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)

    def _take(self, text: str) -> None:
        if not text:
            return
        if self.first_generated is None:
            self.first_generated = self._clock.elapsed()
        self._raw += text
        self._emit(self._stream.feed(text))

    def _emit(self, events: Iterable[Token | Cited | Verdict]) -> None:
        write = get_stream_writer()
        for event in events:
            if self.first_shown is None:
                self.first_shown = self._clock.elapsed()
            write(event)

    def timings(self) -> dict[str, float]:
        """When the first piece was shown, and when the model generated its first token, if they were."""
        times = {"first_token": self.first_shown, "model_token": self.first_generated}
        return {name: seconds for name, seconds in times.items() if seconds is not None}

    def status(self, message: AIMessage) -> str:
        """How the call ended: cancelled, cut by the token limit, or done."""
        if self.cancelled:
            return "cancelled"
        return "limit" if message.response_metadata.get("finish_reason") == "length" else "done"

    def shown(self) -> dict[str, Any]:
        """Everything shown so far, for the call that follows or the record."""
        stream, answer = self._stream, self._stream.text.strip()
        lead = stream.text.index(answer)
        moved = (replace(one, start=one.start - lead, end=one.end - lead) for one in stream.verdicts)
        return {
            "answer": answer,
            "citations": [asdict(citation) for citation in stream.citations],
            "marked": stream.marked,
            "verdicts": [asdict(verdict) for verdict in moved],
        }

    def result(self, status: str) -> dict[str, Any]:
        """The status, the answer as shown and what the model really wrote."""
        answer = self._stream.text.strip()
        if not answer and not self.cancelled:
            answer = prompts.REFUSAL if self._strict and self._raw.strip() else prompts.EMPTY
            get_stream_writer()(Token(answer))
        return {"status": status, "answer": answer, "raw_answer": self._raw.strip()}

    def remarks(self, status: str, limit: int) -> list[str]:
        """What has to be said about the answer's support and completeness."""
        stream, notes = self._stream, []
        withheld = stream.withheld - (self._is_silent and self._holds_back)  # the refusal will be the answer
        if withheld:
            notes.append(prompts.NOTE_WITHHELD.format(count=withheld))
        elif self._passages and stream.sentences and not stream.supported:
            notes.append(prompts.NOTE_UNSUPPORTED)
        elif self._passages and stream.supported < stream.sentences:
            missing = stream.sentences - stream.supported
            notes.append(prompts.NOTE_PARTLY.format(count=missing, total=stream.sentences))
        if self.repeating:
            notes.append(prompts.NOTE_REPEATING)
        if status == "limit":
            notes.append(prompts.NOTE_CUT.format(tokens=limit))
        return notes


def _repeats(text: str) -> bool:
    """Whether the end of a text has been said several times before: a small model caught in a loop."""
    tail = text[-40:]
    return len(text) >= 160 and text.count(tail, -400) >= 3
