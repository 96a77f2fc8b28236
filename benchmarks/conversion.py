"""Does a converted adapter say the same in llama.cpp as in transformers, token by token?

Prompts as the product sends them (choices among tools, questions about passages, conversation; none of them drawn for
any training) are answered greedily by both: by transformers and PEFT over the dequantized base, and by llama.cpp over
the quantized base with the GGUF adapter. Both round otherwise, so where two continuations are almost equally likely
they may part: for each answer that differs the gap between the two tokens is given, at the place where it began, in
nats. With `--exact` llama.cpp multiplies 32-bit floats, too: hardly anything but the conversion is left to differ.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.adapters import FILE, file_digest
from agent.config import load_settings
from agent.errors import RatchetError
from benchmarks.kept import Kept
from benchmarks.measure import Table, arguments, machine, publish, share

SEED = 20_011  # nothing is trained with it
AT_ONCE = 20  # prompts between two lines of results
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """The same adapter twice: PEFT's folder and the GGUF file; both None for the bare model."""

    base: Path
    peft: Path | None
    gguf: Path | None


def main() -> None:
    """Compare and print a table of how many are the same and one of where the others part."""
    parser = arguments(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "example:\n  python -m benchmarks.conversion --adapter runs/first/adapter --results conversion.jsonl"
    )
    parser.add_argument("--adapter", type=Path, help="a folder of PEFT's files; default: the adapter that is served")
    parser.add_argument("--kind", choices=("f16", "q8_0", "f32"), default="f16", help="how its numbers are converted")
    parser.add_argument("--exact", action="store_true", help="without llama.cpp's rounding: the base in 32-bit floats")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=32, help="longest answer")
    parser.add_argument("--tie", type=float, default=0.05, help="gap below which two tokens count as equally likely")
    parser.add_argument("--results", type=Path, help="keep the comparison here, and go on where it stopped")
    given = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="ratchet-conversion-") as work:
        try:
            pair = (
                served_pair(Path(work)) if given.adapter is None else converted(given.adapter, given.kind, Path(work))
            )
            served = unrounded(pair.base, Path(work)) if given.exact else pair.base
            lines, told = compare(pair, served, given.prompts, given.tokens, Kept(given.results))
        except RatchetError as error:
            sys.exit(str(error))
    partings = [parting for line in lines for parting in line["partings"]]
    results = {"prompts": given.prompts, "exact": given.exact, "adapter": told["adapter"], "partings": partings}
    publish(facts, results, tables(partings, given.prompts, given.tie), given.json)


def converted(folder: Path, kind: Any, work: Path) -> Pair:
    """A trained adapter and what our own converter makes of it."""
    from finetune.export.lora_gguf import lora_to_gguf
    from finetune.training.base_model import served_model

    base = served_model(load_settings().models_folder)
    return Pair(base, folder, lora_to_gguf(folder, base, work / FILE, kind))


def served_pair(work: Path) -> Pair:
    """The adapter that answers now, as it is served and as PEFT reads it."""
    from finetune.improvement.serving import serving, trainable

    now = serving(load_settings())
    if now.adapter is None:
        print("No adapter is served: the bare model is compared. Name one with --adapter.", file=sys.stderr)
    return Pair(now.base, trainable(now, work), now.adapter)


def unrounded(base: Path, work: Path) -> Path:
    """The same weights in a type with which llama.cpp does not round what it multiplies them with to 8 bits."""
    from finetune.export.quantize import quantize

    return quantize(base, work / "base-F32.gguf", "F32")


def compare(
    pair: Pair, served: Path, count: int, tokens: int, kept: Kept
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All prompts, some at a time; the lines of this comparison and what they are about."""
    from finetune.export.check import check_answers
    from finetune.training.base_model import load_base
    from finetune.training.formatting import Renderer

    base = load_base(pair.base)
    prompts = asked(Renderer.of(base), base.tokenizer, count)
    adapter = file_digest(pair.gguf) if pair.gguf else ""
    told = {"adapter": adapter, "tokens": tokens, "total": count, "served": file_digest(served)}
    for start in range(0, len(prompts), AT_ONCE):
        if kept.find(start=start, **told):
            continue
        part = prompts[start : start + AT_ONCE]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # PEFT's question is old
            found = check_answers(base, pair.peft, (served, pair.gguf), part, tokens=tokens)
        partings = [
            {**asdict(one), "prompt": start + one.prompt, "words": [base.tokenizer.decode([id_]) for id_ in one.tokens]}
            for one in found.partings
        ]
        kept.add(start=start, **told, partings=partings)
        print(f"{start + len(part)} of {len(prompts)}: {len(partings)} differ", file=sys.stderr, flush=True)
    return kept.find(**told), told


def asked(renderer: Any, tokenizer: Any, count: int) -> list[str]:
    """Prompts of what the product is for, each different, with the marks of the chat template in them."""
    from finetune.improvement.rehearsal import rehearsal

    found: dict[str, None] = {}
    for example in rehearsal(3 * count, SEED, ()):
        for sequence in renderer.render(example):
            ids = list(sequence.ids)[: list(sequence.targets).index(True)]
            found[tokenizer.decode(ids, skip_special_tokens=False)] = None
    every = list(found)
    step = max(1, len(every) // count)  # from all over: calls, passages and conversation in their proportions
    return every[::step][:count]


def tables(partings: Sequence[dict[str, Any]], count: int, tie: float) -> list[Table]:
    """How many answers are the same, and each that is not."""
    ties = [one for one in partings if one["margin"] <= tie]
    rows = [
        ("the same, token by token", share(count - len(partings), count)),
        (f"part at a near tie, of at most {tie:g} nats", share(len(ties), count)),
        ("part elsewhere", share(len(partings) - len(ties), count)),
    ]
    found = [Table(f"Greedy answers to {count} prompts", ("answers", ""), rows)]
    if partings:
        worst = sorted(partings, key=lambda one: -one["margin"])[:SHOWN]
        cells = [
            (one["prompt"], one["place"], *(f"`{word!r}`" for word in one["words"]), f"{one['margin']:.3f}")
            for one in worst
        ]
        found.append(Table("Where they part", ("prompt", "token", "transformers", "llama.cpp", "gap"), cells))
    return found


if __name__ == "__main__":
    main()
