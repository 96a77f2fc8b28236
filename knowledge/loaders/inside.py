"""Files within files: members of archives and attachments of messages, by the loader of their type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from knowledge.errors import DocumentError
from knowledge.loaders.extract import Bomb, File, Part
from knowledge.loaders.reading import built_in, guarded, refuse_data
from knowledge.loaders.registry import LOADERS

MAX_DEPTH = 2


def readable(name: str) -> bool:
    """Whether there is a loader for a file of this name."""
    return PurePath(name).suffix.lower() in LOADERS


def parts_of_member(member: File, place: str, failures: list[str]) -> Iterator[Part]:
    """The parts of a file that lies in another, each name led by the member's `place` in it.

    A member that cannot be read is noted in `failures`, in one sentence: the others are worth having.

    Raises:
        Bomb: it unpacks to too much; then the whole file is given up.
    """
    if member.depth > MAX_DEPTH:
        failures.append(f"{member.name} lies more than {MAX_DEPTH} files deep.")
        return
    try:
        for part in guarded(built_in(member), member):
            refuse_data(part.text, member)
            yield replace(part, part=f"{place}, {part.part}" if part.part else place)
    except Bomb as bomb:
        outer = member.path.name
        what = bomb.what if bomb.what.startswith(outer) else f"{outer} holds a file of which this is so: {bomb.what}"
        raise Bomb(what, fix=bomb.fix) from bomb
    except DocumentError as error:
        failures.append(error.what)
