"""Losses from judgments: pairs of which one is preferred (DPO), and lone thumbs (KTO)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name every reader of PyTorch code expects

from finetune.schema import Example, TokenSequence
from finetune.training.formatting import Renderer
from finetune.training.hardware import is_main, processes
from finetune.training.objectives import Objective, log_probabilities, rendered, target_count
from finetune.training.runs import write_json

REFERENCE = "reference.json"
DEV_REFERENCE = "dev-reference.json"


@dataclass(frozen=True, slots=True)
class Judged:
    """Sequences that are fed together, and what the reference model makes of them.

    Attributes:
        sequences: for DPO, preferred ones and then, in the same order, rejected ones; for KTO, judged ones and then
            each prompt with the reply to another.
        wanted: for KTO, the verdict on each judged one.
        reference: log-probability of each sequence's reply under the reference model, in nats.
    """

    sequences: tuple[TokenSequence, ...]
    wanted: tuple[bool, ...] = ()
    reference: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        """Judgments in it; half of its sequences."""
        return len(self.sequences) // 2


def pair_of(renderer: Renderer, example: Example) -> tuple[TokenSequence, TokenSequence] | None:
    """The preferred and the rejected reply, where they first differ: in the choice of a tool or in the answer.

    None where both come to the same, or one says nothing.
    """
    if example.rejected is None:
        return None
    preferred = last_reply(renderer, example)
    rejected = last_reply(renderer, replace(example, messages=(*example.messages[:-1], example.rejected)))
    for one, other in zip(preferred, rejected, strict=False):
        if list(one.ids) != list(other.ids):
            return one, other
    return None


def gather_pairs(
    renderer: Renderer, examples: Sequence[Example], limit: int, notes: list[str]
) -> list[tuple[TokenSequence, TokenSequence]]:
    """The pairs that examples hold; those without one, or longer than `limit` tokens, are counted in the notes."""
    pairs = [pair for pair in (pair_of(renderer, example) for example in examples) if pair is not None]
    fitting = [pair for pair in pairs if _width(pair) <= limit]
    _note(notes, len(examples) - len(pairs), len(examples), "examples hold no pair of replies that differ")
    _note(notes, len(pairs) - len(fitting), len(pairs), f"pairs are longer than {limit:,} tokens")
    return fitting


def gather_thumbs(
    renderer: Renderer, examples: Sequence[Example], limit: int, notes: list[str]
) -> list[tuple[TokenSequence, bool]]:
    """The last reply of each judged example with its verdict; what is left out is counted in the notes."""
    judged = [example for example in examples if example.label is not None]
    said = [(last_reply(renderer, example)[-1:], bool(example.label)) for example in judged]
    replies = [(reply, label) for sequences, label in said for reply in sequences]
    fitting = [(reply, label) for reply, label in replies if len(reply.ids) <= limit]
    _note(notes, len(examples) - len(judged), len(examples), "examples hold no verdict")
    _note(notes, len(judged) - len(replies), len(judged), "verdicts are on replies that say nothing")
    _note(notes, len(replies) - len(fitting), len(replies), f"replies are longer than {limit:,} tokens")
    return fitting


def _note(notes: list[str], number: int, total: int, why: str) -> None:
    if number:
        notes.append(f"{number:,} of {total:,} {why}, and were left out.")


def last_reply(renderer: Renderer, example: Example) -> list[TokenSequence]:
    """The sequences of an example's last message alone; none where it says nothing.

    Raises:
        DatasetError: it is not of the form it should have.
    """
    *before, last = example.messages
    context = tuple({**message, "weight": 0} if message["role"] == "assistant" else message for message in before)
    return rendered(renderer, replace(example, messages=(*context, {**last, "weight": 1})))


def pair_units(pairs: Sequence[tuple[TokenSequence, TokenSequence]], budget: int) -> list[Judged]:
    """Pairs of like length together, at most `budget` tokens with their filling."""
    groups: list[list[tuple[TokenSequence, TokenSequence]]] = []
    for pair in sorted(pairs, key=lambda pair: (_width(pair), list(pair[0].ids))):
        if groups and 2 * (len(groups[-1]) + 1) * _width(pair) <= budget:
            groups[-1].append(pair)
        else:
            groups.append([pair])
    return [Judged((*(one for one, _ in group), *(other for _, other in group))) for group in groups]


def thumb_units(judged: Sequence[tuple[TokenSequence, bool]], size: int) -> list[Judged]:
    """Judged replies by the handful, each with a reply to another prompt beside it.

    From the latter KTO estimates how far the model has moved at all: a reply to the same prompt would be one that
    fits. The last handful takes in what is left over, so that none consists of one alone.
    """
    if len(judged) < 2:
        return []
    replies = _mismatched([reply for reply, _ in judged])
    starts = list(range(0, max(1, len(judged) - 1), size))
    units = []
    for number, start in enumerate(starts):
        part = slice(start, None if number == len(starts) - 1 else start + size)
        group = judged[part]
        others = [_with_reply(one, other) for (one, _), other in zip(group, replies[part], strict=True)]
        units.append(Judged((*(one for one, _ in group), *others), tuple(verdict for _, verdict in group)))
    return units


def _mismatched(judged: Sequence[TokenSequence]) -> list[TokenSequence]:
    """For each, the next one of another prompt in an order drawn by chance; just the next one where all have the same.

    The order is the same each time, as the reference's figures are kept from one start of a run to the next.
    """
    order = list(range(len(judged)))
    Random(len(judged)).shuffle(order)  # noqa: S311 - to be repeatable, not to be secret
    prompts = [tuple(one.ids[: _prompt_length(one)]) for one in judged]
    found = dict[int, int]()
    for place, one in enumerate(order):
        others = order[place + 1 :] + order[:place]
        found[one] = next((other for other in others if prompts[other] != prompts[one]), others[0])
    return [judged[found[one]] for one in range(len(judged))]


def balanced(wanted: Sequence[bool]) -> tuple[float, float]:
    """Weights of wanted and of unwanted replies, 1 on average, with which both kinds count alike.

    Ethayarajh et al. 2024, arXiv:2402.01306, advise weights times counts in a ratio from 1:1 to 4:3; this is 1:1.
    """
    kinds = sum(wanted), len(wanted) - sum(wanted)
    return (len(wanted) / (2 * kinds[0]), len(wanted) / (2 * kinds[1])) if all(kinds) else (1.0, 1.0)


def with_reference(model: Any, units: Sequence[Judged], path: Path, precision: str = "fp32") -> list[Judged]:
    """The units with what the model makes of them now, before it is trained; computed once and kept in a file.

    It is computed in the precision that the run trains in: rounding must not pass for a preference.
    """
    known: list[list[float]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    if len(known) != len(units):
        device = processes().device
        model.to(device).eval()
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            known = [log_probabilities(model, unit.sequences, device).tolist() for unit in units]
        if is_main():
            write_json(path, known)
    return [replace(unit, reference=tuple(values)) for unit, values in zip(units, known, strict=True)]


def dpo(units: Sequence[Judged], beta: float, likelihood: float) -> Objective:
    """-log σ(β·margin), where the margin is how much more than the reference the model prefers what is preferred.

    Rafailov et al. 2023, arXiv:2305.18290, equation 7. `likelihood` weighs a term that keeps the preferred reply likely
    (Pang et al. 2024, arXiv:2404.19733), its mean negative log-probability per token.
    """

    def loss(model: Any, unit: Judged, device: torch.device) -> torch.Tensor:
        said = log_probabilities(model, unit.sequences, device)
        gained = said - torch.tensor(unit.reference, device=device)
        margins = gained[: unit.count] - gained[unit.count :]
        lengths = torch.tensor([target_count(one) for one in unit.sequences[: unit.count]], device=device)
        return -F.logsigmoid(beta * margins).sum() - likelihood * (said[: unit.count] / lengths).sum()

    return _objective(units, loss)


def kto(units: Sequence[Judged], beta: float, desirable: float, undesirable: float) -> Objective:
    """λ - v, where v = λ_D·σ(β(r - z)) for wanted replies and λ_U·σ(β(z - r)) for unwanted ones.

    r is the log-ratio of model and reference, z its mean over mismatched replies, at least 0 and without gradient.
    Ethayarajh et al. 2024, arXiv:2402.01306, equations 7 and 8.
    """

    def loss(model: Any, unit: Judged, device: torch.device) -> torch.Tensor:
        reference = torch.tensor(unit.reference, device=device)
        with torch.no_grad():
            others = log_probabilities(model, unit.sequences[unit.count :], device)
            moved = (others - reference[unit.count :]).mean().clamp(min=0)
        ratios = log_probabilities(model, unit.sequences[: unit.count], device) - reference[: unit.count]
        wanted = torch.tensor(unit.wanted, device=device)
        signs = torch.where(wanted, 1.0, -1.0)
        weights = torch.where(wanted, desirable, undesirable)
        return (weights * (1 - torch.sigmoid(beta * signs * (ratios - moved)))).sum()

    return _objective(units, loss)


def _objective(units: Sequence[Judged], loss: Callable[[Any, Judged, torch.device], torch.Tensor]) -> Objective:
    tokens = [sum(len(one.ids) for one in unit.sequences) for unit in units]
    return Objective(units, tokens, [unit.count for unit in units], loss)


def _width(pair: tuple[TokenSequence, TokenSequence]) -> int:
    return max(len(pair[0].ids), len(pair[1].ids))


def _with_reply(asked: TokenSequence, replied: TokenSequence) -> TokenSequence:
    """The prompt of one sequence with the reply of another."""
    prompt, reply = _prompt_length(asked), _prompt_length(replied)
    ids = [*asked.ids[:prompt], *replied.ids[reply:]]
    return TokenSequence(ids, [False] * prompt + [bool(flag) for flag in replied.targets[reply:]])


def _prompt_length(sequence: TokenSequence) -> int:
    return list(sequence.targets).index(True)
