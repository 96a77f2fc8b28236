"""How fast LoRA is trained, and in how much memory, beside Hugging Face's Trainer with PEFT and TRL's SFTTrainer.

The same model (the bundled one, dequantized), the same examples as the same token sequences with the same targets, the
same shape of the corrections and as many sequences to an optimizer step; each run in a process of its own, in rounds
(A B C D, A B C D …), so that a busy machine disturbs all alike. TRL runs twice, packed and grouped by length; compare
with the quicker. The others may live in an environment of their own, made once:

    python3 -m venv PEERS
    PEERS/bin/pip install torch==2.13.0 transformers peft accelerate trl
    python -m benchmarks.training_speed --peers PEERS/bin/python --results speed.jsonl

All contenders see the same examples, so examples a second is the fair ratio. "tokens" are those of the sequences laid
out one by one, without fill: what a beginning that several share would take for each of them counts in.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import RatchetError
from benchmarks import training_peer
from benchmarks.kept import Kept
from benchmarks.measure import Table, arguments, machine, publish
from benchmarks.workspace import ROOT

if TYPE_CHECKING:
    from finetune.schema import Example, TokenSequence

OURS = "ratchet"
TITLES = {
    OURS: "Ratchet, `lora`",
    "trainer": "Trainer + PEFT, padded batches",
    "trl_grouped": "TRL `SFTTrainer`, grouped by length",
    "trl_packed": "TRL `SFTTrainer`, packed",
}
CONTEXT = 2048  # tokens; a longer sequence is left out for all


@dataclass(frozen=True, slots=True)
class Size:
    """What there is to learn: examples, the sequences they become, tokens in them, and those that are targets."""

    examples: int
    sequences: int
    tokens: int
    targets: int
    weights: int  # of the targets, as ours counts them


def main() -> None:
    """Train in rounds, print a table of medians and one of ratios."""
    parser = arguments(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  python -m benchmarks.training_speed --peers PEERS/bin/python --results speed.jsonl"
    parser.add_argument("--data", type=Path, help="a data set's folder or JSONL file; default: the default adapter's")
    parser.add_argument("--examples", type=int, default=160, help="how many of them; 0: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=TITLES, default=list(TITLES), help="leave the others out")
    parser.add_argument("--peers", default=sys.executable, help="the python of the environment described above")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--batch", type=int, default=32, help="sequences to an optimizer step")
    parser.add_argument("--micro", type=int, default=4, help="sequences in one padded batch of the others")
    parser.add_argument("--row", type=int, default=1024, help="tokens in a packed row")
    parser.add_argument("--threads", type=int, default=0, help="0: as each chooses")
    parser.add_argument("--results", type=Path, help="keep every run here, and go on where it stopped")
    given = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="ratchet-speed-") as work:
        job, size = prepared(given, Path(work))
        kept = Kept(given.results)
        what = {**asdict(size), "rank": given.rank, "batch": given.batch, "micro": given.micro, "row": given.row}
        measure(given, job, what, kept)
    lines = kept.find(**what)
    publish(facts, {"size": size, "runs": lines}, tables(lines, given.only, size), given.json)


def prepared(given: argparse.Namespace, work: Path) -> tuple[dict[str, Any], Size]:
    """The job that all are given, and what there is to learn."""
    from agent.config import load_settings
    from finetune.training.base_model import dequantized, load_tokenizer, served_model
    from finetune.training.formatting import Renderer
    from finetune.training.objectives import target_count

    models = load_settings().models_folder
    gguf = served_model(models)
    examples = chosen(given.data, given.examples)
    renderer = Renderer(*load_tokenizer(gguf))
    rendered = [one for example in examples for one in renderer.render(example)]
    fitting = [one for one in rendered if len(one.ids) <= CONTEXT and any(one.targets[1:])]
    weights = sum(map(weight, fitting))
    targets = sum(map(target_count, fitting))
    size = Size(len(examples), len(fitting), sum(len(one.ids) for one in fitting), targets, weights)
    with (work / "examples.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(example.to_json(), ensure_ascii=False) + "\n" for example in examples)
    with (work / "sequences.jsonl").open("w", encoding="utf-8") as file:
        for one in fitting:
            ids = list(one.ids)
            labels = [token if target else -100 for token, target in zip(ids, one.targets, strict=True)]
            file.write(json.dumps({"input_ids": ids, "labels": labels}) + "\n")
    return {
        "gguf": str(gguf),
        "checkpoint": str(dequantized(gguf, models)),
        "examples": str(work / "examples.jsonl"),
        "sequences": str(work / "sequences.jsonl"),
        "rank": given.rank,
        "alpha": 2.0 * given.rank,
        "learning_rate": 5e-4,
        "batch": given.batch,
        "micro": given.micro,
        "row": given.row,
        "step_targets": max(1, weights * given.batch // len(fitting)),
        "threads": given.threads,
    }, size


def weight(sequence: TokenSequence) -> int:
    """What the targets of a sequence count for in our loss, where tokens that decide a call count more."""
    each = sequence.weights or [1] * len(sequence.ids)
    return sum(one for one, target in zip(each, sequence.targets, strict=True) if target)


def chosen(data: Path | None, count: int) -> Sequence[Example]:
    """The examples: of a data set, the first; of the default adapter's mix, in its proportions."""
    if data is not None:
        from finetune.dataset.example_files import read_splits

        found = read_splits(data).train
        return found[:count] if count else found
    from finetune.default.mix import SHARES, mix

    try:
        return mix(0, (count or 1000) / sum(SHARES.values())).train
    except RatchetError as error:
        sys.exit(f"{error} Name other examples with --data.")


