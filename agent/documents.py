"""The user's documents as the settings know them: named by path or address, read into the chosen collection."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.config import Settings

if TYPE_CHECKING:
    from knowledge.embedders import Embedder
    from knowledge.loaders.worker import Reader
    from knowledge.schema import IngestProgress, IngestReport, SearchFilter

_SCHEMES = ("http://", "https://")


def open_embeddings(settings: Settings) -> Embedder:
    """The embedder of the settings; what it has embedded once is kept in the home and not embedded again.

    Raises:
        EmbedderError: it cannot be used.
        StorageError: it cannot be prepared on this machine.
    """
    from agent.embedder import build_embedder
    from knowledge.embedders import CachedEmbeddings

    return CachedEmbeddings(build_embedder(settings), settings.cache_folder)


def add(
    settings: Settings,
    embeddings: Embedder,
    sources: Sequence[str | Path],
    *,
    rebuild: bool = False,
    retry: bool = False,
    allow_private: bool = False,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> IngestReport:
    """Bring the collection of the settings up to date with files, folders and web pages.

    A web page is fetched anew each time it is named, and kept as a file below `web/` in the home.

    Args:
        settings: decide the collection.
        embeddings: the embedder of the settings.
        sources: paths and addresses; none at all stands for everything ingested before.
        rebuild: make the index anew.
        retry: try files again that failed before.
        allow_private: let web pages come from this machine or the user's own network.
        on_progress: told how far it is.

    Raises:
        SourceMissing: a path does not exist.
        DocumentError: a page cannot be fetched.
        IndexBusy, IndexCorrupt, EmbedderMismatch, StorageError: the index cannot be written.
        IngestInterrupted: Ctrl-C; what was finished is in the index.
    """
    from knowledge.ingest import ingest

    return ingest(
        local_paths(settings, sources, allow_private=allow_private),
        settings.index_folder,
        embeddings,
        on_progress=on_progress,
        rebuild=rebuild,
        retry=retry,
        reader=reader(settings),
    )


def local_paths(settings: Settings, sources: Sequence[str | Path], *, allow_private: bool = False) -> list[Path]:
    """What is named as paths: addresses are fetched into the home first.

    Raises:
        DocumentError: a page cannot be fetched.
    """
    paths = []
    for source in sources:
        if isinstance(source, str) and source.lower().startswith(_SCHEMES):
            from knowledge.fetch import fetch_snapshot

            paths.append(fetch_snapshot(source, settings.web_folder, allow_private=allow_private))
        else:
            paths.append(Path(source).expanduser())
    return paths


def followed(settings: Settings, paths: Sequence[Path]) -> list[str]:
    """The absolute paths that an ingest of `paths` looks at: those ingested before when there are none."""
    from knowledge.index.state import earlier_roots

    return [os.path.abspath(path) for path in paths] or list(earlier_roots(settings.index_folder))


def still_followed(settings: Settings, sources: Sequence[str]) -> list[str]:
    """The folders named for earlier ingests that some of these files lie in: the next ingest reads them again."""
    from knowledge.index.state import earlier_roots
    from knowledge.ingest.places import Places

    roots = earlier_roots(settings.index_folder)
    places = Places(roots)
    found = {root for source in sources for root in places.around(source)}
    return [root for root in roots if root in found]


def reader(settings: Settings) -> Reader:
    """What reads files in a confined process, as the settings say."""
    from knowledge.loaders.process import Limits
    from knowledge.loaders.worker import Reader

    memory = settings.knowledge.read_megabytes * 2**20
    return Reader(Limits(settings.knowledge.read_seconds, memory), loaders(settings))


def loaders(settings: Settings) -> dict[str, str]:
    """Suffix → LangChain loader, of the settings and of installed packages."""
    from knowledge.loaders.plugin import outside_loaders

    return outside_loaders(settings.knowledge.loaders)


def file_endings(settings: Settings) -> set[str]:
    """File name endings that can be read."""
    from knowledge.loaders import LOADERS

    return {*LOADERS, *loaders(settings)}


def narrowed(patterns: Sequence[str] | None) -> SearchFilter | None:
    """What a person means by names of files and folders: any file that matches one, or lies in a folder that does.

    A pattern with a slash, or the name of something in the working folder, is taken from there; a bare name
    stands for files and folders of that name anywhere. Without patterns nothing is left out.
    """
    from knowledge.schema import SearchFilter

    return SearchFilter(paths=tuple(map(_absolute_pattern, patterns))) if patterns else None


def _absolute_pattern(pattern: str) -> str:
    path = os.path.expanduser(pattern)
    if os.path.lexists(path):
        return glob.escape(os.path.abspath(path))
    if os.path.isabs(path) or path.startswith("*"):
        return path
    if os.path.basename(path) == path:
        return os.path.join("*", path)
    return os.path.join(glob.escape(os.getcwd()), os.path.normpath(path))
