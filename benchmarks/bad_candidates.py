"""Does the gate refuse what is bad, for the right reason, and let through what is good?

Twenty candidates are made bad on purpose, each in a way of its own, and a few are not (`benchmarks.planted`). The good
one goes on from the adapter that is served, and most others from the good one, by a few steps on the same examples but
for what is spoiled. All are put the same items in turn, in one engine, as `ratchet improve` does it; the same policy
then decides. A reason is the right one where it names a metric that what was planted should show in. At last labels are
swapped at random between two trainings that are alike, to see how often the gate would promote by chance.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.candidates import TRAINING, Workshop, examples_of, lineage, make, without
from benchmarks.measure import Table, arguments, machine, publish
from benchmarks.planted import PLANTS, Plant
from benchmarks.spoiling import common
from benchmarks.workspace import private_settings

if TYPE_CHECKING:
    from finetune.evaluation.items import Evaluation, EvaluationItem
    from finetune.evaluation.verdict import Verdict

REASONS_SHOWN = 4


def main() -> None:
    """Make, measure and judge; the exit code is 1 where a bad one would be served or a good one is not."""
    parser = arguments(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  python -m benchmarks.bad_candidates --out candidates"
    parser.add_argument("--out", type=Path, help="keep candidates and replies here, and go on; default: temporary")
    parser.add_argument("--only", nargs="+", choices=PLANTS, default=list(PLANTS), help="leave the others out")
    parser.add_argument("--steps", type=int, default=45, help="of the optimizer, for those that learn everything")
    parser.add_argument("--stretch", type=int, default=12, help="of those that go on from the good one")
    parser.add_argument("--threads", type=int, default=0, help="of training; 0: one for each core")
    parser.add_argument("--learned", type=int, default=40, help="of the desk's questions; others in proportion")
    parser.add_argument("--held-out", type=int, default=48, help="of the desk's questions, for the primary metric")
    parser.add_argument("--guards", type=int, default=96, help="as for `ratchet improve`")
    parser.add_argument("--tokens", type=int, default=64, help="longest reply in the comparison")
    parser.add_argument("--permutations", type=int, default=1000, help="swaps of labels; 0 for none")
    given = parser.parse_args()
    facts = machine()
    with contextlib.ExitStack() as stack:
        out = given.out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ratchet-candidates-")))
        results, tables = run(given, out.resolve())
    publish(facts, results, tables, given.json)
    wrong = [row for row in results["candidates"] if row["promoted"] != row["good"]]
    sys.exit(bool(wrong))


def run(given: argparse.Namespace, out: Path) -> tuple[dict[str, Any], list[Table]]:
    """Everything; what lies in `out` is not made or asked again."""
    from finetune.evaluation.gate import false_promotion_rate
    from finetune.improvement.measuring import own_items, policy_for
    from finetune.improvement.rehearsal import guard_items
    from finetune.improvement.serving import serving, trainable
    from finetune.training.installed import check_torch, share_cores

    check_torch()
    share_cores()
    settings, data = private_settings(out / "home"), common(given.learned, given.held_out)
    now = serving(settings)
    settings.home.mkdir(parents=True, exist_ok=True)
    options = {**TRAINING, "steps": given.steps, "threads": given.threads}
    shop = Workshop(settings, out, now, trainable(now, out), data, options, given.stretch)
    items = (*own_items(data.test), *guard_items(given.guards))
    shop.data = without(data, {item.key for item in items})
    names = list(dict.fromkeys(["good", *(name for name in PLANTS if name in given.only)]))
    for name in names:
        make(shop, name, PLANTS[name])
    base, found = measured(shop, names, items, given.tokens)
    if "good" not in found:
        sys.exit(f"The good candidate could not be made: {shop.failure('good').read_text(encoding='utf-8')}")
    policy = policy_for(items)
    rows = [row(name, PLANTS[name], judged(shop, name, base, found, policy), shop.failure(name)) for name in names]
    rates = {}
    pairs = {"two trainings alike": ("good_again", "good"), "what is served and a good one": ("", "good")}
    for words, (one, other) in pairs.items():
        if given.permutations and (one in found or not one):
            rates[words] = false_promotion_rate(found.get(one, base), found[other], policy, given.permutations)
    results = {"served": now.name, "candidates": rows, "false promotion rate": rates, "items": len(items)}
    return results, tables(rows, rates, given.permutations)


def measured(
    shop: Workshop, names: Sequence[str], items: Sequence[EvaluationItem], tokens: int
) -> tuple[Evaluation, dict[str, Evaluation]]:
    """What is served and all candidates on the same items, in turn; replies are kept in `out`."""
    from agent.models import build_chat_model
    from finetune.evaluation.evaluate import Contender, Progress, compare

    there = [name for name in names if shop.file(name).is_file()]
    paths = [path for path in (shop.now.adapter, *map(shop.file, there)) if path is not None]
    model = build_chat_model(
        shop.settings.model.name,
        shop.settings,
        adapter=os.pathsep.join(map(str, paths)),
        max_tokens=tokens,
        temperature=0.0,
    )
    contenders = [Contender(shop.now.alias, shop.out / f"replies-served-{tokens}.jsonl")]
    for name in there:
        made_of = lineage(shop, PLANTS[name])
        contenders.append(Contender(str(shop.file(name)), shop.out / name / f"replies-{tokens}.jsonl", made_of))

    def on_progress(now: Progress) -> None:
        if now.done % 100 == 0:
            print(f"{now.done:,} of {now.total:,} replies", file=sys.stderr, flush=True)

    served, *candidates = compare(model, contenders, items, on_progress)
    return served, dict(zip(there, candidates, strict=True))


def judged(shop: Workshop, name: str, base: Evaluation, found: Mapping[str, Evaluation], policy: Any) -> Verdict | None:
    """The gate's verdict, kept with all replies; None for a candidate that could not be made."""
    from finetune.dataset.splits import questions_of
    from finetune.evaluation.gate import decide
    from finetune.evaluation.verdict_folder import store_verdict
    from finetune.improvement.feedback import overturns

    plant = PLANTS[name]
    evaluation = replace(found["good"], lineage={}) if plant.made == "unknown" else found.get(name)
    if evaluation is None:
        return None
    source = PLANTS["good"] if plant.made == "unknown" else plant
    examples = examples_of(shop, source)
    learned = {key for example in examples for key in questions_of(example)}
    overturned = [example.source for example in examples if overturns(example)]
    evaluation = replace(evaluation, adapter=name)
    verdict = decide(base, evaluation, policy, training_keys=learned, overturned=overturned)
    shutil.rmtree(shop.out / name / "verdict", ignore_errors=True)
    store_verdict(shop.out / name / "verdict", verdict, base, evaluation)
    return verdict


