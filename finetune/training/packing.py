"""Several token sequences in one row, each attending to itself alone, and a common beginning stored once.

Sequences about the same tools or the same passages begin alike. Behind one copy of that beginning they can be laid side
by side: every token then sees what it would see alone, at the positions it would have alone, and the beginning is
computed once instead of once for each sequence.

    row        T  T  T  a  a  b  b  b      T: the tools; a, b: two questions about them
    position   0  1  2  3  4  3  4  5
    segment    0  0  0  1  1  2  2  2      each segment sees itself and its row's 0, causally
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    from finetune.schema import TokenSequence


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """One row of tokens.

    Attributes:
        ids: int64 [n] token numbers.
        positions: int64 [n] of each token within its own sequence.
        segments: int64 [n]; tokens of one sequence have the same number, those of a shared beginning have that of
            their `trunks` entry.
        trunks: int64 [n]; the segment whose tokens a token sees besides its own (its own, where it has none).
        targets: int64 [m] places of the tokens to be predicted.
        sources: int64 [m] places from which they are predicted: the tokens before them in their sequence.
        weights: int64 [m] how much each counts in the loss.
        unshared: tokens that the sequences would take one by one.
        members: places of the packed sequences in what was given to `pack`.
    """

    ids: np.ndarray
    positions: np.ndarray
    segments: np.ndarray
    trunks: np.ndarray
    targets: np.ndarray
    sources: np.ndarray
    weights: np.ndarray
    unshared: int
    members: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Packs as tensors.

    Attributes:
        ids, positions: [rows, n], as in `Pack`.
        mask: bool [rows, 1, n, n], True where a token sees another.
        labels: [m] the tokens to be predicted.
        flat: [m] places in the flattened rows from which they are predicted.
        weights: [m] how much each of them counts.
        unshared: as in `Pack`, summed.
        bounds: of a single row, see `bounds_of`; empty for several.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    flat: torch.Tensor
    weights: torch.Tensor
    unshared: int
    bounds: tuple[tuple[int, int, int, int], ...] = ()

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device."""
        tensors = (self.ids, self.positions, self.mask, self.labels, self.flat, self.weights)
        ids, positions, mask, labels, flat, weights = (tensor.to(device) for tensor in tensors)
        return Batch(ids, positions, mask, labels, flat, weights, self.unshared, self.bounds)


def pack(sequences: Sequence[TokenSequence], budget: int) -> list[Pack]:
    """Lay sequences into rows of at most `budget` tokens, those with the same beginning behind one copy of it.

    Rows are filled first-fit, longest part first. A sequence longer than the budget gets a row of its own: nothing is
    cut. The order of rows depends on the sequences alone.
    """
    parts = [part for family in _families(sequences) for part in _split(sequences, family, budget)]
    parts.sort(key=lambda part: (-_length(sequences, part), part[0]))
    rows: list[list[list[int]]] = []
    room: list[int] = []
    for part in parts:
        needed = _length(sequences, part)
        place = next((place for place, left in enumerate(room) if needed <= left), None)
        if place is None:
            rows.append([part])
            room.append(budget - needed)
        else:
            rows[place].append(part)
            room[place] -= needed
    return [_row(sequences, parts) for parts in rows]


def _families(sequences: Sequence[TokenSequence]) -> list[list[int]]:
    """Places of the sequences with the same shared beginning; those that share none stand alone."""
    found: dict[tuple[int, ...], list[int]] = {}
    for place, sequence in enumerate(sequences):
        beginning = tuple(sequence.ids[: sequence.shared])
        found.setdefault(beginning or (-1, place), []).append(place)
    return list(found.values())


def _split(sequences: Sequence[TokenSequence], family: list[int], budget: int) -> list[list[int]]:
    """The family in parts that fit a row each."""
    parts: list[list[int]] = []
    used = budget + 1
    for place in family:
        sequence = sequences[place]
        branch = len(sequence.ids) - sequence.shared
        if used + branch > budget:
            parts.append([])
            used = sequence.shared
        parts[-1].append(place)
        used += branch
    return parts


