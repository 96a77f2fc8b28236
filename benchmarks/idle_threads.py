"""What threads that have nothing to do cost the local model, where they share its OpenMP library.

PyTorch keeps its threads after a computation, and so does a second llama.cpp model. Both count where llama.cpp waits
for its own: see `knowledge.llama.threads_ended`. Each case runs in a process of its own and reports llama.cpp's figures
on two threads for reading a prompt and for writing an answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import Summary, Table, arguments, machine, publish
from benchmarks.threads_neighbour import speed
from knowledge.llama import threads_ended

THREADS = 2
PASSAGES = [f"The drill number {number} is kept in bay {number}. " * 8 for number in range(40)]


def main() -> None:
    """Run every case `--runs` times and print one table."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--case", choices=CASES, help="only this one, in this process")
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measured(given.case, given.runs)))
        return
    facts = machine()
    results = {case: _apart(case, given.runs) for case in CASES}
    rows = [(case, figures["reading"].show(0), figures["writing"].show(0)) for case, figures in results.items()]
    head = ("beside the model", "prompt tokens/s", "answer tokens/s")
    publish(facts, {"speed": results}, [Table("Idle threads in one process", head, rows)], given.json)


def _apart(case: str, runs: int) -> dict[str, Summary]:
    command = [sys.executable, "-m", "benchmarks.idle_threads", "--case", case, "--runs", str(runs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(f"{case}: {done.stdout.strip()}", file=sys.stderr, flush=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    return {name: Summary(**figure) for name, figure in figures.items()}


def measured(case: str, runs: int) -> dict[str, Any]:
    """The figures of one case."""
    neighbour = CASES[case]()  # kept until the model has answered
    reading, writing = speed(THREADS, runs)
    del neighbour
    return {"reading": asdict(reading), "writing": asdict(writing)}


def nothing() -> None:
    """No neighbour."""


def pytorch() -> None:
    """Some products of matrices, as an embedder or a training step makes them."""
    import torch

    torch.set_num_threads(THREADS)
    matrix = torch.randn(1500, 1500)
    for _ in range(5):
        matrix @ matrix


def pytorch_ended() -> None:
    """The same, and then its threads are ended."""
    with threads_ended():
        pytorch()


def embedded(*, question: bool) -> Any:
    """A GGUF embedder that has embedded many texts on two threads, and then perhaps a question on one."""
    from knowledge.embedders.llama import LlamaEmbeddings
    from tests.knowledge.embedders.minilm_gguf import write_minilm_gguf

    with tempfile.TemporaryDirectory(prefix="ratchet-threads-") as work:
        embedder = LlamaEmbeddings(write_minilm_gguf(Path(work) / "minilm.gguf"), threads=THREADS)
        embedder.embed(PASSAGES)
        if question:
            embedder.query_vector(PASSAGES[0])
    return embedder


CASES: Mapping[str, Callable[[], Any]] = {
    "nothing": nothing,
    "PyTorch, its two threads kept": pytorch,
    "PyTorch, its two threads ended": pytorch_ended,
    "a GGUF embedder, its two threads kept": lambda: embedded(question=False),
    "a GGUF embedder, after a question": lambda: embedded(question=True),
}


if __name__ == "__main__":
    main()