def row(name: str, plant: Plant, verdict: Verdict | None, failure: Path) -> dict[str, Any]:
    """A candidate, what became of it, and whether the reasons name what was planted."""
    if verdict is None:
        why = failure.read_text(encoding="utf-8") if failure.is_file() else "it could not be made"
        reasons = [{"about": "training", "text": why}]
    else:
        reasons = [{"about": one.metric or one.kind, "kind": one.kind, "text": one.text} for one in verdict.reasons]
    seen = {value for one in reasons for value in (one["about"], one.get("kind", ""))}
    named = bool(seen & {*plant.named})
    promoted = verdict is not None and verdict.promoted
    facts = {"name": name, "planted": plant.what, "good": plant.good, "promoted": promoted, "named": named}
    return {**facts, "reasons": reasons}


def tables(rows: Sequence[Mapping[str, Any]], rates: Mapping[str, float], permutations: int) -> list[Table]:
    """Every candidate, then how often chance alone would have been promoted."""
    cells = []
    for one in rows:
        about = [reason["about"] for reason in one["reasons"]]
        more = f" and {len(about) - REASONS_SHOWN} more" if len(about) > REASONS_SHOWN else ""
        named = "" if one["good"] else "yes" if one["named"] else "no"
        decision = "promoted" if one["promoted"] else "refused"
        cells.append((one["name"], one["planted"], decision, ", ".join(about[:REASONS_SHOWN]) + more, named))
    bad = [one for one in rows if not one["good"]]
    refused, right = (sum(bool(value) for value in values) for values in _counts(bad))
    good = [one for one in rows if one["good"]]
    title = f"Refused: {refused} of {len(bad)} bad ones, {right} for what was planted; promoted: "
    title += f"{sum(one['promoted'] for one in good)} of {len(good)} good ones"
    found = [Table(title, ("candidate", "planted", "decision", "because of", "named"), cells)]
    if rates:
        swaps = [(words, f"{100 * rate:.1f} %", permutations) for words, rate in rates.items()]
        found.append(Table("Promoted by chance, labels swapped", ("between", "promoted", "swaps"), swaps))
    return found


def _counts(bad: Sequence[Mapping[str, Any]]) -> tuple[list[bool], list[bool]]:
    return [not one["promoted"] for one in bad], [not one["promoted"] and one["named"] for one in bad]


if __name__ == "__main__":
    main()
