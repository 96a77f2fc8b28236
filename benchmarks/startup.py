"""How long a user waits for the first word, and what a chat weighs.

Help: wall time of `python -m agent.cli --help`, and which heavy packages it imports (from -X importtime).
Cold: `python -m agent.cli ask QUESTION` in a fresh process each time, with the operating system's file cache
warm. The clock runs from the start of the process to the first byte on its standard output, which with a
piped output is the first byte of the answer. The question has retrieved passages, which one uncounted run
checks before. The session may open with a quotation from the documents; the first token that the model
wrote comes later by the difference of two timings in the turn's record, and is listed as well.
Memory: resident memory of `python -m agent.cli chat` after ten answered questions, mapped files included.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import time

from agent.records import Records
from agent.schema import Turn
from benchmarks.measure import Summary, Table, arguments, machine, publish, resident_mib, summarize
from benchmarks.workspace import Workspace, options, questions, workspace

HEAVY: tuple[str, ...] = ("torch", "transformers", "sentence_transformers", "langchain", "langchain_core", "langgraph")
HEAVY += ("faiss", "numpy", "xllamacpp")
CHAT_TURNS = 10
CHAT_SECONDS = 300.0


def main() -> None:
    """Run the three measurements."""
    parser = arguments(__doc__)
    options(parser)
    parser.add_argument("--runs", type=int, default=10, help="cold starts")
    parser.add_argument("--help-runs", type=int, default=15)
    parser.add_argument("--question", default="Which http code does RedirectResponse use if I don't say anything?")
    given = parser.parse_args()
    facts = machine()
    helped, imported = help_time(given.help_runs)
    with workspace(given.docs, given.home) as place:
        first, generated, total = cold_starts(place, given)
        resident, peak = chat_memory(place)
    results = {
        "help_seconds": helped,
        "help_imports": imported,
        "cold_first_byte_seconds": first,
        "cold_model_token_seconds": generated,
        "cold_total_seconds": total,
        "chat_resident_mib": resident,
        "chat_peak_mib": peak,
        "chat_turns": CHAT_TURNS,
    }
    rows = [
        ("`--help`", helped.show(2, "s"), helped.n),
        ("`--help` imports", ", ".join(imported) or "none of " + ", ".join(HEAVY), 1),
        ("`ask`, cold, to the first byte of the answer", first.show(2, "s"), first.n),
        ("`ask`, cold, to the first token of the model", generated.show(2, "s"), generated.n),
        ("`ask`, cold, to the end of the process", total.show(2, "s"), total.n),
        (f"`chat`, resident after {CHAT_TURNS} turns", f"{resident:.0f} MiB (peak {peak:.0f})", 1),
    ]
    publish(facts, results, [Table("Start-up", ("what", "median", "n"), rows)], given.json)


def help_time(runs: int) -> tuple[Summary, list[str]]:
    """Wall seconds of `--help`, and the heavy packages among its imports."""
    command = [sys.executable, "-m", "agent.cli", "--help"]
    seconds = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
    traced = [sys.executable, "-X", "importtime", *command[1:]]
    trace = subprocess.run(traced, check=True, capture_output=True, text=True).stderr
    names = {match.split(".")[0] for match in re.findall(r"\|\s+([\w.]+)$", trace, re.MULTILINE)}
    return summarize(seconds[1:]), [name for name in HEAVY if name in names]


def cold_starts(place: Workspace, given: argparse.Namespace) -> tuple[Summary, Summary, Summary]:
    """Seconds to the first byte of the answer, to the first token of the model, and to the end."""
    check = subprocess.run(place.command("ask", "--json", given.question), capture_output=True, check=True)
    turn = json.loads(check.stdout)
    if not turn["passages"] or turn["timings"]["model_token"] is None:
        sys.exit(f"The model was not asked about passages: choose another --question than {given.question!r}.")
    runs = [_cold_start(place, given.question) for _ in range(given.runs)]
    first, generated, total = (summarize(values) for values in zip(*runs, strict=True))
    return first, generated, total


def _cold_start(place: Workspace, question: str) -> tuple[float, float, float]:
    began = time.perf_counter()
    child = subprocess.Popen(place.command("ask", question), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdout is not None
    os.read(child.stdout.fileno(), 1)
    first = time.perf_counter() - began
    child.stdout.read()
    if child.wait():
        sys.exit(f"`ratchet ask` ended with exit code {child.returncode}.")
    total = time.perf_counter() - began
    timings = _latest(place).timings
    assert timings.first_token is not None and timings.model_token is not None
    return first, first + timings.model_token - timings.first_token, total


def _latest(place: Workspace) -> Turn:
    with contextlib.closing(Records(place.settings.database)) as records:
        return records.turns(records.threads()[0].thread_id)[-1]


def chat_memory(place: Workspace) -> tuple[float, float]:
    """Resident and peak MiB of a chat that has answered `CHAT_TURNS` questions and waits for the next."""
    asked = [question.question for question in questions(answered=True)[:CHAT_TURNS]]
    before = _recorded(place)
    child = subprocess.Popen(
        place.command("chat"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert child.stdin is not None
    try:
        child.stdin.write("".join(f"{question}\n" for question in asked).encode())
        child.stdin.flush()
        deadline = time.monotonic() + CHAT_SECONDS
        while _recorded(place) < before + len(asked):
            if child.poll() is not None or time.monotonic() > deadline:
                sys.exit("The chat ended, or stood still, before it had answered every question.")
            time.sleep(0.2)
        return resident_mib(child.pid)
    finally:
        child.stdin.close()
        child.wait(timeout=30)


def _recorded(place: Workspace) -> int:
    with contextlib.closing(Records(place.settings.database)) as records:
        return sum(thread.turns for thread in records.threads())


if __name__ == "__main__":
    main()
