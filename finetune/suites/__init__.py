"""Sets of questions that models are compared on: from public development data, of our own, and from a data set's split.

Data: Schema-Guided Dialogue (CC BY-SA 4.0), SNIPS (CC0), Seal-Tools (Apache-2.0), HaluEval (MIT), SQuAD 2.0
(CC BY-SA 4.0), GSM8K (MIT); the formats, refusals, requests, general questions and documented functions are ours and
are always there.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from finetune.default.public_data import DATA, chance_of
from finetune.errors import EvaluationError
from finetune.evaluation.items import EvaluationItem

# Suite → the module that makes it.
_MODULES: Mapping[str, str] = {
    "seal_tools": "tool_calls",
    "snips": "tool_calls",
    "sgd": "dialogues",
    "none": "no_tool",
    "squad": "passages",
    "gsm8k": "problems",
    "perplexity": "texts",
    "formats": "built_in",
    "refusals": "built_in",
    "requests": "built_in",
    "general": "built_in",
    "simple": "functions",
    "multiple": "functions",
    "parallel": "functions",
    "irrelevance": "functions",
}
NAMES = tuple(_MODULES)
# They need no data beside the program.
BUILT_IN = tuple(name for name, module in _MODULES.items() if module in ("built_in", "functions"))


@cache
def known_keys(data: Path = DATA) -> frozenset[str]:
    """`EvaluationItem.key` of every item of all suites whose data is there: nothing may be trained on them."""
    keys: set[str] = set()
    for name, module in _MODULES.items():
        with contextlib.suppress(FileNotFoundError):  # a suite that cannot be asked spoils no figure
            keys |= {item.key for item in importlib.import_module(f"{__name__}.{module}").items(name, data, 0)}
    return frozenset(keys)


def load_suite(name: str, limit: int = 0, *, seed: int = 0, data: Path = DATA) -> tuple[EvaluationItem, ...]:
    """The items of a suite in an order that depends on the seed alone: fewer are the first of more.

    Args:
        name: one of `NAMES`.
        limit: how many at most; 0 for all.
        seed: of what is drawn by chance: which tools stand beside the right one, and the order.
        data: the folder of public data sets.

    Raises:
        EvaluationError: there is no such suite, or its data is not there.
    """
    if name not in _MODULES:
        raise EvaluationError(f'There is no suite "{name}".', fix=f"Known are {', '.join(NAMES)}.")
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    try:
        items: list[EvaluationItem] = module.items(name, data, seed)
    except FileNotFoundError as error:
        raise EvaluationError(
            f"The data of the suite {name} is not there: {error.filename}.",
            fix=f"Put the public data into {data}, or choose among {', '.join(BUILT_IN)}.",
        ) from error
    chance_of(f"{name}-order-{seed}").shuffle(items)
    return tuple(items[:limit] if limit else items)
