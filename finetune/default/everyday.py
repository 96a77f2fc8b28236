"""Our own single requests and answers.

What everybody knows, everyday writing and advice, and harmful requests, each beside a harmless one that sounds like it:
who learns to decline from harmful requests alone learns which words to fear (XSTest, Röttger et al. 2024), and from
pairs that share those words what is asked.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from finetune.default.public_data import chance_of
from finetune.errors import DatasetError
from finetune.schema import Example

FOLDER = Path(__file__).with_name("everyday")
FILES: Mapping[str, int] = {"knowledge": 1, "requests": 1, "howtos": 1, "twins": 2}  # dialogues in a row of each
# Share of the harmful requests in one draw: most of what people ask is harmless, and small models guess.
_HARMFUL = 0.25


def examples(seed: int = 0, folder: Path = FOLDER) -> list[Example]:
    """Each kind among the others: all that is harmless, and some of what is not, beside what it is like (one group).

    Args:
        seed: of their order, and of which harmful requests are drawn.
        folder: with a file of each kind.

    Raises:
        DatasetError: a file is missing, is no TOML, or has a row of another length or with an empty text.
    """
    rows = [(f"{name}#{place}", row) for name in FILES for place, row in enumerate(_rows(folder, name), 1)]
    chance = chance_of(f"everyday-{seed}")
    chance.shuffle(rows)
    made: list[Example] = []
    for name, row in rows:
        drawn = list(_dialogues(row, f"everyday:{name}"))
        if len(drawn) > 1 and chance.random() >= _HARMFUL:
            del drawn[0]
        chance.shuffle(drawn)
        made += drawn
    return made


def requests(seed: int = 0) -> list[str]:
    """What is asked in all of them: things that no tool is needed for."""
    return [str(example.messages[0]["content"]) for example in examples(seed)]


def _rows(folder: Path, name: str) -> list[list[str]]:
    path = folder / f"{name}.toml"
    try:
        rows: Any = tomllib.loads(path.read_text(encoding="utf-8"))["rows"]
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(
            f"{path.name} cannot be used: {error}.", fix='Give it `rows = [["request", "answer"]]`.'
        ) from error
    texts = 2 * FILES[name]
    for place, row in enumerate(rows if isinstance(rows, list) else [rows], 1):
        if not isinstance(row, list) or len(row) != texts or not all(isinstance(one, str) and one for one in row):
            raise DatasetError(
                f"{path.name}: row {place} is not {texts} texts.", fix="Give requests and answers in turn."
            )
    return list(rows)


def _dialogues(row: list[str], group: str) -> Iterator[Example]:
    for place in range(0, len(row), 2):
        asked, answer = row[place : place + 2]
        messages = ({"role": "user", "content": asked}, {"role": "assistant", "content": answer})
        yield Example(messages, (), f"{group}.{place // 2 + 1}", group)
