"""Memory: the checkpointer keeps threads resumable, the fact store keeps what the user asked to remember."""

from __future__ import annotations

import base64
import contextlib
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.store.base import Item
from langgraph.store.sqlite import SqliteStore

from agent.database import connect, mapped_errors, scrub, storable, writing
from agent.errors import FactError
from agent.schema import Fact
from knowledge.claims import content_words

if TYPE_CHECKING:
    import numpy as np

MAX_FACT_CHARS = 500
# Cosine similarity (MiniLM) above which a fact is worth showing; between the two, if it shares a word.
CLOSE = 0.40
LOOSE = 0.35
_NAMESPACE = ("facts",)
_ALL = 1_000_000


class PrunedSqliteSaver(SqliteSaver):
    """The SQLite checkpointer with `prune`, strict about types, all-or-nothing, and with errors mapped.

    The serializer is strict by its own list, not by an environment variable that is read once, when whoever
    comes first imports langgraph: a forged checkpoint may name plain types and messages, never a callable.
    Our graph has no `DeltaChannel`, so dropping older checkpoints of a thread loses nothing.
    """

    def __init__(self, database: Path) -> None:
        super().__init__(connect(database), serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self._database = database

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """As the parent's, which however commits what was done before an error; this one rolls it back."""
        guard = writing(self.conn, self._database) if transaction else mapped_errors(self._database)
        with self.lock, guard, closing(self.conn.cursor()) as cursor:
            yield cursor

    def close(self) -> None:
        """Close the file; not while another thread is in the middle of something, which crashes SQLite."""
        with self.lock:
            self.conn.close()

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Drop all but the newest checkpoint of each thread, or ("delete") all of them."""
        if strategy not in {"keep_latest", "delete"}:
            raise ValueError(f"unknown strategy {strategy!r}")
        for thread_id in thread_ids:
            if strategy == "delete":
                self.delete_thread(thread_id)
                continue
            with self.cursor() as cursor:
                for table in ("writes", "checkpoints"):
                    cursor.execute(
                        f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id < ("  # noqa: S608
                        "SELECT max(checkpoint_id) FROM checkpoints AS c "
                        f"WHERE c.thread_id = {table}.thread_id AND c.checkpoint_ns = {table}.checkpoint_ns)",
                        (thread_id,),
                    )

    def delete_thread(self, thread_id: str) -> None:
        """Delete all checkpoints of a thread, and their text from the disk."""
        super().delete_thread(thread_id)
        with self.lock:
            scrub(self.conn)


def open_checkpointer(database: Path) -> PrunedSqliteSaver:
    """The checkpointer of a database file.

    Raises:
        DatabaseError: the file cannot be used.
    """
    saver = PrunedSqliteSaver(database)
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(saver.conn.close)
        with writing(saver.conn, database):
            saver.setup()
        on_failure.pop_all()
    return saver


class _FactTable(SqliteStore):
    """LangGraph's store, joining the transaction of `FactStore` instead of opening one of its own."""

    @contextmanager
    def _cursor(self, *, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        with self.lock, closing(self.conn.cursor()) as cursor:
            yield cursor


class FactStore:
    """Long-term facts: added, listed, edited and deleted by the user, shown to the model only when relevant.

    Thread-safe. Methods that take an id also take its unambiguous start.

    Args:
        database: path of the database file.
        embed: texts to unit vectors, [n] -> float32 [n, d].
        fingerprint: names the embedder; facts embedded by another one are embedded again when needed.

    Raises:
        DatabaseError: the file cannot be used (from any method).
    """

    def __init__(self, database: Path, embed: Callable[[list[str]], np.ndarray], fingerprint: str) -> None:
        self._database = database
        self._embed = embed
        self._fingerprint = fingerprint
        self._lock = threading.RLock()
        with contextlib.ExitStack() as on_failure:
            self._connection = on_failure.enter_context(closing(connect(database)))
            self._table = _FactTable(self._connection)
            with self._writing():
                self._table.setup()
            on_failure.pop_all()

    def add(self, text: str, sources: Sequence[str] = ()) -> Fact:
        """Remember a fact; one that is already known is returned as it is.

        Args:
            text: the fact.
            sources: whose text it may come from, where it is not the user's own words.

        Raises:
            FactError: empty, or longer than `MAX_FACT_CHARS`.
        """
        text = _checked(text)
        vectors = self._embed([text])  # before the write lock, which others may be waiting for
        with self._writing():
            known = self.all()
            if (same := _same(text, known)) is not None:
                return same
            taken = {fact.fact_id for fact in known}
            fact_id = secrets.token_hex(3)
            while fact_id in taken:
                fact_id = secrets.token_hex(3)
            fact = Fact(fact_id, text, datetime.now(UTC).isoformat(), tuple(map(storable, sources)))
            self._put(fact, vectors[0])
        return fact

    def all(self) -> list[Fact]:
        """Every fact, oldest first."""
        return sorted(map(_fact, self._items()), key=lambda fact: (fact.created_at, fact.fact_id))

    def edit(self, fact_id: str, text: str) -> Fact:
        """Replace a fact's text.

        Raises:
            FactError: no such fact, another fact says the same, or the text is empty or too long.
        """
        text = _checked(text)
        vectors = self._embed([text])
        with self._writing():
            fact = replace(self._find(fact_id), text=text, sources=())
            same = _same(text, self.all())
            if same is not None and same.fact_id != fact.fact_id:
                raise FactError(
                    f"That is already remembered, as {same.fact_id}.",
                    kept="Nothing was changed.",
                    fix=f"Delete one of the two: `ratchet memory delete {fact.fact_id}`.",
                )
            self._put(fact, vectors[0])
        return fact

    def delete(self, fact_id: str) -> None:
        """Forget a fact, and remove its text from the disk.

        Raises:
            FactError: no such fact.
        """
        with self._writing():
            self._table.delete(_NAMESPACE, self._find(fact_id).fact_id)
        with self._lock:
            scrub(self._connection)

    def relevant(self, query_vector: np.ndarray | None, query: str, k: int = 3) -> list[Fact]:
        """The facts worth showing for a question, best first.

        Args:
            query_vector: unit vector of the question, float32 [d]; None goes by shared words alone.
            query: the question.
            k: at most so many.
        """
        wanted = content_words(query)
        items = self._items()
        shared = [len(wanted & content_words(_fact(item).text)) for item in items]
        if query_vector is None:
            scores, chosen = [float(count) for count in shared], [count > 0 for count in shared]
        else:
            scores = [float(query_vector @ vector) for vector in self._vectors(items)]
            floors = [LOOSE if count else CLOSE for count in shared]
            chosen = [score >= floor for score, floor in zip(scores, floors, strict=True)]
        found = [(score, item) for score, item, keep in zip(scores, items, chosen, strict=True) if keep]
        return [_fact(item) for _, item in sorted(found, key=lambda pair: -pair[0])[:k]]

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, writing(self._connection, self._database):
            yield

    def _items(self) -> list[Item]:
        with self._lock, mapped_errors(self._database):
            return list(self._table.search(_NAMESPACE, limit=_ALL))

    def _find(self, fact_id: str) -> Fact:
        start = fact_id.strip().lower()
        found = [fact for fact in self.all() if start and fact.fact_id.startswith(start)]
        if len(found) != 1:
            what = f'"{fact_id}" fits {len(found)} facts.' if found else f'There is no fact "{fact_id}".'
            raise FactError(what, kept="Nothing was changed.", fix="`ratchet memory list` shows the ids.")
        return found[0]

    def _put(self, fact: Fact, vector: np.ndarray) -> None:
        value = {
            "text": fact.text,
            "created_at": fact.created_at,
            "sources": list(fact.sources),
            "vector": base64.b64encode(vector.astype("<f4").tobytes()).decode(),
            "embedder": self._fingerprint,
        }
        self._table.put(_NAMESPACE, fact.fact_id, value, index=False)

    def _vectors(self, items: Sequence[Item]) -> list[np.ndarray]:
        import numpy as np

        stale = [item for item in items if item.value["embedder"] != self._fingerprint]
        renewed = self._renew([_fact(item) for item in stale]) if stale else {}
        return [
            renewed[item.key]
            if item.key in renewed
            else np.frombuffer(base64.b64decode(item.value["vector"]), dtype="<f4")
            for item in items
        ]

    def _renew(self, facts: Sequence[Fact]) -> dict[str, np.ndarray]:
        ids, texts = [fact.fact_id for fact in facts], [fact.text for fact in facts]
        vectors = dict(zip(ids, self._embed(texts), strict=True))
        with self._writing():
            now = set(self.all())
            for fact in facts:
                if fact in now:  # neither edited nor deleted by another program meanwhile
                    self._put(fact, vectors[fact.fact_id])
        return vectors


def _fact(item: Item) -> Fact:
    sources = tuple(item.value.get("sources", ()))  # facts kept by earlier versions have none
    return Fact(item.key, str(item.value["text"]), str(item.value["created_at"]), sources)


def _normal(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".!")


def _same(text: str, facts: Sequence[Fact]) -> Fact | None:
    return next((fact for fact in facts if _normal(fact.text) == _normal(text)), None)


def _checked(text: str) -> str:
    text = storable(" ".join(text.split()))
    if not text:
        raise FactError("There is nothing to remember.", fix="Say what: `ratchet memory add TEXT`.")
    if len(text) > MAX_FACT_CHARS:
        raise FactError(
            f"A fact may have {MAX_FACT_CHARS} characters; this one has {len(text):,}.",
            kept="Nothing was stored.",
            fix="Shorten it, or save it as a document and `ratchet ingest` that.",
        )
    return text
