"""Tool families as they are written in TOML, one file per field of life: read, checked, turned into schemas."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.default.arguments import ISO, PLACEHOLDER, Argument, parse_argument
from finetune.default.pools import Pools, general_pools, read_pools
from finetune.errors import DatasetError

FOLDER = Path(__file__).with_name("families")
FEWEST_QUESTIONS = 6
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SLOT = re.compile(r"(?:([123])\.)?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")
_KEYS = {"name", "description", "questions", "pairs", "arguments"}


@dataclass(frozen=True, slots=True)
class ToolFamily:
    """A tool and the ways in which people ask for it.

    Attributes:
        file: the name of its file, without suffix; tools of one file are near neighbours.
        pairs: requests that need the tool two or three times.
        pools: the general pools and those of its file.
    """

    file: str
    name: str
    description: str
    questions: tuple[str, ...]
    pairs: tuple[str, ...]
    arguments: Mapping[str, Argument]
    pools: Pools

    def schema(self, described: bool = True, date: str = ISO) -> dict[str, Any]:
        """In OpenAI's form; for `described` and `date` see `Argument.schema`."""
        properties = {name: one.schema(described, date) for name, one in self.arguments.items()}
        required = [name for name, one in self.arguments.items() if not one.optional]
        parameters = {"type": "object", "properties": properties, "required": required}
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}

    def leaves(self) -> dict[str, Argument]:
        """What a question can name: arguments, and of objects that are not said as a whole the inner ones, by path."""
        return dict(_leaves(self.arguments, ""))

    def required(self) -> list[str]:
        """Paths of what every question must name."""
        return [path for path in self.leaves() if not self.is_optional(path)]

    def is_optional(self, path: str) -> bool:
        """Whether a call may lack it, being optional itself or part of something optional."""
        arguments: Mapping[str, Argument] = self.arguments
        for name in path.split("."):
            if arguments[name].optional:
                return True
            arguments = arguments[name].inner
        return False


def _leaves(arguments: Mapping[str, Argument], prefix: str) -> Iterator[tuple[str, Argument]]:
    for name, one in arguments.items():
        if one.kind == "object" and not one.say:
            yield from _leaves(one.inner, f"{prefix}{name}.")
        else:
            yield prefix + name, one


def slots(template: str) -> list[tuple[int, str]]:
    """The places of a question: which call they belong to, and the path of the argument.

    Raises:
        ValueError: braces around something that is no path.
    """
    found = []
    for written in PLACEHOLDER.findall(template):
        match = _SLOT.fullmatch(written)
        if not match:
            raise ValueError(f"{{{written}}} names no argument")
        found.append((int(match[1] or 1), match[2]))
    if "{" in PLACEHOLDER.sub("", template) or "}" in PLACEHOLDER.sub("", template):
        raise ValueError("a brace stands alone")
    return found


def load_families(folder: Path = FOLDER, only: Sequence[str] = ()) -> tuple[ToolFamily, ...]:
    """All tools of a folder, in the order of files and of tools within them.

    Args:
        folder: where the files are.
        only: names of files without suffix; all of them when empty.

    Raises:
        DatasetError: a file is no TOML or a tool in it is wrong; it names the file, the tool and the question.
    """
    pools = general_pools()
    families: list[ToolFamily] = []
    for path in sorted(folder.glob("*.toml")):
        if not only or path.stem in only:
            families += load_file(path, pools)
    if not families:
        raise DatasetError(f"{folder} has no tools{' named ' + ', '.join(only) if only else ''}.")
    seen: dict[str, ToolFamily] = {}
    for one in families:
        other = seen.setdefault(one.name, one)
        if other is not one:
            raise DatasetError(f'The tool "{one.name}" is both in {other.file}.toml and {one.file}.toml.')
    return tuple(families)


def load_file(path: Path, pools: Pools) -> list[ToolFamily]:
    """The tools of one file.

    Raises:
        DatasetError: as `load_families`.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path.name}: {error}") from error
    unknown = set(table) - {"tool", "pools"}
    if unknown:
        raise DatasetError(f"{path.name}: unknown {', '.join(sorted(unknown))}; only [[tool]] and [pools] are known.")
    pools = pools.beside(read_pools(table.get("pools", {}), path.name))
    return [_family(path, number, tool, pools) for number, tool in enumerate(table.get("tool", ()), start=1)]


def _family(path: Path, number: int, tool: Mapping[str, Any], pools: Pools) -> ToolFamily:
    name = tool.get("name", "")
    where = f'{path.name}, tool {number} "{name}"'
    if not _NAME.fullmatch(name):
        raise DatasetError(f"{where}: the name is missing or not of letters, digits, _ and dots.")
    unknown = set(tool) - _KEYS
    if unknown or not tool.get("description"):
        raise DatasetError(f"{where}: {'unknown ' + ', '.join(sorted(unknown)) if unknown else 'no description'}.")
    arguments = {key: parse_argument(key, one, pools, where) for key, one in tool.get("arguments", {}).items()}
    questions, pairs = tuple(tool.get("questions", ())), tuple(tool.get("pairs", ()))
    family = ToolFamily(path.stem, name, tool["description"].strip(), questions, pairs, arguments, pools)
    _check(family, where)
    return family


def _check(family: ToolFamily, where: str) -> None:
    if len(set(family.questions)) < FEWEST_QUESTIONS:
        raise DatasetError(f"{where}: {len(set(family.questions))} questions; at least {FEWEST_QUESTIONS} are wanted.")
    for template in (*family.questions, *family.pairs):
        wrong = _wrong(family, template, pair=template in family.pairs)
        if wrong:
            raise DatasetError(f'{where}, question "{template}": {wrong}.')
    said = {path for template in (*family.questions, *family.pairs) for _, path in slots(template)}
    silent = [path for path in family.leaves() if path not in said]
    if silent:
        raise DatasetError(f"{where}: no question mentions {', '.join(silent)}.")


def _wrong(family: ToolFamily, template: str, *, pair: bool) -> str:
    """What is wrong with a question, or nothing."""
    try:
        found = slots(template)
    except ValueError as error:
        return str(error)
    leaves = family.leaves()
    unknown = [path for _, path in found if path not in leaves]
    if unknown:
        return f"unknown argument {', '.join(unknown)}; known are {', '.join(leaves)}"
    calls = {call for call, _ in found}
    missing = [path for path in family.required() if (1, path) not in found]
    if missing:
        return f"does not mention {', '.join(missing)}"
    if pair != (len(calls) > 1):
        return "names no {2.argument}" if pair else "a question of one call has {2.argument}"
    return "names {3.argument} but no {2.argument}" if 3 in calls and 2 not in calls else ""
