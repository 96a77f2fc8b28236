"""Public training sets as Examples: one module per set, in boxes, the same for the same seed.

Data: Schema-Guided Dialogue (CC BY-SA 4.0), SNIPS (CC0), Seal-Tools (Apache-2.0), MetaTool (MIT), CLINC150 (CC BY 3.0),
GSM8K (MIT), SQuAD 2.0 (CC BY-SA 4.0), HaluEval (MIT), Dolly's open questions (CC BY-SA 3.0), Glaive's and ToolACE's
function calls (Apache-2.0).
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator
from pathlib import Path

from finetune.default.public_data import DATA
from finetune.errors import DatasetError
from finetune.schema import Example

NAMES = ("sgd", "snips", "seal_tools", "metatool", "clinc150", "gsm8k", "squad", "halueval", "dolly", "conversations")


def examples(
    name: str, seed: int = 0, data: Path = DATA, *, without: Collection[str] = frozenset()
) -> Iterator[Example]:
    """The Examples of one training set; those that share a box stand next to each other.

    Args:
        name: one of `NAMES`.
        seed: of what is drawn by chance: the order, the boxes, the names of tools.
        data: the folder of public data sets.
        without: keys (`Example.key`) of what must not be trained on, such as the items of an evaluation.

    Raises:
        DatasetError: there is no such set, or its data is not there.
    """
    if name not in NAMES:
        raise DatasetError(f'There is no training set "{name}".', fix=f"Known are {', '.join(NAMES)}.")
    module = importlib.import_module(f"{__name__}.{name}")
    try:
        for example in module.examples(data, seed):
            if not without or example.key not in without:
                yield example
    except FileNotFoundError as error:
        raise DatasetError(
            f"The data of {name} is not there: {error.filename}.", fix=f"Put the public data into {data}."
        ) from error