def _length(sequences: Sequence[TokenSequence], part: Sequence[int]) -> int:
    shared = sequences[part[0]].shared
    return shared + sum(len(sequences[place].ids) - shared for place in part)


def _row(sequences: Sequence[TokenSequence], parts: Sequence[Sequence[int]]) -> Pack:
    columns: list[list[int]] = [[], [], [], []]  # ids, positions, segments, trunks
    targets: list[int] = []
    sources: list[int] = []
    weights: list[int] = []
    segment = 0
    for part in parts:
        trunk, shared = segment, sequences[part[0]].shared
        start = len(columns[0])
        _lay(columns, sequences[part[0]].ids[:shared], 0, trunk, trunk)
        for place in part:
            sequence = sequences[place]
            segment += 1
            first = len(columns[0])
            _lay(columns, sequence.ids[shared:], shared, segment, trunk if shared else segment)
            for index in range(max(1, shared), len(sequence.ids)):
                if sequence.targets[index]:
                    at = first + index - shared
                    targets.append(at)
                    sources.append(at - 1 if index > shared else start + shared - 1)
                    weights.append(sequence.weights[index] if sequence.weights else 1)
        segment += 1
    members = tuple(place for part in parts for place in part)
    unshared = sum(len(sequences[place].ids) for place in members)
    ids, positions, numbers, trunks, to, out_of, counted = (
        np.array(column, dtype=np.int64) for column in (*columns, targets, sources, weights)
    )
    return Pack(ids, positions, numbers, trunks, to, out_of, counted, unshared, members)


def _lay(columns: list[list[int]], ids: Sequence[int], position: int, segment: int, trunk: int) -> None:
    columns[0].extend(ids)
    columns[1].extend(range(position, position + len(ids)))
    columns[2].extend([segment] * len(ids))
    columns[3].extend([trunk] * len(ids))


def visible(row: Pack) -> np.ndarray:
    """Which tokens see which: bool [n, n], True at [i, j] where token i attends to token j."""
    same = row.segments[:, None] == row.segments[None, :]
    trunk = row.trunks[:, None] == row.segments[None, :]
    return np.asarray((same | trunk) & np.tri(len(row), dtype=bool))


def bounds_of(row: Pack) -> tuple[tuple[int, int, int, int], ...]:
    """The row's stretches of one segment: start and end of each, then start and end of the beginning it stands behind.

    The latter two are equal for what stands behind none.
    """
    cuts = [0, *(np.flatnonzero(np.diff(row.segments)) + 1), len(row)]
    stretches = {int(row.segments[start]): (int(start), int(end)) for start, end in zip(cuts, cuts[1:], strict=False)}
    trunks = {segment: int(row.trunks[start]) for segment, (start, _) in stretches.items()}
    return tuple(
        (start, end, *(stretches.get(trunks[segment], (0, 0)) if trunks[segment] != segment else (0, 0)))
        for segment, (start, end) in stretches.items()
    )


def collate(packs: Sequence[Pack], pad: int = 0) -> Batch:
    """The packs as one batch; short rows are filled up with tokens that nobody sees and nothing is learned from."""
    import torch

    width = max(map(len, packs))
    ids = np.full((len(packs), width), pad, dtype=np.int64)
    positions = np.zeros((len(packs), width), dtype=np.int64)
    mask = np.zeros((len(packs), 1, width, width), dtype=bool)
    mask[:, 0] = np.eye(width, dtype=bool)  # a row of the softmax with nothing to see would be no number
    labels, flat = [], []
    for number, row in enumerate(packs):
        n = len(row)
        ids[number, :n], positions[number, :n] = row.ids, row.positions
        mask[number, 0, :n, :n] = visible(row)
        labels.append(row.ids[row.targets])
        flat.append(number * width + row.sources)
    rows = (ids, positions, mask, np.concatenate(labels), np.concatenate(flat))
    fed, places, seen, wanted, from_where = map(torch.from_numpy, rows)
    counted = torch.from_numpy(np.concatenate([row.weights for row in packs]).astype(np.float32))
    bounds = bounds_of(packs[0]) if len(packs) == 1 else ()
    return Batch(fed, places, seen, wanted, from_where, counted, sum(row.unshared for row in packs), bounds)
