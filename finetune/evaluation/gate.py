"""Whether a candidate may take the place of the model it was trained from.

It is promoted only when both hold:

1. *Better*: the primary metric's paired difference has its confidence interval wholly above zero, and a permutation
   test of the labels agrees. The test is exact, so that a candidate no better than its base passes with a probability
   of at most (1 - confidence) / 2 however few items there are.
2. *Nowhere worse*: for each guarded metric the lower bound of the difference lies above minus its margin. This is the
   form of a non-inferiority trial (ICH E9, "Statistical Principles for Clinical Trials", 1998, section 3.3.2; Piaggio
   et al., CONSORT for non-inferiority trials, JAMA 2012). A test for "significantly worse" would be the wrong way
   round: the fewer the items, the more damage it would let pass. Here few items refuse, and the verdict says how many
   it takes.

All conditions must hold at once, which needs no correction for their number: it cannot make a promotion likelier
(an intersection-union test; Berger, Technometrics 1982). Holm's correction is for the other direction, when the
verdict names which of several guarded metrics fell beyond doubt.

Before any of that the evaluations must be comparable, complete, of a candidate whose making is known, and of items that
it was not trained on.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np

from finetune.errors import EvaluationError
from finetune.evaluation import statistics
from finetune.evaluation.items import Evaluation
from finetune.evaluation.metrics import METRICS
from finetune.evaluation.verdict import Comparison, GatePolicy, Guard, Reason, Verdict

_SHOWN = 3  # examples that a reason names
_SURE = 0.05  # for saying that a guarded metric fell beyond doubt
_NOTHING = 1e-9  # a gain up to this is what sums of floating-point numbers leave


def decide(
    base: Evaluation,
    candidate: Evaluation,
    policy: GatePolicy,
    *,
    training_keys: Collection[str] | None = None,
    overturned: Collection[str] = (),
) -> Verdict:
    """Promote the candidate, or refuse it and say why.

    Args:
        base: of the model it would replace.
        candidate: on the same items; its lineage tells what it was made of.
        policy: what is asked of it.
        training_keys: `Example.key` of everything it was trained on; None when that is not known, which refuses.
        overturned: `Example.source` of what taught it to meet requests that the model had declined. A few among many
            do harm that no metric shows, since none asks just these.

    Raises:
        EvaluationError: the two were not asked the same items, or the policy names a metric there is not.
    """
    _comparable(base, candidate, policy)
    reasons = [*_lineage(candidate, policy), *_leaks(candidate, training_keys), *_overturned(overturned)]
    reasons += _missing(candidate, policy)
    reasons += _unpaired(base, candidate, policy)
    primary, comparisons, judged = _judged(base, candidate, policy)
    reasons += judged
    return Verdict(
        promoted=not reasons,
        reasons=tuple(reasons),
        primary=primary,
        guards=tuple(comparisons),
        policy=policy,
        base=base.adapter,
        candidate=candidate.adapter,
        model=candidate.model,
        lineage=candidate.lineage,
    )


def false_promotion_rate(
    base: Evaluation, candidate: Evaluation, policy: GatePolicy, permutations: int = 1000, seed: int = 0
) -> float:
    """How often the gate would promote if base and candidate were alike: labels swapped at random, item by item.

    With all replies of an item swapped at once every metric keeps its relation to the others. What is checked besides
    the figures, such as lineage, is left out: it would only refuse more.

    Args:
        base: of one model.
        candidate: of another, on the same items. How they differ sets how much chance has to play with.
        policy: as for `decide`.
        permutations: how many deals.
        seed: of the deals.

    Raises:
        EvaluationError: as for `decide`.
    """
    _comparable(base, candidate, policy)
    chance = np.random.default_rng(seed)
    promoted = 0
    names = [result.id for result in base.results]
    for _ in range(permutations):
        swapped = {name for name, swap in zip(names, chance.integers(0, 2, len(names)), strict=True) if swap}
        one, other = _dealt(base, candidate, swapped), _dealt(candidate, base, swapped)
        found = _compared(one, other, policy.primary, policy.confidence)
        # Nearly every deal ends here, before the guards are looked at.
        if found is not None and not any(_not_better(one, other, found, policy)):
            promoted += not _judged(one, other, policy)[2]
    return promoted / permutations


def _dealt(own: Evaluation, foreign: Evaluation, swapped: Collection[str]) -> Evaluation:
    others = {result.id: result for result in foreign.results}
    return replace(own, results=tuple(others[one.id] if one.id in swapped else one for one in own.results))


def _comparable(base: Evaluation, candidate: Evaluation, policy: GatePolicy) -> None:
    asked, asked_too = ({item.id: item.digest for item in one.items} for one in (base, candidate))
    if base.model != candidate.model:
        raise EvaluationError(
            f"The base was evaluated as {base.model} and the candidate as {candidate.model}.",
            fix="Evaluate both with one model.",
        )
    if asked != asked_too:
        different = sorted(name for name in {*asked, *asked_too} if asked.get(name) != asked_too.get(name))
        shown = ", ".join(different[:_SHOWN])
        raise EvaluationError(
            f"Base and candidate were not asked the same: {len(different)} items differ, such as {shown}.",
            fix="Evaluate both on the same items.",
        )
    replied = [result for one in (base, candidate) for result in one.results]
    stale = [result.id for result in replied if result.digest not in ("", asked[result.id])]
    if stale:
        raise EvaluationError(f"{stale[0]} has changed since it was replied to.", fix="Evaluate both anew.")
    for guard in (policy.primary, *policy.guards):
        if guard.metric not in METRICS:
            raise EvaluationError(f'There is no metric "{guard.metric}".', fix=f"Known are {', '.join(METRICS)}.")


def _lineage(candidate: Evaluation, policy: GatePolicy) -> Iterator[Reason]:
    absent = [name for name in policy.lineage if not candidate.lineage.get(name)]
    if absent:
        yield Reason("lineage", f"It is not known what the candidate was made of: no {', no '.join(absent)} is named.")


def _leaks(candidate: Evaluation, training_keys: Collection[str] | None) -> Iterator[Reason]:
    if training_keys is None:
        yield Reason("leak", "It is not known what the candidate was trained on, so it may have seen these items.")
        return
    known = frozenset(training_keys)
    seen = [item.id for item in candidate.items if item.key in known]
    if seen:
        text = f"{len(seen)} of the {len(candidate.items)} items are among what the candidate was trained on."
        yield Reason("leak", text, items=tuple(seen[:_SHOWN]))


def _overturned(sources: Collection[str]) -> Iterator[Reason]:
    if sources:
        text = f"{len(sources)} of the answers it learned from meet what the model had declined."
        yield Reason("overturned", text, items=tuple(sources)[:_SHOWN])


def _missing(candidate: Evaluation, policy: GatePolicy) -> Iterator[Reason]:
    for suite in policy.suites:
        if suite not in candidate.suites:
            yield Reason("missing", f"The suite {suite} was not put to the two.")


def _unpaired(base: Evaluation, candidate: Evaluation, policy: GatePolicy) -> Iterator[Reason]:
    """Figures that only one of the two has, or that are no numbers: who leaves out its worst replies looks better."""
    for guard in (policy.primary, *policy.guards):
        before, after = base.scores(guard.metric, guard.suite), candidate.scores(guard.metric, guard.suite)
        odd = [name for name in {**before, **after} if not _is_paired(name, before, after)]
        if odd:
            text = f"{guard.name} of {len(odd)} items is not there, or no number, for one of the two."
            yield Reason("missing", text, guard.name, tuple(odd[:_SHOWN]))


def _is_paired(name: str, before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    return all(math.isfinite(scores.get(name, math.nan)) for scores in (before, after))


def _judged(
    base: Evaluation, candidate: Evaluation, policy: GatePolicy
) -> tuple[Comparison | None, list[Comparison], list[Reason]]:
    """The primary comparison, those of the guards, and what speaks against the candidate in them."""
    reasons: list[Reason] = []
    primary = _compared(base, candidate, policy.primary, policy.confidence)
    if primary is None:
        reasons.append(Reason("missing", f"No item measures {policy.primary.name}.", policy.primary.name))
    else:
        reasons += _not_better(base, candidate, primary, policy)
    comparisons = []
    for guard in policy.guards:
        found = _compared(base, candidate, guard, policy.guard_confidence)
        if found is not None:
            comparisons.append(found)
        elif guard.required:
            reasons.append(Reason("missing", f"No item measures {guard.name}, which must not fall.", guard.name))
    fell = statistics.holm({one.guard.name: one.p_worse for one in comparisons})
    for one in comparisons:
        reasons += _worse(base, candidate, one, fell[one.guard.name], policy)
    return primary, comparisons, reasons


def _compared(base: Evaluation, candidate: Evaluation, guard: Guard, confidence: float) -> Comparison | None:
    """How a metric differs between the two; None where no item has it of both."""
    before, after = base.scores(guard.metric, guard.suite), candidate.scores(guard.metric, guard.suite)
    names = [name for name in before if _is_paired(name, before, after)]
    if not names:
        return None
    old, new = (np.array([scores[name] for name in names]) for scores in (before, after))
    metric = METRICS[guard.metric]
    if guard.most_ratio:
        # Replies of no words, and clocks that did not move, must not make a ratio endless.
        least = 1.0 if guard.metric in ("words", "tokens") else 1e-3
        old, new = np.maximum(old, least), np.maximum(new, least)
        ratio = statistics.ratio_interval(new, old, confidence)
        change, worst = ratio, ratio.high
        gains = old - new
    else:
        gains = new - old if metric.higher_is_better else old - new
        change = statistics.mean_interval(gains, confidence)
        worst = statistics.at_worst(gains, confidence, bounded=metric.bounded)
    return Comparison(
        guard,
        len(names),
        float(old.mean()),
        float(new.mean()),
        change,
        worst,
        statistics.permutation_p(gains),
        statistics.permutation_p(-gains),
        float((gains**2).mean()),
    )


def _not_better(base: Evaluation, candidate: Evaluation, found: Comparison, policy: GatePolicy) -> Iterator[Reason]:
    name, alpha = found.guard.name, (1 - policy.confidence) / 2
    figures = (
        f"{found.before:.3f} → {found.after:.3f} over {found.count} items, a gain of {found.change.value:+.3f} "
        f"(between {found.change.low:+.3f} and {found.change.high:+.3f}; p = {found.p_better:.3f})"
    )
    if found.count < policy.least_items:
        text = (
            f"{found.count} items are too few to tell whether {name} is better: it takes at least {policy.least_items}."
        )
        yield Reason("too few", text, name)
    elif found.change.value <= _NOTHING:
        text = f"{name} is no better: {figures}."
        yield Reason("not better", text, name, _examples(base, candidate, found.guard))
    elif found.change.low <= 0 or found.p_better > alpha:
        enough = statistics.items_needed(min(0.99, found.change.value), found.mean_square, policy.confidence)
        text = f"{name} may be better by chance: {figures}."
        if enough > found.count:
            text += f" If the gain is real, about {enough} items would show it."
        yield Reason("not better", text, name)


def _worse(
    base: Evaluation, candidate: Evaluation, found: Comparison, p_fell: float, policy: GatePolicy
) -> Iterator[Reason]:
    """What speaks against a candidate in one guarded metric."""
    guard = found.guard
    if guard.most_ratio:
        if found.worst > guard.most_ratio:
            text = (
                f"{guard.name}: {found.before:.2f} → {found.after:.2f}, which may be up to {found.worst:.2f} times "
                f"as much; {guard.most_ratio:g} times is the limit."
            )
            yield Reason("worse", text, guard.name, _examples(base, candidate, guard))
        return
    if found.worst > -guard.margin:
        return
    fell = found.change.value < 0
    unseen = statistics.items_needed(guard.margin, found.mean_square, policy.guard_confidence)
    beyond = " It fell beyond doubt." if p_fell <= _SURE else ""
    figures = f"{found.before:.3f} → {found.after:.3f} over {found.count} items"
    if found.change.value > -guard.margin and found.count < unseen:
        text = (
            f"{found.count} items are too few to rule out that {guard.name} is worse by {guard.margin:g} or more "
            f"({figures}; at worst {found.worst:+.3f}): it takes about {unseen}.{beyond}"
        )
        yield Reason("too few", text, guard.name, _examples(base, candidate, guard) if fell else ())
        return
    text = (
        f"{guard.name} is worse: {figures}, a change of {found.change.value:+.3f} and at worst {found.worst:+.3f}, "
        f"where {-guard.margin:+g} is the limit.{beyond}"
    )
    yield Reason("worse", text, guard.name, _examples(base, candidate, guard))


def _examples(base: Evaluation, candidate: Evaluation, guard: Guard) -> tuple[str, ...]:
    """Items at which the candidate lost most."""
    before, after = base.scores(guard.metric, guard.suite), candidate.scores(guard.metric, guard.suite)
    sign = 1 if METRICS[guard.metric].higher_is_better else -1
    loss = {name: sign * (before[name] - after[name]) for name in before if name in after}
    lost = sorted((name for name in loss if loss[name] > 0), key=lambda name: -loss[name])
    return tuple(lost[:_SHOWN])
