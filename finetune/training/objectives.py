"""What a loop makes smaller: units of work, each with a loss that is a sum over what it has to teach."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name every reader of PyTorch code expects

from finetune.errors import DatasetError
from finetune.training.formatting import Renderer
from finetune.training.job import check_examples
from finetune.training.loss import supervised_loss
from finetune.training.options import TrainingOptions
from finetune.training.packing import collate, pack

if TYPE_CHECKING:
    from finetune.schema import DatasetSplits, Example, TokenSequence
    from finetune.training.base_model import BaseModel
    from finetune.training.packing import Pack

    Loss = Callable[[Any, Any, torch.device], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Objective:
    """Units of work; a step's loss is the sum of its units' losses over the sum of their counts.

    Attributes:
        units: each is one forward and backward pass.
        tokens: of each unit, as they would be without packing.
        counts: of each unit, what the loss is a mean over: target tokens, or judged examples.
        loss: (model, unit, device) → the summed loss of the unit, a tensor of one number.
    """

    units: Sequence[Any]
    tokens: Sequence[int]
    counts: Sequence[int]
    loss: Loss

    def limited(self, most: int) -> Objective:
        """Some of the units, spread evenly, whose tokens are about `most` at the most (and one at the least)."""
        if sum(self.tokens) <= most:
            return self
        number = max(1, len(self.units) * most // sum(self.tokens))
        places = [place * len(self.units) // number for place in range(number)]
        units, tokens, counts = (
            [column[place] for place in places] for column in (self.units, self.tokens, self.counts)
        )
        return Objective(units, tokens, counts, self.loss)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Examples as token sequences, and what there is to say about them.

    Attributes:
        train: sequences to learn from.
        dev: sequences to measure on.
        notes: what was left out and why, for people.
        fingerprint: SHA-256 of the training examples.
    """

    train: list[TokenSequence]
    dev: list[TokenSequence]
    notes: list[str]
    fingerprint: str
    prompts: list[list[int]] = field(default_factory=list)


def data_fingerprint(examples: Iterable[Example]) -> str:
    """SHA-256 of examples in their order."""
    digest = hashlib.sha256()
    for example in examples:
        line = json.dumps(example.to_json(), ensure_ascii=False, sort_keys=True)
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def prepare(base: BaseModel, splits: DatasetSplits, options: TrainingOptions) -> Prepared:
    """Render the examples and leave out what does not fit, saying so.

    Raises:
        DatasetError: nothing can be learned: no examples, no target tokens, or all are too long.
    """
    renderer = Renderer.of(base)
    notes: list[str] = []
    limit = min(options.context, base.context)
    wanted, development = (
        [example for example in examples if example.label is not False] for examples in (splits.train, splits.dev)
    )
    if len(wanted) < len(splits.train):
        notes.append(f"{len(splits.train) - len(wanted):,} replies that were marked as bad are not learned from.")
    train = _fitting(renderer, wanted, limit, "training", notes)
    dev = _fitting(renderer, development, limit, "development", notes)
    check_examples(wanted)
    if not train:
        raise DatasetError(
            f"None of the {len(wanted):,} examples can be learned from: they have no assistant message with weight, or "
            f"are longer than {limit:,} tokens.",
            kept="Nothing was trained.",
            fix="Check that assistant messages are there and not all of weight 0, or raise context.",
        )
    return Prepared(train, dev, notes, data_fingerprint(splits.train), prompts_of(dev or train, options.samples))


def _fitting(
    renderer: Renderer, examples: Sequence[Example], limit: int, name: str, notes: list[str]
) -> list[TokenSequence]:
    kept: list[TokenSequence] = []
    long = empty = 0
    for example in examples:
        sequences = rendered(renderer, example)
        fitting = [one for one in sequences if len(one.ids) <= limit]
        kept += fitting
        long += len(sequences) - len(fitting)
        empty += not sequences
    if empty:
        notes.append(f"{empty:,} of {len(examples):,} {name} examples have nothing to learn and were left out.")
    if long:
        notes.append(f"{long:,} {name} sequences are longer than {limit:,} tokens and were left out.")
    return kept


