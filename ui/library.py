"""What the pages look into beside conversations: collections of documents, and what is remembered."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ConfigError, IndexMissing, SourceMissing, StorageError
from ui.ingesting import IngestJobs
from ui.uploads import FOLDER

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.memory import FactStore
    from knowledge.embedders import Embedder
    from knowledge.index import CollectionFacts, FileEntry, KnowledgeIndex
    from knowledge.schema import Passage
    from ui.search_ranks import SearchRanks


@dataclass(frozen=True, slots=True)
class Removed:
    """What was taken out of a collection.

    Attributes:
        files: that are no longer in it.
        copies: files of Ratchet's own (uploads, copies of web pages) that were deleted, too.
        followed: folders that the next look for changes reads these files from again.
    """

    files: list[str]
    copies: list[str]
    followed: list[str]


class Library:
    """The collections and the memory of a home. Thread-safe; what is opened stays open until it changes.

    Args:
        settings: whose home, embedder and collection.

    Attributes:
        settings: as given.
        jobs: documents being read.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.jobs = IngestJobs()
        self._lock = threading.RLock()
        self._embedder: Embedder | None = None
        self._facts: FactStore | None = None
        self._open: dict[str, tuple[str, KnowledgeIndex]] = {}

    def within(self, collection: str) -> Settings:
        """The settings with another collection chosen.

        Raises:
            ConfigError: that cannot be the name of one.
        """
        from pydantic import ValidationError

        before = self.settings.knowledge
        try:
            knowledge = type(before).model_validate({**before.model_dump(exclude_unset=True), "collection": collection})
        except ValidationError as error:
            raise ConfigError(
                f'"{collection}" cannot be the name of a collection.',
                fix="Use letters, digits, - and _, at most 64, and begin with a letter or a digit.",
            ) from error
        return self.settings.model_copy(update={"knowledge": knowledge})

    def collections(self) -> list[CollectionFacts]:
        """Every collection, the one that chats answer from first, whether it exists yet or not."""
        from knowledge.index import CollectionFacts, collections

        chosen = self.settings.knowledge.collection
        known = {facts.name: facts for facts in collections(self.settings.indexes_folder)}
        first = known.pop(chosen, CollectionFacts(chosen))
        return [first, *known.values()]

    def files(self, collection: str) -> list[FileEntry]:
        """The files of a collection, readable or not, by path; none if there is no such collection yet.

        Raises:
            IndexCorrupt: its list of files is damaged.
        """
        from knowledge.index.generations import current
        from knowledge.index.state import catalogue_of

        try:
            known = catalogue_of(current(self.within(collection).index_folder))
        except IndexMissing:
            return []
        return [entry for entry, _ in known.values()]

    def passages(self, collection: str, source: str, first: int, count: int) -> list[Passage]:
        """Some of a file's passages in reading order; `first` counts from 0.

        Raises:
            IndexMissing, IndexCorrupt: the collection cannot be read.
        """
        with self._lock:
            index = self._index(collection)
            return index.passages(index.rows_of(source)[first : first + count])

    def search_ranks(self, collection: str, query: str) -> SearchRanks:
        """Where each passage stands by meaning, by words and by both.

        Raises:
            IndexMissing, IndexCorrupt, EmbedderMismatch: the collection cannot be searched.
            EmbedderError, RerankerError: the query cannot be embedded, or the reranker not be used.
        """
        from knowledge.index.generations import current
        from knowledge.index.state import check_embedder, state_of
        from knowledge.reranking import build_reranker
        from knowledge.retriever import HybridRetriever
        from ui.search_ranks import search_ranks

        knowledge = self.settings.knowledge
        with self._lock:
            folder, embedder = self.within(collection).index_folder, self.embedder
            check_embedder(folder, state_of(current(folder)), embedder.fingerprint)
            retriever = HybridRetriever.over(
                self._index(collection), embedder, top_k=knowledge.top_k, reranker=build_reranker(knowledge.reranker)
            )
            return search_ranks(retriever, query)

    def remove(self, collection: str, sources: Sequence[str]) -> Removed:
        """Take files out of a collection; the user's own stay, copies that no collection needs any more do not.

        Raises:
            SourceMissing: none of them is in the collection.
            IndexMissing, IndexCorrupt, IndexBusy, StorageError: the collection cannot be changed.
        """
        from agent.documents import still_followed
        from knowledge.ingest import forget

        settings = self.within(collection)
        taken = forget([Path(source) for source in sources], settings.index_folder)
        if not taken.files:
            raise SourceMissing("That is no longer in the collection.", kept="Nothing was changed.")
        copies = [source for source in taken.files if self._own(source) and not self._needed(source)]
        for copy in copies:
            _delete(Path(copy))
        followed = still_followed(settings, [source for source in taken.files if source not in copies])
        return Removed(taken.files, copies, followed)

    def delete(self, collection: str) -> None:
        """Delete a collection for good; the documents themselves stay.

        Raises:
            IndexMissing, IndexBusy, StorageError: it cannot be deleted.
        """
        from knowledge.index import delete_collection

        with self._lock:
            self._let_go(collection)
        delete_collection(self.within(collection).index_folder)

    @property
    def embedder(self) -> Embedder:
        """What turns text into vectors; loaded at the first use.

        Raises:
            EmbedderError, StorageError: it cannot be used.
        """
        from agent.documents import open_embeddings

        with self._lock:
            if self._embedder is None:
                self._embedder = open_embeddings(self.settings)
            return self._embedder

    @property
    def facts(self) -> FactStore:
        """What is remembered; opened at the first use.

        Raises:
            EmbedderError, StorageError, DatabaseError: it cannot be used.
        """
        from agent.memory import FactStore

        with self._lock:
            if self._facts is None:
                self.settings.home.mkdir(parents=True, exist_ok=True)
                embedder = self.embedder
                self._facts = FactStore(self.settings.database, embedder.embed, embedder.fingerprint)
            return self._facts

    def close(self) -> None:
        """Stop what is being read and let go of everything; safe to call twice."""
        self.jobs.stop()
        with self._lock:
            for collection in list(self._open):
                self._let_go(collection)
            for each in (self._facts, self._embedder):
                if each is not None:
                    each.close()
            self._facts = self._embedder = None

    def _index(self, collection: str) -> KnowledgeIndex:
        """The index as it is now, whatever embedder made it; only under the lock."""
        from knowledge.index import KnowledgeIndex
        from knowledge.index.generations import current, read_pointer
        from knowledge.index.state import state_of

        folder = self.within(collection).index_folder
        pointer = read_pointer(folder)
        known = self._open.get(collection)
        if known is None or known[0] != pointer:
            opened = KnowledgeIndex.open(folder, state_of(current(folder)).embedder)
            self._let_go(collection)
            known = self._open[collection] = (pointer, opened)
        return known[1]

    def _let_go(self, collection: str) -> None:
        known = self._open.pop(collection, None)
        if known is not None:
            known[1].close()

    def _own(self, source: str) -> bool:
        """Whether a file is a copy that Ratchet made, in its own home."""
        folders = (self.settings.home / FOLDER, self.settings.web_folder)
        return any(Path(source).is_relative_to(os.path.abspath(folder)) for folder in folders)

    def _needed(self, source: str) -> bool:
        """Whether a collection holds a file; one that cannot be read may."""
        known = [facts for facts in self.collections() if facts.files or facts.problem]
        return any(facts.problem or any(entry.source == source for entry in self.files(facts.name)) for facts in known)


def address_of(source: str) -> str:
    """The address that a file of a collection is a copy of; empty for the user's own files."""
    from knowledge.fetch import snapshot_url

    path = Path(source)
    return snapshot_url(path) if "web" in path.parent.parts else ""


def _delete(path: Path) -> None:
    from knowledge.fetch import delete_snapshot

    try:
        delete_snapshot(path)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be deleted: {(error.strerror or str(error)).lower()}.",
            kept="It is no longer in the collection.",
            fix="Delete the file yourself.",
        ) from error
