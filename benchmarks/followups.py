"""Follow-up questions: how often the right file is found for them as they are asked, and as they are completed.

40 conversations of two or three questions over the FastAPI documentation; the last question leans on the ones
before it. Each is searched for as it stands, joined with the whole question before it, and completed by
`agent.followups`, rules alone; what came before is played with the best passages found as the answer. Then the
stand-alone questions of `docs_questions` are asked, each right after a question about something else: those must
come out as they went in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from agent.followups import Focus, resolve
from agent.session import ChatSession
from benchmarks.measure import Table, arguments, machine, publish, share
from benchmarks.workspace import options, questions, workspace
from knowledge.schema import Retrieval

THREADS = Path(__file__).with_name("data") / "followups.jsonl"
DEPTH = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one last question; each flag says that a right file was among the first `DEPTH` passages."""

    id: str
    question: str
    query: str
    asked: bool
    joined: bool
    completed: bool


@dataclass(frozen=True, slots=True)
class Alone:
    """A question that stands alone, asked after another one; `harmed`: found as asked, but not as completed."""

    id: str
    changed: bool
    harmed: bool


def main() -> None:
    """Search for every question in each way and print the rates."""
    parser = arguments(__doc__)
    options(parser)
    given = parser.parse_args()
    facts = machine()
    with workspace(given.docs, given.home) as place, ChatSession(place.settings) as session:
        lines = [json.loads(line) for line in THREADS.read_text(encoding="utf-8").splitlines()]
        outcomes = [follow(session, line["id"], line["turns"], line["files"], place.docs) for line in lines]
        alone = change_topic(session, place.docs)
    count = len(outcomes)
    rows = [
        ("as asked", share(sum(outcome.asked for outcome in outcomes), count)),
        ("with the question before it in front", share(sum(outcome.joined for outcome in outcomes), count)),
        ("completed by rules", share(sum(outcome.completed for outcome in outcomes), count)),
    ]
    others = [
        ("changed", share(sum(each.changed for each in alone), len(alone))),
        ("harmed", share(sum(each.harmed for each in alone), len(alone))),
    ]
    tables = [
        Table(f"Follow-up questions, right file in the top {DEPTH}", ("query", f"result (n = {count})"), rows),
        Table("Stand-alone questions after another topic", ("outcome", f"result (n = {len(alone)})"), others),
    ]
    publish(facts, {"followups": outcomes, "alone": alone}, tables, given.json)


def follow(session: ChatSession, name: str, turns: list[str], files: list[str], docs: Path) -> Outcome:
    """Play a conversation up to its last question and search for that."""
    focus = Focus()
    for turn in turns[:-1]:
        focus = after(resolve(turn, focus), session)
    last, query = turns[-1], resolve(turns[-1], focus)

    def found(text: str) -> bool:
        return hit(session.search(text, DEPTH), files, docs)

    return Outcome(name, last, query, found(last), found(f"{turns[-2]} {last}"), found(query))


def after(query: str, session: ChatSession) -> Focus:
    """What a turn is about when its answer is the best passage found."""
    best = session.search(query, 1).passages
    return Focus(
        query,
        " ".join(passage.text for passage in best),
        tuple(passage.source for passage in best),
        tuple(passage.heading for passage in best),
    )


def change_topic(session: ChatSession, docs: Path) -> list[Alone]:
    """Ask each stand-alone question right after the one before it in the list."""
    known = questions(answered=True)
    alone = []
    for before, question in zip([known[-1], *known[:-1]], known, strict=True):
        query = resolve(question.question, after(before.question, session))
        changed = query != question.question
        found = hit(session.search(question.question, DEPTH), question.files, docs)
        still = hit(session.search(query, DEPTH), question.files, docs) if changed else found
        alone.append(Alone(question.id, changed, found and not still))
    return alone


def hit(found: Retrieval, files: list[str] | tuple[str, ...], docs: Path) -> bool:
    """Whether a right file is among the passages."""
    return any(Path(passage.source).relative_to(docs).as_posix() in files for passage in found.passages)


if __name__ == "__main__":
    main()
