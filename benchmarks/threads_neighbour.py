"""What a busy neighbour costs the local model, by number of threads.

On a machine of two cores a second llama.cpp thread helps until another program wants its core; then the two
wait for each other at every step. `local:` models therefore measure how many cores are free when they load.
This runs the bundled model with 1 thread, 2 threads and that choice, alone and beside a process that never
rests, and reports llama.cpp's own figures for reading a prompt and for writing an answer.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from agent.models import build_chat_model
from benchmarks.measure import Summary, Table, arguments, machine, publish, summarize
from benchmarks.workspace import DOCS, QUESTIONS

BUSY = "while True: pass"
PROMPT_CHARS = 1600
ANSWER_TOKENS = 48
SETTLE_SECONDS = 0.5


def main() -> None:
    """Run every combination and print one table."""
    parser = arguments(__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 0], help="0: the automatic choice")
    parser.add_argument("--neighbours", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    facts = machine()
    results: list[dict[str, Any]] = []
    for neighbours in given.neighbours:
        for threads in given.threads:
            with busy(neighbours):
                reading, writing = speed(threads, given.runs)
            measured = {"neighbours": neighbours, "threads": threads, "reading": reading, "writing": writing}
            results.append(measured)
    rows = [
        (
            r["neighbours"],
            r["threads"] or "automatic",
            r["reading"].show(0),
            r["writing"].show(0),
            r["reading"].n,
        )
        for r in results
    ]
    head = ("busy neighbours", "threads", "prompt tokens/s", "answer tokens/s", "n")
    publish(facts, {"speed": results}, [Table("A busy neighbour", head, rows)], given.json)


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that never rest."""
    neighbours = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        time.sleep(SETTLE_SECONDS)
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()


def speed(threads: int, runs: int) -> tuple[Summary, Summary]:
    """Tokens per second of reading and of writing, each run with a prompt that no cache knows."""
    model: Any = build_chat_model("local:default", threads=threads, max_tokens=ANSWER_TOKENS)
    time.sleep(SETTLE_SECONDS)  # the choice of threads looks at the time since the model was built
    text = (DOCS / "async.md" if DOCS.is_dir() else QUESTIONS).read_text(encoding="utf-8")
    timings = []
    for run in range(runs + 1):
        part = text[run * PROMPT_CHARS : (run + 1) * PROMPT_CHARS]
        timings.append(model.invoke(f"{part}\n\nContinue this text.").response_metadata["timings"])
    model.close()  # the next choice of threads needs a model that is loaded anew
    measured = timings[1:]
    return (
        summarize(timing["prompt_per_second"] for timing in measured),
        summarize(timing["predicted_per_second"] for timing in measured),
    )


if __name__ == "__main__":
    main()
