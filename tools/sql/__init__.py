"""Read-only SQL over the user's databases: SQLite, CSV, TSV and Parquet files, PostgreSQL.

`sources` tells what a database is; `process` runs one query in a confined process, `worker`, by the engine of its
kind: `sqlite`, `duck` or `postgres`; `rows` is what comes back.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tools.spec import ToolSpec
from tools.sql.process import ask
from tools.sql.rows import QueryFailed, as_text
from tools.sql.sources import Source, source_of

if TYPE_CHECKING:
    from tools.resources import Resources

MAX_CHARS = 20_000
MAX_SQL = 20_000
_MODULES = {"files": "duckdb", "postgresql": "psycopg"}
_ENGINES = {"sqlite": "SQLite", "files": "DuckDB", "postgresql": "PostgreSQL"}


def unavailable(resources: Resources) -> str:
    """Which configured databases cannot be queried for want of a package."""
    reasons = []
    for name, location in sorted(resources.databases.items()):
        try:
            missing = _missing(source_of(location))
        except QueryFailed as error:
            reasons.append(f"The database {name} cannot be read: {error}.")
        else:
            if missing:
                reasons.append(f"The database {name} needs {missing}: pip install 'ratchet-agent[tools]'.")
    return " ".join(reasons)


def build(resources: Resources) -> list[ToolSpec]:
    """The SQL tools; none without databases."""
    from langchain_core.tools import ToolException, tool

    databases, cancelled = resources.databases, resources.cancelled
    if not databases:
        return []

    @tool(response_format="content_and_artifact")
    def list_tables(database: str = "") -> tuple[str, dict[str, Any]]:
        """List the tables of a database with their columns and first rows; look here before querying."""
        try:
            return _listed(databases, database, cancelled)
        except QueryFailed as error:
            raise ToolException(_sentence(error)) from None

    @tool(response_format="content_and_artifact")
    def query_database(sql: str, database: str = "") -> tuple[str, dict[str, Any]]:
        """Run one SELECT statement on a database and return its rows; nothing can be changed."""
        try:
            return _queried(databases, database, sql, cancelled)
        except QueryFailed as error:
            raise ToolException(_sentence(error)) from None

    return [ToolSpec(list_tables, "read", untrusted=True), ToolSpec(query_database, "read", untrusted=True)]


def _sentence(error: QueryFailed) -> str:
    from knowledge.text import sanitize

    said = sanitize(str(error)).strip().removesuffix(".")
    return f"{said[:1].upper()}{said[1:2_000]}."


def _missing(source: Source) -> str:
    package = _MODULES.get(source.kind, "")
    return package if package and importlib.util.find_spec(package) is None else ""


def _chosen(databases: Mapping[str, str], name: str) -> tuple[str, Source]:
    if not name and len(databases) == 1:
        (name,) = databases
    if name not in databases:
        asked = f"there is no database {name[:80]!r}" if name else "say which database"
        raise QueryFailed(f"{asked}; there are: {', '.join(sorted(databases))}")
    source = source_of(databases[name])
    if missing := _missing(source):
        raise QueryFailed(f"the package {missing} is not installed: pip install 'ratchet-agent[tools]'")
    return name, source


def _queried(
    databases: Mapping[str, str], database: str, sql: str, cancelled: Callable[[], bool]
) -> tuple[str, dict[str, Any]]:
    _, source = _chosen(databases, database)
    sql = sql.strip()
    if not sql:
        raise QueryFailed("the statement is empty")
    if len(sql) > MAX_SQL:
        raise QueryFailed(f"a statement may have {MAX_SQL:,} characters, this has {len(sql):,}")
    result = ask(source, sql, cancelled)["result"]
    columns, rows = result["columns"], result["rows"]
    text, shown = as_text(columns, rows, MAX_CHARS)
    if not rows:
        text += "\n(no rows)"
    elif shown < len(rows) or result["more"]:
        text += f"\n(first {shown} rows; there are more: use LIMIT, WHERE or an aggregate to see others)"
    if result["cut"]:
        text += "\n(long values are cut)"
    return text, {"table": {"columns": columns, "rows": rows}}


def _listed(databases: Mapping[str, str], database: str, cancelled: Callable[[], bool]) -> tuple[str, dict[str, Any]]:
    name, source = _chosen(databases, database)
    tables = ask(source, "", cancelled)["tables"]
    parts = [f"Database {name} ({_ENGINES[source.kind]}), {len(tables)} tables:"]
    for table in tables:
        about = "" if table["exact"] else "about "
        size = f", {about}{table['size']:,} rows" if table["size"] is not None else ""
        columns = ", ".join(f"{column} {kind}".strip() for column, kind in table["columns"])
        first = "".join(f"\n  {line}" for line in as_text([], table["first"], 600)[0].split("\n")[1:])
        parts.append(f"{table['name']} ({table['kind']}{size}): {columns}{first}")
    text, shown = "\n".join(parts), len(tables)
    while len(text) > MAX_CHARS and shown > 1:
        shown -= 1
        text = "\n".join(parts[: shown + 1]) + f"\n(first {shown} of {len(tables)} tables)"
    rows = [[table["name"], column, kind] for table in tables for column, kind in table["columns"]]
    return text[:MAX_CHARS], {"table": {"columns": ["table", "column", "type"], "rows": rows[:200]}}
