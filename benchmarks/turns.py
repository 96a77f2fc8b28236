"""What the agent adds to the model, and how it compares with a bare LangChain agent, in one run.

Every question is asked four ways, one after the other, in an order that rotates:

ratchet  a `ChatSession` turn, warm: retrieval, prompt, model, citations, checkpoint, record.
direct   the very same prompt, as the session sent it, put straight to a llama.cpp server.
bare     `langchain.agents.create_agent` with one retriever tool over the same index, as its users build it:
         the model is asked, calls the tool, and is asked again with the passages. Whether it calls the tool
         is up to the model; one of 135M parameters may answer from nothing instead, which is quick.
search   the same agent, made to do its work: its first model call can only write the tool's arguments.

Fairness. The four use four servers loaded from the same file with the same threads, context and slots, so
none can read what another has cached; each begins with its own system prompt computed, as a warm session's
is. Ratchet and direct then see the same prompts in the same order, so their caches hold the same. An
unmeasured first pass captures the prompts and warms everything; between two prompts of the same question
lie all the others, so no answer is found half done. A session stops a model that has lost its thread; direct
therefore writes as many tokens as the session let the model write, no more, so that the total compares the
same work. A session may open with a quotation that no model wrote: what a user can read first, and what the
model wrote first, are told apart. Questions that the session answers without the model are left out.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from agent.config import ModelSettings
from agent.session import ChatSession
from benchmarks.measure import Table, arguments, machine, publish, share, summarize
from benchmarks.ways import Bare, Case, Direct, Run, ratchet
from benchmarks.workspace import options, questions, workspace
from knowledge.llama import CpuClock, free_threads

CONTEXT = 4096
WAYS = ("ratchet", "direct", "bare", "search")


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    options(parser)
    parser.add_argument("--turns", type=int, default=30, help="measured questions, each asked all ways")
    parser.add_argument("--max-tokens", type=int, default=64, help="longest answer of every way")
    parser.add_argument("--threads", type=int, default=0, help="of each server; 0: as many as are free")
    given = parser.parse_args()
    facts = machine()
    clock = CpuClock()
    time.sleep(1)
    threads = free_threads(clock, given.threads)
    model = ModelSettings(max_tokens=given.max_tokens, threads=threads, context_tokens=CONTEXT)
    with (
        workspace(given.docs, given.home, model=model) as place,
        ChatSession(place.settings) as session,
    ):
        cases = capture(session, given.turns)
        ways: dict[str, Callable[[Case], Run]] = {
            "ratchet": lambda case: ratchet(session, case),
            "direct": Direct(place.settings, cases[0].messages[:1]).ask,
            "bare": Bare(place.settings).ask,
            "search": Bare(place.settings, made_to_search=True).ask,
        }
        for warmed in ("bare", "search"):
            ways[warmed](cases[-1])
        for number, case in enumerate(cases):
            first = number % len(WAYS)
            turned = WAYS[first:] + WAYS[:first]
            case.runs = {name: ways[name](case) for name in turned}
    publish(
        facts | {"threads": str(threads)},
        {"turns": [{"question": case.question, "runs": case.runs} for case in cases]},
        tables(cases),
        given.json,
    )


def capture(session: ChatSession, wanted: int) -> list[Case]:
    """Questions for which the model is shown passages, with the prompts it is sent; repeated if too few."""
    found: list[Case] = []
    for question in questions(answered=True):
        session.new_thread()
        turn = session.ask(question.question)
        if turn.passages and turn.usage.prompt_tokens and not turn.tool_calls:
            found.append(Case(question.question, list(session.last_prompt), turn.usage.completion_tokens))
        if len(found) == wanted:
            break
    if not found:
        raise SystemExit("No question reached the model: is the index of these documents?")
    return [replace(case, runs={}) for case in itertools.islice(itertools.cycle(found), wanted)]


def tables(cases: list[Case]) -> list[Table]:
    """The ratios per question, and what they are made of."""
    head = ("way", "first text", "first of the model", "in all", "prompt tokens", "of them cached", "written")
    rows = [(name, *_row([case.runs[name] for case in cases])) for name in WAYS]
    pairs = [
        ("ratchet / direct, first token of the model", *_ratio(cases, "direct", "generated")),
        ("ratchet / direct, in all", *_ratio(cases, "direct", "total")),
        *(
            (f"ratchet / {other}, {named}", *_ratio(cases, other, part))
            for other in ("search", "bare")
            for part, named in (("first", "first text"), ("generated", "first of the model"), ("total", "in all"))
        ),
    ]
    return [
        Table(f"Medians of {len(cases)} turns each", head, rows),
        Table("Ratio per question", ("ratio", "median", "p90", "n"), pairs),
        Table("Checks", ("what", "result"), checks(cases)),
    ]


def checks(cases: list[Case]) -> list[tuple[str, str]]:
    """Whether the comparison was what it says it is."""
    ours, direct, bare, search = ([case.runs[name] for case in cases] for name in WAYS)

    def count(*tests: bool) -> str:
        return share(sum(tests), len(tests))

    return [
        ("ratchet sent the prompt that direct sent", count(*(run.same_prompt for run in ours))),
        (
            "direct wrote as much as the session's model",
            count(*(run.completion_tokens == case.written for run, case in zip(direct, cases, strict=True))),
        ),
        ("bare called its tool", count(*(run.tool_calls > 0 for run in bare))),
        ("search called its tool", count(*(run.tool_calls > 0 for run in search))),
        ("bare, search said something", count(*(bool(run.answer.strip()) for run in bare + search))),
        ("bare, search failed", count(*(bool(run.error) for run in bare + search))),
    ]


def _row(runs: list[Run]) -> list[str]:
    seconds = [
        summarize(value for run in runs if not math.isnan(value := getattr(run, part))).show(3, "s")
        for part in ("first", "generated", "total")
    ]
    counts = []
    for part in ("prompt_tokens", "cached_tokens", "completion_tokens"):
        known = [getattr(run, part) for run in runs if getattr(run, part) >= 0]
        counts.append(f"{statistics.median(known):.0f}" if known else "not counted")
    return [*seconds, *counts]


def _ratio(cases: list[Case], other: str, part: str) -> tuple[str, str, int]:
    pairs = [(getattr(case.runs["ratchet"], part), getattr(case.runs[other], part)) for case in cases]
    ratios = summarize(ours / theirs for ours, theirs in pairs if not math.isnan(ours / theirs))
    return f"{ratios.median:.3f}", f"{ratios.p90:.3f}", ratios.n


if __name__ == "__main__":
    main()