def measure(given: argparse.Namespace, job: dict[str, Any], what: dict[str, Any], kept: Kept) -> None:
    """Every contender once a round; what is in the file already is not run again."""
    for number in range(given.rounds):
        for name in given.only:
            if any("seconds" in line for line in kept.find(name=name, round=number, **what)):
                continue
            found = run(name, given.peers, job)
            kept.add(name=name, round=number, **what, **found)
            print(f"round {number + 1}: {name} {found}", file=sys.stderr, flush=True)


def run(name: str, peers: str, job: dict[str, Any]) -> dict[str, Any]:
    """One process from start to end: what it said of itself, or why it did not work."""
    with tempfile.TemporaryDirectory(prefix="ratchet-speed-") as work:
        file = Path(work) / "job.json"
        file.write_text(json.dumps({**job, "out": str(Path(work) / "out")}), encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.training_peer"]
        if name != OURS:
            command = [peers, training_peer.__file__]
        told = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "HF_HOME": work}  # nothing from outside
        command += [name, str(file)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **told}
        )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"failed": "not installed" if "ModuleNotFoundError" in done.stderr else lines[-1] if lines else "?"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def tables(lines: Sequence[dict[str, Any]], names: Sequence[str], size: Size) -> list[Table]:
    """Medians over the rounds; and ours against each of the others."""
    medians = {name: found for name in names if (found := _medians(lines, name))}
    rows: list[tuple[object, ...]] = []
    ratios: list[tuple[object, ...]] = []
    for name in names:
        found = medians.get(name)
        if found is None:
            failed = [line["failed"] for line in lines if line["name"] == name and "failed" in line]
            rows.append((TITLES[name], failed[-1] if failed else "not run", *[""] * 6))
            continue
        speeds = (f"{count / found['seconds']:,.{digits}f}" for count, digits in _counts(size))
        rows.append((TITLES[name], *speeds, f"{found['peak_mib']:,.0f}", *_plain(found), found["n"]))
        if name != OURS and OURS in medians:
            own = medians[OURS]
            speed, memory = found["seconds"] / own["seconds"], found["peak_mib"] / own["peak_mib"]
            ratios.append((TITLES[name], f"{speed:.2f}", f"{memory:.2f}"))
    title = (
        f"{size.examples:,} examples, {size.sequences:,} sequences, {size.tokens:,} tokens, {size.targets:,} of them "
        "learned"
    )
    head = ("", "examples/s", "tokens/s", "learned/s", "peak MiB", "steps", "seconds", "n")
    beside = ("against", "examples/s, ours over theirs", "peak memory, theirs over ours")
    return [Table(title, head, rows), *([Table("Ratios", beside, ratios)] if ratios else [])]


def _counts(size: Size) -> tuple[tuple[int, int], ...]:
    return (size.examples, 2), (size.tokens, 0), (size.targets, 1)


def _plain(found: dict[str, float]) -> tuple[str, str]:
    return f"{found['steps']:.0f}", f"{found['seconds']:.1f}"


def _medians(lines: Sequence[dict[str, Any]], name: str) -> dict[str, float]:
    good = [line for line in lines if line["name"] == name and "seconds" in line]
    if not good:
        return {}
    figures = {key: statistics.median(line[key] for line in good) for key in ("seconds", "peak_mib", "steps")}
    return {**figures, "n": len(good)}


if __name__ == "__main__":
    main()
