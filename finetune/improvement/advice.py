"""What may serve better after a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finetune.evaluation.verdict import Verdict

_LESS, _MORE = 0.75, 1.5  # of the minutes
_ALL = 0.9  # of the minutes that were used, from which they may have been too few: the last step is not begun
_OF_FIGURES = ("not better", "worse", "too few")


def next_try(verdict: Verdict, given: float, used: float) -> str:
    """What to try next, for people; "" where the reasons say it themselves, or the figures do not tell.

    Args:
        verdict: a refusal.
        given: minutes that training might take.
        used: minutes that it took; fewer where all of the data was learned from before.
    """
    primary, ratios = verdict.policy.primary.name, {guard.name for guard in verdict.policy.guards if guard.most_ratio}
    spoken = {reason.metric for reason in verdict.reasons}
    if verdict.primary is None or spoken & ratios or any(one.kind not in _OF_FIGURES for one in verdict.reasons):
        return ""
    worse = any(reason.kind == "worse" for reason in verdict.reasons)
    if primary not in spoken and worse:
        less = _LESS * min(given, used)
        return f"It learned what it was taught, at a cost elsewhere: --minutes {less:.1f} does less of both."
    if spoken == {primary} and verdict.primary.change.value > 0:
        teaches = f", and --minutes {_MORE * given:.1f} teaches more" if used >= _ALL * given else ""
        return f"Nothing else was lost: feedback on more questions proves more{teaches}."
    return ""