def rendered(renderer: Renderer, example: Example) -> list[TokenSequence]:
    """The sequences of an example; none where it teaches nothing.

    Raises:
        DatasetError: it is not of the form it should have.
    """
    replies = (message for message in example.messages if message["role"] == "assistant" and message.get("weight", 1))
    if not any(example.tools or (reply.get("content") and not reply.get("tool_calls")) for reply in replies):
        return []
    try:
        return [one for one in renderer.render(example) if any(one.targets[1:])]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DatasetError(
            f"The example {example.source or 'without a source'} is not of the form it should have "
            f"({type(error).__name__}: {error}).",
            kept="Nothing was trained.",
            fix="Build the data set with `python -m finetune dataset build NAME`, which checks each example.",
        ) from error


def prompts_of(sequences: Sequence[TokenSequence], most: int) -> list[list[int]]:
    """What stands before the first token to be produced, of at most so many of the sequences, spread evenly."""
    chosen = sequences[:: max(1, len(sequences) // max(1, most))][:most]
    return [list(one.ids[: list(one.targets).index(True)]) for one in chosen]


def packed(sequences: Sequence[TokenSequence], options: TrainingOptions) -> Objective:
    """Next-token cross-entropy on target tokens, sequences laid into rows; a unit is a row."""
    rows = [row for row in pack(sequences, options.pack_tokens) if len(row.targets)]
    return Objective(rows, [row.unshared for row in rows], [int(row.weights.sum()) for row in rows], _packed_loss)


def _packed_loss(model: Any, row: Pack, device: torch.device) -> torch.Tensor:
    return supervised_loss(model, collate([row]).to(device))[0]


def padded(sequences: Sequence[TokenSequence], options: TrainingOptions, virtual: int, shift: int) -> Objective:
    """The same loss for models with virtual tokens in front, whose sequences cannot share a row.

    A unit is a batch of sequences of like length, filled up on the right, so that positions need no care.

    Args:
        sequences: to learn from.
        options: `pack_tokens` bounds a unit, fill and virtual tokens included.
        virtual: tokens put before each sequence by the model.
        shift: by how many places its outputs are moved to the right by them.
    """
    units: list[tuple[TokenSequence, ...]] = []
    for sequence in sorted(sequences, key=lambda one: (len(one.ids), tuple(one.ids))):
        width = len(sequence.ids) + virtual
        if units and (len(units[-1]) + 1) * width <= options.pack_tokens:
            units[-1] += (sequence,)
        else:
            units.append((sequence,))

    def loss(model: Any, unit: tuple[TokenSequence, ...], device: torch.device) -> torch.Tensor:
        return -log_probabilities(model, unit, device, shift).sum()

    tokens = [sum(len(one.ids) for one in unit) for unit in units]
    counts = [sum(target_count(one) for one in unit) for unit in units]
    return Objective(units, tokens, counts, loss)


def target_count(sequence: TokenSequence) -> int:
    """How many tokens are predicted; the very first of a sequence never is."""
    return sum(map(bool, sequence.targets[1:]))


def log_probabilities(
    model: Any, sequences: Sequence[TokenSequence], device: torch.device, shift: int = 0
) -> torch.Tensor:
    """The log-probability of each sequence's target tokens, summed, in nats: [len(sequences)].

    Logits are computed only in columns from which some sequence predicts.
    """
    width = max(len(one.ids) for one in sequences)
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    seen = torch.zeros(len(sequences), width, dtype=torch.long)
    targets = torch.zeros(len(sequences), width, dtype=torch.bool)
    for row, one in enumerate(sequences):
        ids[row, : len(one.ids)] = torch.tensor(list(one.ids))
        seen[row, : len(one.ids)] = 1
        targets[row, 1 : len(one.ids)] = torch.tensor([bool(flag) for flag in one.targets[1:]])
    columns = targets.any(0).nonzero().flatten()  # of the predicted tokens; what predicts them stands one before
    output = model(
        input_ids=ids.to(device),
        attention_mask=seen.to(device),
        logits_to_keep=(columns - 1 + shift).to(device),
        use_cache=False,
    )
    predicted = F.cross_entropy(
        output.logits.float().flatten(0, 1), ids[:, columns].flatten().to(device), reduction="none"
    ).view(len(sequences), -1)
    return -(predicted * targets[:, columns].to(device)).sum(1)
