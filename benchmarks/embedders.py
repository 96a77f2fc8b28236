"""all-MiniLM-L6-v2 by every engine that can run it: passages a second, a question's wait, loading, and exactness.

Each engine in a process of its own, runs interleaved, over passages of the FastAPI documentation as they are
indexed. Cosines are those to ONNX Runtime in float32, which computes what the published model computes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from agent.config import load_settings
from benchmarks.ingest_peers import count_tokens, write_passages
from benchmarks.measure import Table, arguments, machine, publish, resident_mib
from benchmarks.workspace import DOCS
from knowledge.embedders import Embedder, build_embeddings
from knowledge.embedders.minilm import MiniLMEmbeddings
from knowledge.embedders.minilm_file import GRAPH_FILE, TOKENIZER_FILE, _located

QUESTION = "How do I add a dependency to every route?"
_QUESTIONS = 20


def int8(work: Path) -> Embedder:
    """The bundled embedder as it is."""
    return build_embeddings("local:all-MiniLM-L6-v2", load_settings().models_folder)


def float32(work: Path) -> Embedder:
    """The same graph without rounding."""
    return MiniLMEmbeddings(work)


def llama(work: Path) -> Embedder:
    """llama.cpp with 8-bit blocks."""
    return build_embeddings(f"local:{work / 'minilm.gguf'}", work)


def sentence_transformers(work: Path) -> Embedder:
    """The library the model was made for, on PyTorch."""
    return build_embeddings(f"st:{_located()}", work)


ENGINES: dict[str, Callable[[Path], Embedder]] = {
    "ONNX Runtime, float32": float32,
    "ONNX Runtime, int8 (bundled)": int8,
    "llama.cpp, Q8_0": llama,
    "sentence-transformers": sentence_transformers,
}


def main() -> None:
    """Run every engine `--runs` times and print one table."""
    parser = arguments(__doc__)
    parser.add_argument("--passages", type=int, default=150)
    parser.add_argument("--runs", type=int, default=2)
    given = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="ratchet-embedders-") as name:
        work = Path(name)
        texts = prepare(work, given.passages)
        tokens = count_tokens(texts, 0)
        results: list[dict[str, Any]] = []
        for _ in range(given.runs):
            for engine in ENGINES:
                results.append({"engine": engine, **run(engine, work)})
                print(results[-1], file=sys.stderr, flush=True)
    title = f"{len(texts)} passages of {tokens / len(texts):.0f} tokens"
    head = ("engine", "passages/s", "tokens/s", "a question, ms", "import and load, s", "memory, MiB", "cosine (least)")
    publish(facts, {"runs": results}, [Table(title, head, rows(results, len(texts), tokens))], given.json)


def prepare(work: Path, count: int) -> list[str]:
    """What the engines need in `work`: passages, the float32 graph, a GGUF."""
    from safetensors.numpy import load_file

    from knowledge.embedders.minilm_graph import build_graph
    from tests.knowledge.embedders.minilm_gguf import write_minilm_gguf

    every: list[str] = json.loads(write_passages(DOCS / "tutorial", work).read_text(encoding="utf-8"))
    texts = every[:: max(1, len(every) // count)][:count]
    (work / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    (work / GRAPH_FILE).write_bytes(build_graph(load_file(_located() / "model.safetensors"), quantized=False))
    (work / TOKENIZER_FILE).write_bytes((_located() / TOKENIZER_FILE).read_bytes())
    write_minilm_gguf(work / "minilm.gguf")
    return texts


def run(engine: str, work: Path) -> dict[str, Any]:
    """One engine in a process of its own."""
    command = [sys.executable, "-c", "from benchmarks.embedders import measure; measure()", engine, str(work)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["?"])[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    vectors, exact = np.load(work / f"{engine}.npy"), np.load(work / f"{next(iter(ENGINES))}.npy")
    cosines = np.sum(vectors * exact, axis=1)
    return answer | {"cosine": float(cosines.mean()), "least": float(cosines.min())}


def measure() -> None:
    """In the engine's process: load it, ask it, embed everything; figures on the last line, vectors in a file."""
    engine, work = sys.argv[1], Path(sys.argv[2])
    texts: list[str] = json.loads((work / "texts.json").read_text(encoding="utf-8"))
    started = time.perf_counter()
    embedder = ENGINES[engine](work)
    embedder.query_vector(QUESTION)
    loaded = time.perf_counter()
    for number in range(_QUESTIONS):
        embedder.query_vector(f"{QUESTION} {number}")
    asked = time.perf_counter()
    vectors = embedder.embed(texts)
    done = time.perf_counter()
    np.save(work / f"{engine}.npy", vectors)
    figures = {
        "load": loaded - started,
        "query": (asked - loaded) / _QUESTIONS,
        "seconds": done - asked,
        "memory": resident_mib(os.getpid())[1],
    }
    embedder.close()
    print(json.dumps(figures))


def rows(results: list[dict[str, Any]], texts: int, tokens: int) -> list[tuple[object, ...]]:
    """Medians over the runs."""
    table: list[tuple[object, ...]] = []
    for engine in ENGINES:
        runs = [result for result in results if result["engine"] == engine]
        good = [result for result in runs if "seconds" in result]
        if not good:
            table.append((engine, runs[0]["failed"], *[""] * 5))
            continue
        middle = {key: statistics.median(run[key] for run in good) for key in ("load", "query", "seconds", "memory")}
        table.append(
            (
                engine,
                f"{texts / middle['seconds']:.0f}",
                f"{tokens / middle['seconds']:,.0f}",
                f"{1000 * middle['query']:.1f}",
                f"{middle['load']:.2f}",
                f"{middle['memory']:.0f}",
                f"{good[0]['cosine']:.4f} ({good[0]['least']:.4f})",
            )
        )
    return table


if __name__ == "__main__":
    main()
