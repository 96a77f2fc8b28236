"""The events of a turn, on a terminal: the answer as it comes, then what it rests on.

The answer and its citations go to standard output. Asides (tool calls, notes, timings) go there too
when it is a terminal, else to standard error, so that a pipe carries the answer alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.cli.output import err, foreign, one_line, out, print_error, shown_path
from agent.cli.wrap import AnswerWriter
from agent.phrasing import LEGEND, SIGNS, measures, place, signed, tool_line
from agent.schema import (
    Citation,
    Done,
    Event,
    Failed,
    Note,
    Retrieved,
    Token,
    ToolCallFinished,
    Turn,
    Verdict,
)
from knowledge.schema import Passage

if TYPE_CHECKING:
    from rich.padding import Padding
    from rich.text import Text

QUOTE_LINES = 3


class TurnPrinter:
    """Prints the events of one turn; afterwards `turn` and `failure` hold how it ended."""

    def __init__(self) -> None:
        self._out = out()
        self._asides = out() if self._out.is_terminal else err()
        self._answer = AnswerWriter(self._out)
        self._open = False
        self._notes: list[str] = []
        self.turn: Turn | None = None
        self.failure: Failed | None = None

    def show(self, events: Iterable[Event]) -> Turn | None:
        """Print all events as they come and return the finished turn."""
        with waiting("thinking") as stop:
            for event in events:
                if not isinstance(event, Retrieved):
                    stop()
                self._take(event)
        self._end_answer()
        return self.turn

    def _take(self, event: Event) -> None:
        if isinstance(event, Token):
            self._open = True
            self._answer.feed(event.text)
            return
        if isinstance(event, Verdict):
            if event.grade in SIGNS:
                self._answer.mark(SIGNS[event.grade])
            return
        if isinstance(event, Note):
            self._notes.append(event.text)
            return
        if isinstance(event, ToolCallFinished):
            self._end_answer()
            self._asides.print(foreign(tool_line(event.call), "dim"))
            for file in event.call.artifact.get("files", []):
                self._asides.print(foreign(f"  {file['name']}: {shown_path(file['path'])}", "dim"))
        elif isinstance(event, Failed):
            self._end_answer()
            self.failure = event
            print_error(event.what, event.kept, event.fix)
        elif isinstance(event, Done):
            self._end_answer()
            self.turn = event.turn
            self._foot(event.turn)

    def _end_answer(self) -> None:
        if self._open:
            self._answer.finish()
            self._answer = AnswerWriter(self._out)
            self._open = False

    def _foot(self, turn: Turn) -> None:
        print_citations(turn.citations)
        if self._out.is_terminal:
            print_legend(turn.verdicts)
        for note in dict.fromkeys((*self._notes, *turn.notes)):
            self._asides.print(foreign(f"· {note}", "dim"))
        if turn.status == "cancelled":
            self._asides.print(foreign("· stopped; what was said is kept", "yellow"))
        if turn.status != "error":
            self._asides.print(foreign(f"· {measures(turn)}", "dim"))


@contextmanager
def waiting(text: str) -> Iterator[Callable[[], None]]:
    """A spinner on the terminal until the yielded function is called; nothing off a terminal."""
    console = err()
    if not console.is_terminal:
        yield lambda: None
        return
    status = console.status(foreign(text, "dim"), spinner="dots")
    status.start()
    try:
        yield status.stop
    finally:
        status.stop()


def print_citations(citations: Sequence[Citation]) -> None:
    """Each citation: its number, where it stands, and the exact words."""
    from rich.text import Text

    console = out()
    if citations:
        console.print()
    for citation in citations:
        head = Text(f"[{citation.number}] ", style="bold cyan")
        head += foreign(place(citation.source, citation.heading, citation.locator), "bold")
        console.print(head)
        limit = max(30, console.width - 6) * QUOTE_LINES if console.is_terminal else 1000
        quote = foreign(f"“{one_line(citation.text, limit - 8)}”", "dim")
        console.print(indented(quote))


def print_legend(verdicts: Iterable[Verdict]) -> None:
    """What the signs in the answer mean, where there are any."""
    if any(verdict.grade in SIGNS for verdict in verdicts):
        out().print(foreign(f"· {LEGEND}", "dim"))


def indented(text: Text) -> Padding | Text:
    """The text four columns in; on a terminal its wrapped lines too."""
    from rich.padding import Padding
    from rich.text import Text

    return Padding(text, (0, 0, 0, 4)) if out().is_terminal else Text("    ") + text


def print_passages(passages: Sequence[Passage], cited: Iterable[str] = ()) -> None:
    """A ranked list with scores; those whose id is in `cited` are marked."""
    from rich.text import Text

    console, marked = out(), set(cited)
    for number, passage in enumerate(passages, 1):
        head = Text(f"{number:>2}. ", style="bold cyan")
        head += foreign(place(passage.source, passage.heading, passage.locator), "bold")
        head += Text(f"  {passage.score:.2f}", style="dim")
        if passage.id in marked:
            head += Text("  cited", style="green")
        console.print(head)


def print_passage(passage: Passage) -> None:
    """One passage in full."""
    console = out()
    console.print(foreign(place(passage.source, passage.heading, passage.locator), "bold"))
    console.print(foreign(passage.text))


def print_turn(turn: Turn) -> None:
    """A finished turn as it stands in the records."""
    from rich.text import Text

    console = out()
    console.print(Text("❯ ", style="bold green") + foreign(turn.question, "bold"))
    for call in turn.tool_calls:
        console.print(foreign(tool_line(call), "dim"))
    console.print(foreign(signed(turn.answer, turn.verdicts) or f"({turn.status})"))
    print_citations(turn.citations)
    print_legend(turn.verdicts)
