"""Starts the confined process for one query, and ends it when time is over or the user wants to stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.sql.rows import QueryFailed
from tools.sql.sources import Source
from tools.stopping import Stopper

QUERY_SECONDS = 10.0
MEMORY_BYTES = 1024 * 2**20
_GRACE = 3.0  # seconds for starting, and for the engine's own limit to be the one that is told


def ask(
    source: Source, sql: str, cancelled: Callable[[], bool], seconds: float = QUERY_SECONDS, memory: int = MEMORY_BYTES
) -> dict[str, Any]:
    """The answer of the process to a query, or with empty `sql` to what tables there are.

    Raises:
        QueryFailed: it was refused, stopped, or wrong.
    """
    request = source.to_json() | {"sql": sql, "seconds": seconds, "memory_bytes": memory}
    process = subprocess.Popen(
        # -S and -s: the module path comes from us, and running the site hooks would double the start-up time.
        [sys.executable, "-B", "-P", "-s", "-S", "-X", "utf8", "-m", "tools.sql.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # Nothing of the user's where that can be: the variables of libpq would redirect a connection.
        env={"PYTHONPATH": _module_path()} if os.name == "posix" else {**os.environ, "PYTHONPATH": _module_path()},
    )
    with process, Stopper(process.kill, seconds + _GRACE, cancelled) as stopper:
        try:
            output, _ = process.communicate(json.dumps(request).encode())
        finally:
            process.kill()
    if stopper.cancelled:
        raise QueryFailed("the query was stopped because the user asked to")
    if stopper.late:
        raise QueryFailed(_late(seconds))
    return _answer(output, process.returncode, seconds)


def _answer(output: bytes, code: int, seconds: float) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(output)
    except ValueError:
        raise QueryFailed(f"the process that ran the query broke off ({code}), perhaps for want of memory") from None
    if "error" in answer:
        raise QueryFailed(_late(seconds) if answer["error"] == "interrupted" else answer["error"])
    return answer


def _late(seconds: float) -> str:
    return f"the query was stopped after {seconds:g} seconds; filter, aggregate or limit more"


def _module_path() -> str:
    ours = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(dict.fromkeys([*(os.path.abspath(entry) for entry in sys.path), ours]))
