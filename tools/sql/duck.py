"""CSV, TSV and Parquet files through DuckDB, which then may reach no other file, no network and no setting.

https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tools.sql.rows import QueryFailed, Rows, Table, collect
from tools.stopping import Stopper

if TYPE_CHECKING:
    import duckdb

_BATCH = 50
_GLOB = frozenset("*?[]{}")
_CONFIG: dict[str, Any] = {
    "threads": 2,
    "temp_directory": "",
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
    "allow_persistent_secrets": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}


class DuckEngine:
    """Some files as tables of one database in memory.

    Args:
        files: table name → path.
        seconds: how long everything together may take.
        memory_bytes: how much DuckDB may hold.
        views: whether queries may read the files as they need them. That leaves DuckDB the right to open them, to
            write too, so it is only for a process that cannot write; otherwise they are loaded whole.
    """

    def __init__(self, files: dict[str, str], seconds: float, memory_bytes: int, *, views: bool) -> None:
        self._files = files
        self._end = time.monotonic() + seconds
        self._memory = memory_bytes
        self._views = views

    def query(self, sql: str) -> Rows:
        """The result of one SELECT statement."""
        import duckdb

        wanted = {name: path for name, path in self._files.items() if name in sql.casefold()}
        connection = self._connect(wanted if not self._views else self._files)
        try:
            with self._stopper(connection):
                statements = connection.extract_statements(sql)
                if len(statements) != 1:
                    raise QueryFailed("only one statement at a time")
                if statements[0].type != duckdb.StatementType.SELECT:
                    raise QueryFailed("only reading is allowed here: one SELECT statement")
                connection.execute(statements[0])
                return _fetched(connection)
        except (duckdb.Error, MemoryError) as error:
            raise QueryFailed(_sentence(error)) from None
        finally:
            connection.close()

    def tables(self) -> list[Table]:
        """The tables with their columns, sizes and first rows."""
        import duckdb

        connection = self._connect(self._files)
        try:
            with self._stopper(connection):
                return [_table(connection, name) for name in self._files]
        except (duckdb.Error, MemoryError) as error:
            raise QueryFailed(_sentence(error)) from None
        finally:
            connection.close()

    def _stopper(self, connection: duckdb.DuckDBPyConnection) -> Stopper:
        return Stopper(connection.interrupt, max(0.0, self._end - time.monotonic()), lambda: False)

    def _connect(self, files: dict[str, str]) -> duckdb.DuckDBPyConnection:
        import duckdb

        memory = f"{self._memory // 2**20}MiB"
        connection = duckdb.connect(":memory:", config=_CONFIG | {"memory_limit": memory})
        made = "VIEW" if self._views else "TABLE"
        try:
            with self._stopper(connection):
                for name, path in files.items():
                    if _GLOB & set(path):
                        raise QueryFailed(
                            f"the path of the table {name} has one of the characters * ? [ ] {{ }}; rename it"
                        )
                    reader = "read_parquet" if path.lower().endswith(".parquet") else "read_csv"
                    connection.execute(f'CREATE {made} "{name}" AS SELECT * FROM {reader}({_literal(path)})')  # noqa: S608
            if self._views:
                connection.execute(f"SET allowed_paths = [{', '.join(map(_literal, files.values()))}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        except (duckdb.Error, MemoryError) as error:
            connection.close()
            raise QueryFailed(_sentence(error)) from None
        return connection


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _fetched(connection: duckdb.DuckDBPyConnection, most: int | None = None) -> Rows:
    columns = [column[0] for column in connection.description or ()]
    rows = (row for batch in iter(lambda: connection.fetchmany(_BATCH), []) for row in batch)
    return collect(columns, rows) if most is None else collect(columns, rows, most)


def _table(connection: duckdb.DuckDBPyConnection, name: str) -> Table:
    connection.execute(f'SELECT * FROM "{name}" LIMIT 3')  # noqa: S608
    columns = [[column[0], str(column[1]).lower()] for column in connection.description or ()]
    first = _fetched(connection).rows
    counted = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608
    return Table(name, "table", columns, counted[0] if counted else None, True, first)


def _sentence(error: Exception) -> str:
    import duckdb

    if isinstance(error, duckdb.InterruptException):
        return "interrupted"
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        return "the query needs more memory than it may have; filter or aggregate more"
    if isinstance(error, duckdb.PermissionException):
        return f"only the tables of this database may be read ({str(error).splitlines()[0]})"
    return str(error).split("\n\n")[0].strip()
