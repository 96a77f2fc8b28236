"""How fast a folder of documents becomes an index on disk, here and with the libraries one would use instead.

The same files, the same weights of all-MiniLM-L6-v2, one process at a time, runs interleaved. The others live in
an environment of their own, made once:

    python3 -m venv PEERS
    PEERS/bin/pip install torch==2.13.0 sentence-transformers langchain-community langchain-huggingface \
        langchain-text-splitters faiss-cpu chromadb llama-index-core llama-index-embeddings-huggingface haiku.rag \
        pysqlite3-binary
    python -m benchmarks.ingest_peers --peers PEERS/bin/python

"seconds" counts from the start of the process, imports included; "work" from the end of the imports; "processor" is
the time that all cores together spent, which other programs on the machine disturb least.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from agent.config import load_settings
from benchmarks import ingest_peer
from benchmarks.measure import Table, arguments, machine, publish
from benchmarks.workspace import DOCS

OURS = "ratchet"
_PATIENCE = 900  # seconds
_PEERS_WINDOW = 256  # tokens after which sentence-transformers cuts this model's texts off


def main() -> None:
    """Run everyone `--runs` times and print one table."""
    parser = arguments(__doc__)
    parser.add_argument("--peers", default=sys.executable, help="the python of the environment described above")
    parser.add_argument("--docs", type=Path, default=DOCS, help="a folder of Markdown files")
    parser.add_argument("--files", type=int, default=0, help="only so many of its files, evenly taken; 0: all")
    parser.add_argument("--only", nargs="+", default=[OURS, *ingest_peer.PEERS], help="leave the others out")
    parser.add_argument("--runs", type=int, default=2)
    given = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="ratchet-ingest-") as name:
        work = Path(name)
        docs = copied(given.docs, work / "docs", given.files)
        passages = write_passages(docs, work)
        results: list[dict[str, Any]] = []
        for _ in range(given.runs):
            for who in given.only:
                out = work / "out"
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()
                results.append({"who": who, **run(who, given.peers, docs, out, passages)})
                print(results[-1], file=sys.stderr, flush=True)
    files = next((result["files"] for result in results if "files" in result), 0)
    head = ("", "seconds", "work", "processor", "files/s", "passages", "passages/s", "tokens/s", "times ours")
    table = Table(f"Ingest of {files} files", head, rows(results, given.only))
    publish(facts, {"runs": results}, [table], given.json)


def copied(docs: Path, target: Path, count: int) -> Path:
    """The chosen files in a folder of their own, warm in the file cache for everyone."""
    every = ingest_peer.files(docs)
    step = max(1, len(every) // count) if count else 1
    for path in every[::step]:
        place = target / path.relative_to(docs)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    return target


def write_passages(docs: Path, work: Path) -> Path:
    """What Ratchet embeds of these files, as a list of texts; also prepares the model's files."""
    from knowledge.chunking import embedded_text, split
    from knowledge.embedders.minilm_file import prepare_minilm
    from knowledge.loaders import lazy_load

    prepare_minilm(load_settings().models_folder)
    found = [embedded_text(one) for path in ingest_peer.files(docs) for one in split(lazy_load(path), str(path))]
    passages = work / "passages.json"
    passages.write_text(json.dumps(found), encoding="utf-8")
    return passages


def run(who: str, peers: str, docs: Path, out: Path, passages: Path) -> dict[str, Any]:
    """One process from start to end: seconds, passages and tokens, or why it did not work."""
    from knowledge.embedders.minilm_file import _located

    if who == OURS:
        command = [
            sys.executable,
            "-c",
            "from benchmarks.ingest_peers import ours; ours()",
            str(docs),
            str(out),
            str(passages),
        ]
    else:
        command = [peers, ingest_peer.__file__, who, str(docs), str(out), str(_located()), str(passages)]
    started, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"failed": "not installed" if "ModuleNotFoundError" in done.stderr else lines[-1] if lines else "?"}
    window = 0 if who == OURS else _PEERS_WINDOW
    texts: list[str] = json.loads((out / "texts.json").read_text(encoding="utf-8"))
    return {
        "seconds": seconds,
        "processor": after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime,
        "work": json.loads(done.stdout.splitlines()[-1])["seconds"],
        "files": len(ingest_peer.files(docs)),
        "passages": len(texts),
        "tokens": count_tokens(texts, window),
    }


def ours() -> None:
    """Ratchet's ingest, in a process of its own."""
    from knowledge.embedders import build_embeddings
    from knowledge.ingest import ingest

    docs, out, passages = map(Path, sys.argv[1:])
    started = time.perf_counter()
    with closing(build_embeddings("local:all-MiniLM-L6-v2", load_settings().models_folder)) as embeddings:
        report = ingest([docs], out / "index", embeddings)
    seconds = time.perf_counter() - started
    if report.failed:
        raise SystemExit(f"{len(report.failed)} files failed, the first: {report.failed[0]}")
    shutil.copy(passages, out / "texts.json")
    print(json.dumps({"seconds": seconds}))


def count_tokens(texts: list[str], window: int) -> int:
    """Tokens embedded, with the two around each text; `window` is where a library cuts off, 0 for nowhere."""
    from tokenizers import Tokenizer

    from knowledge.embedders.minilm_file import TOKENIZER_FILE, prepare_minilm

    tokenizer = Tokenizer.from_file(str(prepare_minilm(load_settings().models_folder) / TOKENIZER_FILE))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]
    return sum(min(length, window) if window else length for length in lengths)


def rows(results: list[dict[str, Any]], names: list[str]) -> list[tuple[object, ...]]:
    """Medians over the runs, and what each takes in multiples of ours."""
    own = [result["seconds"] for result in results if result["who"] == OURS and "seconds" in result]
    table: list[tuple[object, ...]] = []
    for name in names:
        runs = [result for result in results if result["who"] == name]
        good = [result for result in runs if "seconds" in result]
        if not good:
            table.append((name, runs[0]["failed"] if runs else "not run", *[""] * 7))
            continue
        seconds, work, processor = (
            statistics.median(result[key] for result in good) for key in ("seconds", "work", "processor")
        )
        last = good[-1]
        table.append(
            (
                name,
                f"{seconds:.1f}",
                f"{work:.1f}",
                f"{processor:.1f}",
                f"{last['files'] / seconds:.1f}",
                last["passages"],
                f"{last['passages'] / seconds:.1f}",
                f"{last['tokens'] / seconds:,.0f}",
                f"{seconds / statistics.median(own):.2f}" if own else "",
            )
        )
    return table


if __name__ == "__main__":
    main()
