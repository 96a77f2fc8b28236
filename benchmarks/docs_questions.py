"""How good the answers are: 40 questions that real documentation answers, and 10 that it does not.

Each question is asked in a thread of its own, through `ChatSession`, with the model named by --model. The
questions were written from the documents alone, before any retriever had seen them.

Retrieval ceiling: a file that answers is among the first k passages of `session.search`; no model can cite
what was not found. Cited in the top 5: it is among the passages of the finished turn. Cited in the answer: a
numbered citation points to it. Answered: the answer holds one of the strings that a right answer must hold; a
generous test, which does not see what else the answer says. Not in your documents: the turn says so, in its
answer or in a note beside it. Valid: a citation's text stands verbatim at the lines it names in the file.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from agent import prompts
from agent.config import ModelSettings
from agent.schema import Citation, Turn
from agent.session import ChatSession
from benchmarks.measure import Table, arguments, machine, publish, share, summarize
from benchmarks.workspace import QUESTIONS, Question, options, questions, workspace

DEPTH = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question.

    Attributes:
        rank: of the first passage from a right file, 1-based; 0 when none is among the first `DEPTH`.
        confidence: the retriever's, in [0, 1].
        shown: a right file is among the turn's first five passages.
        cited: a right file is among the answer's citations.
        answered: the answer holds what a right answer holds.
        refused: the turn says that the documents do not answer.
        doubted: a note says that no sentence could be traced to the documents.
        citations, valid: how many there are, and how many of them check out.
    """

    id: str
    question: str
    files: tuple[str, ...]
    rank: int
    confidence: float
    shown: bool
    cited: bool
    answered: bool
    refused: bool
    doubted: bool
    citations: int
    valid: int
    first_token: float | None
    seconds: float
    answer: str
    cited_files: tuple[str, ...]


def main() -> None:
    """Ask every question and print the rates."""
    parser = arguments(__doc__)
    options(parser)
    parser.add_argument("--model", default="local:default")
    parser.add_argument("--adapter", default="")
    parser.add_argument("--questions", type=Path, default=QUESTIONS, help="JSON lines; see the one that is here")
    parser.add_argument("--only", type=int, default=0, help="ask only the first N of each kind")
    parser.add_argument("--details", type=Path, help="write one JSON line per question here")
    given = parser.parse_args()
    chosen = [
        question
        for answered in (True, False)
        for question in questions(answered, given.questions)[: given.only or None]
    ]
    facts = machine()
    model = ModelSettings(name=given.model, adapter=given.adapter)
    with (
        workspace(given.docs, given.home, model=model) as place,
        ChatSession(place.settings) as session,
    ):
        outcomes = [ask(session, question, place.docs) for question in chosen]
    if given.details:
        lines = (json.dumps(asdict(outcome), ensure_ascii=False) for outcome in outcomes)
        given.details.write_text("\n".join(lines) + "\n", encoding="utf-8")
    title = f"Questions on the documents, {given.model}{' + ' if given.adapter else ''}{given.adapter}"
    publish(facts, {"model": given.model, "outcomes": outcomes}, [Table(title, *rates(outcomes))], given.json)


def ask(session: ChatSession, question: Question, docs: Path) -> Outcome:
    """Search for, then ask one question."""
    found = session.search(question.question, DEPTH)
    ranks = [place for place, passage in enumerate(found.passages, 1) if _right(question, passage.source, docs)]
    session.new_thread()
    turn = session.ask(question.question)
    said = " ".join(turn.answer.lower().replace("*", "").replace("`", "").split())
    return Outcome(
        id=question.id,
        question=question.question,
        files=question.files,
        rank=ranks[0] if ranks else 0,
        confidence=round(found.confidence, 3),
        shown=any(_right(question, passage.source, docs) for passage in turn.passages[:5]),
        cited=any(_right(question, citation.source, docs) for citation in turn.citations),
        answered=any(part.replace("`", "") in said for part in question.answer_contains),
        refused=prompts.REFUSAL in turn.answer or prompts.NOTE_NOT_FOUND in turn.notes,
        doubted=prompts.NOTE_UNSUPPORTED in turn.notes,
        citations=len(turn.citations),
        valid=sum(map(stands, turn.citations)),
        first_token=turn.timings.first_token,
        seconds=turn.timings.total,
        answer=turn.answer,
        cited_files=_files(turn, docs),
    )


def _right(question: Question, source: str, docs: Path) -> bool:
    return _relative(source, docs) in question.files


def _relative(source: str, docs: Path) -> str:
    path = Path(source)
    return path.relative_to(docs).as_posix() if path.is_relative_to(docs) else source


def _files(turn: Turn, docs: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_relative(citation.source, docs) for citation in turn.citations))


def stands(citation: Citation) -> bool:
    """Whether the file says, at the cited lines, exactly what is quoted.

    Reads the file as it is, not through the loaders, so that the check is independent of them.
    """
    lines = Path(citation.source).read_text(encoding="utf-8").split("\n")
    return citation.text in "\n".join(lines[citation.start_line - 1 : citation.end_line])


def rates(outcomes: Iterable[Outcome]) -> tuple[tuple[str, str], list[tuple[str, str]]]:
    """Head and rows of the table."""
    given = list(outcomes)
    known = [outcome for outcome in given if outcome.files]
    unknown = [outcome for outcome in given if not outcome.files]

    def count(test: Callable[[Outcome], bool], among: list[Outcome] = known) -> str:
        return share(sum(map(test, among)), len(among))

    citations = sum(outcome.citations for outcome in given)
    first = summarize(outcome.first_token for outcome in given if outcome.first_token is not None)
    total = summarize(outcome.seconds for outcome in given)
    rows = [
        (f"right file in the top {depth}", share(sum(0 < o.rank <= depth for o in known), len(known)))
        for depth in (1, 5, DEPTH)
    ]
    rows += [
        ("right file cited in the top 5", count(lambda outcome: outcome.shown)),
        ("right file cited in the answer", count(lambda outcome: outcome.cited)),
        ("answer holds what a right answer holds", count(lambda outcome: outcome.answered)),
        ("refused, though the documents answer", count(lambda outcome: outcome.refused)),
        ("answered, and marked as untraceable", count(lambda outcome: outcome.doubted)),
        ("“not in your documents”, where they do not answer", count(lambda o: o.refused, unknown)),
        ("that, or marked as untraceable", count(lambda o: o.refused or o.doubted, unknown)),
        ("citations whose text stands in the file", share(sum(o.valid for o in given), citations)),
        ("citations per answer that was given", _mean(o.citations for o in given if not o.refused)),
        ("seconds to the first token", first.show(2)),
        ("seconds in all", total.show(2)),
    ]
    return ("measure", f"result (n = {len(known)} + {len(unknown)})"), rows


def _mean(values: Iterable[int]) -> str:
    given = list(values)
    return f"{statistics.mean(given):.1f}" if given else "none"


if __name__ == "__main__":
    main()
