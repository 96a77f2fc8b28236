"""Memory: the checkpointer keeps threads resumable, the fact store keeps what the user asked to remember."""

from __future__ import annotations

import base64
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Read when langgraph is first imported: a checkpoint may then name only known types, never a callable.
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer  # noqa: E402
from langgraph.checkpoint.sqlite import SqliteSaver  # noqa: E402
from langgraph.store.sqlite import SqliteStore  # noqa: E402

from agent.database import connect, mapped_errors  # noqa: E402
from agent.errors import FactError  # noqa: E402
from agent.grounding import content_words  # noqa: E402
from agent.schema import Fact  # noqa: E402

if TYPE_CHECKING:
    import numpy as np

MAX_FACT_CHARS = 500
# Cosine similarity (MiniLM) above which a fact is worth showing; below it, a fact needs a shared content word.
CLOSE = 0.45
LOOSE = 0.25
_NAMESPACE = ("facts",)


class PrunedSqliteSaver(SqliteSaver):
    """The SQLite checkpointer with `prune`, strict about types, and with errors mapped.

    Our graph has no `DeltaChannel`, so dropping older checkpoints of a thread loses nothing.
    """

    def __init__(self, database: Path) -> None:
        super().__init__(connect(database), serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self._database = database

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """As the parent's, but rolls back on an error and raises `DatabaseError`."""
        with mapped_errors(self._database):
            try:
                with super().cursor(transaction) as cursor:
                    yield cursor
            except sqlite3.Error:
                self.conn.rollback()
                raise

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


def open_checkpointer(database: Path) -> PrunedSqliteSaver:
    """The checkpointer of a database file.

    Raises:
        DatabaseError: the file cannot be used.
    """
    saver = PrunedSqliteSaver(database)
    with mapped_errors(database), saver.lock:
        saver.setup()
        saver.conn.execute("PRAGMA synchronous=FULL")
    return saver


class FactStore:
    """Long-term facts: added, listed, edited and deleted by the user, shown to the model only when relevant.

    Args:
        database: path of the database file.
        embed: texts to unit vectors, [n] -> float32 [n, d].
        fingerprint: names the embedder; facts embedded by another one are embedded again when needed.
    """

    def __init__(self, database: Path, embed: Callable[[list[str]], np.ndarray], fingerprint: str) -> None:
        self._database = database
        self._embed = embed
        self._fingerprint = fingerprint
        self._connection = connect(database, autocommit=True)
        self._store = SqliteStore(self._connection)
        with mapped_errors(database):
            self._store.setup()

    def add(self, text: str) -> Fact:
        """Remember a fact; one that is already known is returned as it is.

        Raises:
            FactError: empty, or longer than `MAX_FACT_CHARS`.
        """
        text = _checked(text)
        known = next((fact for fact in self.all() if _normal(fact.text) == _normal(text)), None)
        if known is not None:
            return known
        fact = Fact(secrets.token_hex(3), text, datetime.now(UTC).isoformat(timespec="seconds"))
        self._put(fact)
        return fact

    def all(self) -> list[Fact]:
        """Every fact, oldest first."""
        return sorted((_fact(item) for item in self._items()), key=lambda fact: (fact.created_at, fact.fact_id))

    def edit(self, fact_id: str, text: str) -> Fact:
        """Replace a fact's text.

        Raises:
            FactError: no such fact, or the text is empty or too long.
        """
        old = self._find(fact_id)
        fact = Fact(old.fact_id, _checked(text), old.created_at)
        self._put(fact)
        return fact

    def delete(self, fact_id: str) -> None:
        """Forget a fact.

        Raises:
            FactError: no such fact.
        """
        fact = self._find(fact_id)
        with mapped_errors(self._database):
            self._store.delete(_NAMESPACE, fact.fact_id)

    def relevant(self, query_vector: np.ndarray, query: str, k: int = 3) -> list[Fact]:
        """The facts worth showing for a question, best first.

        Args:
            query_vector: unit vector of the question, float32 [d].
            query: the question.
            k: at most so many.
        """
        import numpy as np

        wanted = content_words(query)
        scored: list[tuple[float, Fact]] = []
        for item in self._items():
            fact = _fact(item)
            vector = self._vector(item, fact)
            similarity = float(np.dot(query_vector, vector))
            shared = bool(wanted & content_words(fact.text))
            if similarity >= CLOSE or (shared and similarity >= LOOSE):
                scored.append((similarity, fact))
        return [fact for _, fact in sorted(scored, key=lambda pair: -pair[0])[:k]]

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._connection.close()

    def _items(self) -> list[Any]:
        items: list[Any] = []
        with mapped_errors(self._database):
            while page := self._store.search(_NAMESPACE, limit=200, offset=len(items)):
                items += page
        return items

    def _find(self, fact_id: str) -> Fact:
        found = [fact for fact in self.all() if fact_id and fact.fact_id.startswith(fact_id.strip().lower())]
        if len(found) != 1:
            what = f'"{fact_id}" fits {len(found)} facts.' if found else f'There is no fact "{fact_id}".'
            raise FactError(what, kept="Nothing was changed.", fix="`ratchet memory list` shows the ids.")
        return found[0]

    def _put(self, fact: Fact) -> None:
        value = {"text": fact.text, "created_at": fact.created_at} | self._embedded(fact.text)
        with mapped_errors(self._database):
            self._store.put(_NAMESPACE, fact.fact_id, value, index=False)

    def _embedded(self, text: str) -> dict[str, str]:
        vector = self._embed([text])[0].astype("<f4")
        return {"vector": base64.b64encode(vector.tobytes()).decode(), "embedder": self._fingerprint}

    def _vector(self, item: Any, fact: Fact) -> np.ndarray:
        import numpy as np

        if item.value.get("embedder") != self._fingerprint:
            self._put(fact)
            return np.asarray(self._embed([fact.text])[0])
        return np.frombuffer(base64.b64decode(item.value["vector"]), dtype="<f4")


def _fact(item: Any) -> Fact:
    return Fact(item.key, str(item.value["text"]), str(item.value["created_at"]))


def _normal(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".!")


def _checked(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        raise FactError("There is nothing to remember.", fix="Say what: `ratchet memory add TEXT`.")
    if len(text) > MAX_FACT_CHARS:
        raise FactError(
            f"A fact may have {MAX_FACT_CHARS} characters; this one has {len(text):,}.",
            kept="Nothing was stored.",
            fix="Shorten it, or save it as a document and `ratchet ingest` that.",
        )
    return text
