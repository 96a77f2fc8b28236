"""The loop on real signals: sixty thumbs and corrections on a narrow domain, one command, and what it gained.

A simulated user asks the real agent about a depot's documents, and holds every answer against the depot's rule (one
line of a fixed form, or that the documents do not say; see `benchmarks.rental_desk`): a thumb up where it is kept, a
correction where it is not. `ratchet improve --yes` then does all the rest by itself. What it is worth is measured on
questions about other machines, which were in no feedback: by both adapters through the runtime that serves them, given
the passages that the agent found, and by the whole agent before and after.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.adapters import FILE
from agent.config import Settings
from agent.prompts import REFUSAL
from agent.records import Records
from agent.session import ChatSession, new_thread_id
from benchmarks.kept import Kept
from benchmarks.measure import Table, arguments, machine, publish, share, summarize
from benchmarks.rental_desk import Asked, questions, write_documents
from benchmarks.workspace import ROOT, config_file, ingest_docs, private_settings

NAME = "desk"


def main() -> None:
    """Ask, judge, improve, ask again; print what came of it."""
    parser = arguments(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  python -m benchmarks.improve_loop --home desk --minutes 8"
    parser.add_argument("--home", type=Path, help="a home of its own, gone on with; default: a temporary one")
    parser.add_argument("--feedback", type=int, default=60, help="answers that the user judges")
    parser.add_argument("--held-out", type=int, default=48, help="questions about other machines")
    parser.add_argument("--minutes", type=float, default=8.0, help="of training, as for `ratchet improve`")
    parser.add_argument("--guards", type=int, default=64, help="as for `ratchet improve`")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="as for `ratchet improve`")
    parser.add_argument("--seed", type=int, default=0, help="of the depot and its questions")
    given = parser.parse_args()
    facts = machine()
    with contextlib.ExitStack() as stack:
        home = given.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ratchet-desk-")))
        settings, kept = depot(home.resolve(), given.seed)
        results = whole(settings, kept, given)
    publish(facts, results, tables(results), given.json)


def depot(home: Path, seed: int) -> tuple[Settings, Kept]:
    """The home with the depot's documents indexed, and what was done in it before."""
    settings = private_settings(home)
    ingest_docs(settings, write_documents(home / "depot", seed))
    return settings, Kept(home / "desk.jsonl")


def whole(settings: Settings, kept: Kept, given: argparse.Namespace) -> dict[str, Any]:
    """Everything, step by step; what was done before is not done again."""
    fresh = questions(given.held_out, held_out=True, seed=given.seed)
    give_feedback(settings, kept, questions(given.feedback, held_out=False, seed=given.seed))
    ask_all(settings, kept, "before", fresh)
    if not kept.find(what="served"):
        from finetune.improvement.serving import serving

        kept.add(what="served", alias=serving(settings).alias)
    verdict = improve(settings, kept, given)
    results: dict[str, Any] = {
        "feedback": kept.find(what="feedback"),
        "minutes": sum(line["seconds"] for line in kept.find(what="improve")) / 60,
        "verdict": verdict,
        "alone": by_the_runtime(settings, kept, fresh),
        "before": kept.find(what="before"),
    }
    if verdict["state"] == "served":
        results["after"] = ask_all(settings, kept, "after", fresh)
    return results


def give_feedback(settings: Settings, kept: Kept, asked: Sequence[Asked]) -> None:
    """Ask each question in a conversation of its own, and say what the desk thinks of the answer."""
    done = {line["number"] for line in kept.find(what="feedback")}
    with closing(Records(settings.database)) as records:
        for number, one, turn in _answers(settings, asked, done):
            right = one.is_right(turn.answer)
            records.add_feedback(turn.turn_id, 1 if right else -1, correction="" if right else one.wanted)
            kept.add(what="feedback", number=number, right=right, answer=turn.answer, seconds=turn.timings.total)


def ask_all(settings: Settings, kept: Kept, what: str, asked: Sequence[Asked]) -> list[dict[str, Any]]:
    """The whole agent's answers to questions that nobody gives feedback on."""
    from finetune.dataset.records import shown

    done = {line["number"] for line in kept.find(what=what)}
    for number, one, turn in _answers(settings, asked, done):
        figures = {"right": one.is_right(turn.answer), "answer": turn.answer, "seconds": turn.timings.total}
        kept.add(what=what, number=number, question=one.question, wanted=one.wanted, passages=shown(turn), **figures)
    return kept.find(what=what)


def _answers(settings: Settings, asked: Sequence[Asked], done: set[int]) -> Iterator[tuple[int, Asked, Any]]:
    if len(done) == len(asked):
        return
    with ChatSession(settings, thread_id=new_thread_id()) as session:
        for number, one in enumerate(asked):
            if number not in done:
                session.new_thread()
                yield number, one, session.ask(one.question)
                print(f"{number + 1} of {len(asked)}: {one.question}", file=sys.stderr, flush=True)


