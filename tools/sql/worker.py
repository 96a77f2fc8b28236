"""The process that runs one query, confined: request as JSON on standard input, answer on standard output.

Its parent ends it when it takes too long, whatever it is busy with.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tools.sql.confinement import confine
from tools.sql.duck import DuckEngine
from tools.sql.postgres import PostgresEngine
from tools.sql.rows import QueryFailed
from tools.sql.sqlite import SqliteEngine


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What a request comes to: "result", "tables" or "error"."""
    kind = request["kind"]
    kept = confine(request["memory_bytes"], network=kind == "postgresql")
    engine: DuckEngine | PostgresEngine | SqliteEngine
    if kind == "sqlite":
        engine = SqliteEngine(request["location"], request["seconds"])
    elif kind == "files":
        memory = request["memory_bytes"] // 2
        engine = DuckEngine(request["files"], request["seconds"], memory, views=kept)
    else:
        engine = PostgresEngine(request["location"], request["seconds"])
    try:
        if request["sql"]:
            return {"result": engine.query(request["sql"]).to_json()}
        return {"tables": [table.to_json() for table in engine.tables()]}
    except QueryFailed as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "the query needs more memory than it may have; filter or aggregate more"}
    except OSError as error:
        return {"error": f"the database cannot be read: {error.strerror}"}


def main() -> None:
    """Answer the one request."""
    request = json.load(sys.stdin.buffer)
    sys.stdout.buffer.write(json.dumps(answer(request)).encode())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
