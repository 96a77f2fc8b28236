"""Training of the adapter that ships with Ratchet: rounds over fresh mixes, each going on from the one before.

    OUT/round-1/data/       the mix, with its card
               /run/        the run; `run/adapter` is what it learned
    OUT/round-2/…

A round that was interrupted goes on where it was; one that is done is not repeated.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.adapters import PACKAGED, file_digest, write_json
from finetune.adapter_record import Provenance
from finetune.default.mix import SHARES, mix, shares
from finetune.errors import AdapterMissing

if TYPE_CHECKING:
    from finetune.adapter_record import AdapterRecord
    from finetune.schema import DatasetSplits
    from finetune.training.job import Job

RECIPE = "lora"
OPTIONS: Mapping[str, Any] = {
    "rank": 16,
    "alpha": 32.0,
    "loraplus": 2.0,
    "schedule": "linear",
    "warmup": 0.03,
    "step_targets": 300,
    "pack_tokens": 1024,
    "context": 1024,
    "dev_every": 50,
    "dev_tokens": 8000,
}
# What each public set asks of those who pass it on, and what is made from it.
LICENCES: Mapping[str, str] = {
    "families": "written for Ratchet",
    "talk": "written for Ratchet",
    "everyday": "written for Ratchet",
    "lookups": "written for Ratchet",
    "snips": "SNIPS, CC0",
    "seal_tools": "Seal-Tools, Apache-2.0",
    "sgd": "Schema-Guided Dialogue, CC BY-SA 4.0",
    "metatool": "MetaTool, MIT",
    "clinc150": "CLINC150, CC BY 3.0",
    "gsm8k": "GSM8K, MIT",
    "squad": "SQuAD 2.0, CC BY-SA 4.0",
    "halueval": "HaluEval, MIT",
    "dolly": "databricks-dolly-15k, CC BY-SA 3.0",
    "conversations": "glaive-function-calling and ToolACE, Apache-2.0",
}
SHIPPED = ("adapter.gguf", "adapter.json", "card.md")


@dataclass(frozen=True, slots=True)
class Round:
    """One pass over a mix.

    Attributes:
        seed: of the mix, the order and the weights.
        scale: of the mix; see `finetune.default.mix.SHARES`.
        learning_rate: the highest.
        more: times the share of some sources; see `finetune.default.mix.mix`.
        kept: how much of what it changed is kept; see `finetune.export.lora_peft.between`.
    """

    seed: int
    scale: float
    learning_rate: float
    more: Mapping[str, float] = field(default_factory=dict)
    kept: float = 1.0


ROUNDS = (
    Round(seed=3, scale=1.0, learning_rate=1.5e-3),
    Round(seed=4, scale=1.0, learning_rate=8e-4),
    Round(seed=5, scale=0.25, learning_rate=8e-4, more={"everyday": 2.5}, kept=0.5),
    Round(seed=6, scale=0.3, learning_rate=8e-4, more={"everyday": 3.5}, kept=0.6),
)


def jobs(out: Path, rounds: tuple[Round, ...] = ROUNDS) -> Iterator[tuple[Job, dict[str, Any]]]:
    """What remains to be trained, and with which options; a mix is made when its turn comes.

    Args:
        out: folder of all rounds.
        rounds: in order.

    Raises:
        DatasetError: a public set is not there, or a folder holds something else.
    """
    from finetune.training.job import Job

    parent: Path | None = None
    for number, one in enumerate(rounds, 1):
        folder = out / f"round-{number}"
        if not adapter_of(folder).is_dir():
            splits = _data(folder / "data", one)
            options = {**OPTIONS, "seed": one.seed, "learning_rate": one.learning_rate}
            yield Job(splits, folder / "run", parent=parent), options
        parent = _after(out, rounds[:number])


def _after(out: Path, rounds: tuple[Round, ...]) -> Path:
    """What the rounds learned together; made from two where the last one is kept in part."""
    from finetune.export.lora_peft import between

    folder, last = out / f"round-{len(rounds)}", rounds[-1]
    learned, kept = adapter_of(folder), folder / "kept"
    if len(rounds) == 1 or last.kept == 1:
        return learned
    return between(_after(out, rounds[:-1]), learned, last.kept, kept)


def adapter_of(folder: Path) -> Path:
    """What a round left in its folder."""
    return folder / "run" / "adapter"


def last_adapter(out: Path, rounds: tuple[Round, ...] = ROUNDS) -> Path:
    """What all rounds together learned, as PEFT's files.

    Raises:
        AdapterMissing: the last round is not done.
    """
    if not adapter_of(out / f"round-{len(rounds)}").is_dir():
        raise AdapterMissing(f"The rounds in {out} are not done.", fix="Give the command without --package first.")
    return _after(out, rounds)


def _data(folder: Path, one: Round) -> DatasetSplits:
    """The mix of a round, kept in its folder; read from there when it was made before."""
    from finetune.dataset.card import SourceFacts, card_of
    from finetune.dataset.privacy import PiiReport
    from finetune.dataset.store import load, save

    if not folder.is_dir():
        splits = mix(one.seed, one.scale, one.more)
        drawn = shares(one.scale, one.more)
        sources = tuple(SourceFacts(name, LICENCES[name], most) for name, most in drawn.items())
        save(folder, splits, card_of(splits, sources=sources, settings=asdict(one)), PiiReport({}, {}))
    return load(folder).splits()


def package(
    out: Path, base: Path, target: Path, metrics: Mapping[str, float], rounds: tuple[Round, ...] = ROUNDS
) -> AdapterRecord:
    """Put what the last round learned where the program looks for the adapter that it comes with.

    Args:
        out: folder of all rounds.
        base: the GGUF file of the base model.
        target: a folder; what it holds is replaced.
        metrics: for the card.
        rounds: that were trained.

    Raises:
        AdapterMissing: as for `last_adapter`.
        AdapterInvalid, BaseMismatch, StorageError: as for `AdapterRegistry.add`.
    """
    from finetune.dataset.store import load
    from finetune.registry import CARD, MANIFEST, AdapterRegistry

    learned = last_adapter(out, rounds)
    folders = [out / f"round-{number}" for number, _ in enumerate(rounds, 1)]
    digests = [load(folder / "data").digest for folder in folders]
    options = {**OPTIONS, "rounds": " then ".join(map(_in_words, rounds, folders))}
    about = Provenance(", ".join(digests), RECIPE, options, rounds[-1].seed, dict(metrics))
    with tempfile.TemporaryDirectory() as made:
        registry = AdapterRegistry(Path(made))
        record = registry.add(PACKAGED, learned, base, about)
        card = Path(made) / PACKAGED / CARD
        card.write_text(card.read_text(encoding="utf-8") + _sources(), encoding="utf-8")
        files = {name: file_digest(card.with_name(name)) for name in SHIPPED if name != MANIFEST}
        record = replace(record, files=files)
        write_json(card.with_name(MANIFEST), asdict(record))
        target.mkdir(parents=True, exist_ok=True)
        for name in SHIPPED:
            shutil.copyfile(Path(made) / PACKAGED / name, target / name)
    return record


def _sources() -> str:
    """What the data was made from, for the card."""
    return "\n## Data\n\n" + "".join(
        f"- {LICENCES[name]}: {share:,} examples at scale 1\n" for name, share in SHARES.items()
    )


def _in_words(one: Round, folder: Path) -> str:
    """A round, and how far it came in the time that it was given."""
    from finetune.training.runs import read_record

    steps = (read_record(folder / "run") or {}).get("outcome", {}).get("steps")
    came = "".join(f", {times:g} times as much of {name}" for name, times in one.more.items())
    came += f", {steps} steps" if steps else ""
    came += f", {one.kept:.0%} of it kept" if one.kept < 1 else ""
    return f"seed {one.seed} at scale {one.scale:g} with learning rate {one.learning_rate:g}{came}"


def carry_out(
    out: Path, train: Callable[[str, Job, dict[str, Any]], dict[str, Any]], given: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Train all rounds that are not done.

    Args:
        out: folder of all rounds.
        train: carries out one job with options and tells how it went.
        given: options in place of ours, such as minutes and threads.
    """
    return [train(RECIPE, job, {**options, **given}) for job, options in jobs(out)]
