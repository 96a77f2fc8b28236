"""PostgreSQL, read only: one SELECT as a cursor in a READ ONLY transaction that is always rolled back.

DECLARE CURSOR takes nothing but a query, without data-modifying WITH; sent by the extended protocol it is one
statement. What a read-only transaction does not forbid, functions with effects, is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tools.sql.functions import HARMLESS, SECRET, names
from tools.sql.rows import QueryFailed, Rows, Table, collect

if TYPE_CHECKING:
    import psycopg

MAX_TABLES = 100
_CONNECT_SECONDS = 5
_BATCH = 50
_LISTED_ROWS = 20  # with more tables, their first rows are left out
_SETTINGS = (
    "SET standard_conforming_strings = on",
    "SET default_transaction_read_only = on",
    "SET idle_in_transaction_session_timeout = 60000",
    "SET lock_timeout = 3000",
    "SET client_encoding = 'UTF8'",
)
_TABLES = """
    SELECT c.oid, quote_ident(n.nspname), quote_ident(c.relname), c.relkind::text, c.reltuples::bigint
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY n.nspname <> 'public', n.nspname, c.relname LIMIT %s"""
_COLUMNS = """
    SELECT quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
    WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_EFFECTS = "SELECT DISTINCT proname::text FROM pg_catalog.pg_proc WHERE provolatile = 'v' AND proname = ANY(%s)"


class PostgresEngine:
    """One PostgreSQL database.

    Args:
        url: its address, with the password.
        seconds: how long a statement may take.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._url = url
        self._seconds = seconds

    def query(self, sql: str) -> Rows:
        """The result of one SELECT statement."""
        called, every = names(sql)
        with self._reading() as cursor:
            _refuse(cursor, called, every)
            declared = "DECLARE ratchet NO SCROLL CURSOR WITHOUT HOLD FOR " + sql
            cursor.execute(declared.encode(), prepare=True)
            cursor.execute(f"FETCH {_BATCH} FROM ratchet")
            columns = [column.name for column in cursor.description or ()]
            return collect(columns, _batches(cursor))

    def tables(self) -> list[Table]:
        """The tables and views that may be read, with columns, estimated sizes and first rows."""
        with self._reading() as cursor:
            found = cursor.execute(_TABLES, (MAX_TABLES,)).fetchall()
            listed = []
            for oid, schema, name, kind, size in found:
                full = name if schema == "public" else f"{schema}.{name}"
                columns = [[column, type_] for column, type_ in cursor.execute(_COLUMNS, (oid,)).fetchall()]
                table = Table(full, "view" if kind in "vm" else "table", columns, size if size >= 0 else None, False)
                if len(found) <= _LISTED_ROWS and kind in "rp":
                    table.first = _first_rows(cursor, f"{schema}.{name}")
                listed.append(table)
            return listed

    @contextmanager
    def _reading(self) -> Iterator[psycopg.Cursor[Any]]:
        """A cursor in a read-only transaction, which is rolled back at the end."""
        import psycopg

        try:
            with psycopg.connect(self._url, autocommit=True, connect_timeout=_CONNECT_SECONDS) as connection:
                _read_as_text(connection)
                cursor = connection.cursor()
                for setting in _SETTINGS:
                    cursor.execute(setting)
                with suppress(psycopg.Error):  # PostgreSQL 14: end a query whose client has gone
                    cursor.execute("SET client_connection_check_interval = 1000")
                cursor.execute(f"SET statement_timeout = {int(self._seconds * 1000)}")
                cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                cursor.execute("SELECT 1")  # from the first query on, a transaction can not become READ WRITE
                try:
                    yield cursor
                finally:
                    with suppress(psycopg.Error):
                        cursor.execute("ROLLBACK")
        except psycopg.Error as error:
            raise QueryFailed(self._sentence(error)) from None
        except (UnicodeError, ValueError):
            raise QueryFailed("the statement or the address of the database cannot be read") from None

    def _sentence(self, error: psycopg.Error) -> str:
        """What the server said, without the address and the password."""
        import psycopg

        if isinstance(error, psycopg.errors.QueryCanceled):
            return "interrupted"
        said = error.diag.message_primary
        if said is None:  # not from the server
            return "no connection to the database server: is it running, and are user and password right?"
        hint = error.diag.message_hint
        if isinstance(error, psycopg.errors.SyntaxError):
            said += "; only one SELECT statement is allowed here"
        return f"{said} ({hint})" if hint else said


def _refuse(cursor: psycopg.Cursor[Any], called: set[str], every: set[str]) -> None:
    secret = sorted(every & SECRET)
    if secret:
        raise QueryFailed(f"{', '.join(secret)} may not be read here")
    rows = cursor.execute(_EFFECTS, (sorted(called - HARMLESS),)).fetchall()
    if rows:
        named = ", ".join(sorted(row[0] for row in rows))
        raise QueryFailed(f"{named}: functions that can have effects (VOLATILE) are not allowed here")


def _batches(cursor: psycopg.Cursor[Any]) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchall():
        yield from rows
        cursor.execute(f"FETCH {_BATCH} FROM ratchet")


def _first_rows(cursor: psycopg.Cursor[Any], quoted: str) -> list[list[Any]]:
    import psycopg

    cursor.execute("SAVEPOINT peek")
    try:
        return collect([], cursor.execute(f"SELECT * FROM {quoted} LIMIT 3".encode())).rows  # noqa: S608
    except psycopg.Error:
        return []
    finally:
        cursor.execute("ROLLBACK TO SAVEPOINT peek")


def _read_as_text(connection: psycopg.Connection[Any]) -> None:
    """Dates as the server writes them: Python has no year 10000 and no infinity."""
    from psycopg.types.string import TextLoader

    for name in ("date", "timestamp", "timestamptz", "time", "timetz", "interval", "json", "jsonb"):
        connection.adapters.register_loader(name, TextLoader)
