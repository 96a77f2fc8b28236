"""Which document a name means: by path, file name, stem, folder or title."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from knowledge.chunking.structure import HEADING_SEPARATOR
from knowledge.schema import Passage


@dataclass(frozen=True, slots=True)
class Found:
    """What a name means: one source, several to choose from, or none (`sources` are then the nearest names)."""

    sources: tuple[str, ...]
    known: bool = True


def find(name: str, sources: Collection[str], titled: Callable[[str], Sequence[str]]) -> Found:
    """The sources that a name may mean.

    A path's end is tried first, then the file's name, its stem, a folder's index page, and last the title.

    Args:
        name: as a person or a model says it.
        sources: absolute paths.
        titled: the sources whose title is the given text.
    """
    plain = _plain(name)
    for fits in (_ends, _is_name, _is_stem, _is_index):
        matches = tuple(sorted(source for source in sources if fits(plain, source)))
        if matches:
            return Found(matches)
    if matches := tuple(titled(name)):
        return Found(matches)
    names = {PurePath(source).name.lower(): source for source in sources}
    near = difflib.get_close_matches(PurePath(plain).name, names, n=3, cutoff=0.6)
    return Found(tuple(names[each] for each in near), known=False)


def _plain(name: str) -> str:
    return name.strip().strip("\"'`“”").replace("\\", "/").removeprefix("./").lower()


def _ends(name: str, source: str) -> bool:
    path = source.replace("\\", "/").lower()
    return "/" in name and (path == name or path.endswith("/" + name.lstrip("/")))


def _is_name(name: str, source: str) -> bool:
    return PurePath(source).name.lower() == name


def _is_stem(name: str, source: str) -> bool:
    return words_of(PurePath(source).stem) == words_of(name)


def _is_index(name: str, source: str) -> bool:
    path = PurePath(source)
    return path.stem.lower() in {"index", "readme"} and words_of(path.parent.name) == words_of(name)


def words_of(name: str) -> str:
    """A name without case and punctuation, for comparing titles and stems."""
    return " ".join(re.findall(r"\w+", name.lower().replace("_", " ")))


def title_of(passages: Sequence[Passage]) -> str:
    """The heading that all passages of a document share, or an empty string."""
    firsts = {passage.heading.split(HEADING_SEPARATOR)[0] for passage in passages if passage.heading}
    return firsts.pop() if len(firsts) == 1 else ""