def improve(settings: Settings, kept: Kept, given: argparse.Namespace) -> dict[str, Any]:
    """`ratchet improve --yes`, in this home; the verdict of the gate."""
    from finetune.evaluation.verdict_folder import VERDICT
    from finetune.improvement.folder import latest

    if latest(settings.home) is None:
        words = [sys.executable, "-m", "agent.cli", "--config", str(config_file(settings)), "--home"]
        words += [str(settings.home), "improve", "--name", NAME, "--yes", "--json"]
        words += ["--minutes", str(given.minutes), "--guards", str(given.guards)]
        words += [word for setting in given.set for word in ("--set", setting)]
        began = time.monotonic()
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT)
        kept.add(what="improve", seconds=time.monotonic() - began)
        if done.returncode not in (0, 1):
            sys.exit(f"`ratchet improve` ended with {done.returncode}; the same command goes on.")
    run = latest(settings.home)
    if run is None:
        sys.exit("`ratchet improve` came to no verdict.")
    verdict: dict[str, Any] = json.loads((run.verdict / VERDICT).read_text(encoding="utf-8"))
    return {**verdict, "state": run.state, "learned": run.facts["learned"], "held_out": run.facts["held_out"]}


def by_the_runtime(settings: Settings, kept: Kept, asked: Sequence[Asked]) -> dict[str, Any]:
    """Both adapters alone, given the passages that the agent found before: figures of each, and of the difference."""
    import numpy as np

    from finetune.evaluation.evaluate import Contender, compare
    from finetune.evaluation.items import EvaluationItem
    from finetune.evaluation.statistics import mean_interval
    from finetune.improvement.serving import open_model

    alias = kept.find(what="served")[0]["alias"]
    candidate = settings.adapters_folder / NAME / FILE
    found = {line["number"]: line["passages"] for line in kept.find(what="before")}
    items = []
    for number, one in enumerate(asked):
        (line,) = one.example().messages[:1]
        expected = {"answers": [] if one.wanted == REFUSAL else [one.wanted]}
        items.append(EvaluationItem(f"desk-{number}", "desk", ({**line, "passages": found[number]},), (), expected))
    contenders = [
        Contender(alias, settings.home / "held_out-before.jsonl"),
        Contender(str(candidate), settings.home / "held_out-after.jsonl"),
    ]
    model = open_model(settings, [*map(Path, filter(None, [alias])), candidate])
    both = compare(model, contenders, items)
    figures: dict[str, Any] = {"count": len(items)}
    for metric in ("right", "exact_match", "abstained"):
        before, after = (np.array(list(one.scores(metric).values())) for one in both)
        gain = asdict(mean_interval(after - before))
        means = {"before": float(before.mean()), "after": float(after.mean())}
        figures[metric] = {"n": len(before), **means, "gain": gain}
    return figures


def tables(results: dict[str, Any]) -> list[Table]:
    """What was said, what it took, what it gained, and what it cost elsewhere."""
    verdict, judged, alone = results["verdict"], results["feedback"], results["alone"]
    up = sum(line["right"] for line in judged)
    told = [
        ("feedback", f"{len(judged)}: {up} thumbs up, {len(judged) - up} corrections"),
        ("learned from / held out by the loop", f"{verdict['learned']} / {verdict['held_out']}"),
        ("`ratchet improve`, from start to end", f"{results['minutes']:.1f} min"),
        ("decision", f"promoted ({verdict['state']})" if verdict["promoted"] else "refused"),
        *(("reason", reason["text"]) for reason in verdict["reasons"]),
    ]
    titles = {"right": "F1 with the line wanted", "exact_match": "the very line", "abstained": "held back where due"}
    gained = [
        (f"{title}, the model alone", _percent(one["before"]), _percent(one["after"]), _between(one["gain"]), one["n"])
        for metric, title in titles.items()
        if (one := alone[metric])
    ]
    n = len(results["before"])
    taken = [sum(line["right"] for line in results.get(when, ())) for when in ("before", "after")]
    after = share(taken[1], n) if "after" in results else "not served"
    gained.append(("taken by the desk, the whole agent", share(taken[0], n), after, "", n))
    seconds = [summarize(line["seconds"] for line in results.get(when, ())).show(1) for when in ("before", "after")]
    gained.append(("seconds an answer, the whole agent", *seconds, "", n))
    primary = verdict["primary"]
    guards = [(*_guard({**primary, "worst": primary["change"]["low"]})[:4], "above 0", primary["count"])]
    guards += [_guard(one) for one in verdict["guards"]]
    return [
        Table("The loop", ("what", ""), told),
        Table("Machines that were in no feedback", ("what", "before", "after", "gain (95 %)", "n"), gained),
        Table("What the gate saw", ("metric", "before", "after", "at worst", "limit", "n"), guards),
    ]


def _guard(one: dict[str, Any]) -> tuple[object, ...]:
    guard = one["guard"]
    name = f"{guard['metric']} of {guard['suite']}" if guard["suite"] else guard["metric"]
    limit = f"{guard['most_ratio']:g} times" if guard["most_ratio"] else f"-{guard['margin']:g}"
    return name, f"{one['before']:.3f}", f"{one['after']:.3f}", f"{one['worst']:+.3f}", limit, one["count"]


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _between(interval: dict[str, float]) -> str:
    return f"{100 * interval['value']:+.0f} ({100 * interval['low']:+.0f} to {100 * interval['high']:+.0f})"


if __name__ == "__main__":
    main()
