"""The database is durable, private and honest about what is wrong with it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from agent.database import check, connect, mapped_errors, migrate
from agent.errors import DatabaseError
from agent.records import Records
from agent.schema import Turn


def a_turn(number: int, thread: str = "t", text: str = "answer") -> Turn:
    return Turn(f"turn{number}", thread, f"question {number}", text, "done", created_at=f"2026-01-01T00:00:{number:02}")


def test_commits_are_durable_and_the_file_is_private(tmp_path: Path) -> None:
    database = tmp_path / "deep" / "ratchet.db"
    connection = connect(database)
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    connection.execute("CREATE TABLE x (y)")
    connection.commit()
    assert {oct(path.stat().st_mode & 0o777) for path in database.parent.iterdir()} == {"0o600"}
    connection.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    database.write_text("these are my holiday notes, not a database at all" * 100)
    with pytest.raises(DatabaseError, match="not a Ratchet database"):
        Records(database)
    assert database.read_text().startswith("these are my holiday notes")


def test_a_lock_held_by_another_program(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    Records(database).close()
    other = sqlite3.connect(database)
    other.execute("BEGIN IMMEDIATE")
    waiting = connect(database, busy_seconds=0.05)
    with pytest.raises(DatabaseError, match="locked") as caught, mapped_errors(database):
        waiting.execute("INSERT INTO threads VALUES ('a', 'b', 'c')")
    assert caught.value.fix
    other.close()
    waiting.close()


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    records = Records(tmp_path / "ratchet.db")
    records.append(a_turn(1))
    pages = records._connection.execute("PRAGMA page_count").fetchone()[0]
    records._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DatabaseError, match="disk is full"):
        records.append(a_turn(2, text="x" * 1_000_000))
    assert [turn.turn_id for turn in records.turns("t")] == ["turn1"]
    records.close()
    assert check(tmp_path / "ratchet.db") == []


def test_a_read_only_database(tmp_path: Path) -> None:
    records = Records(tmp_path / "ratchet.db")
    records._connection.execute("PRAGMA query_only=ON")
    with pytest.raises(DatabaseError, match="cannot be written"):
        records.append(a_turn(1))
    records.close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="cannot be created"):
        connect(tmp_path / "file" / "ratchet.db")


def test_a_newer_format_is_refused_untouched(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    Records(database).close()
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(DatabaseError, match="newer version"):
        Records(database)


def test_a_failing_migration_changes_nothing(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    connection = connect(database, autocommit=True)
    with pytest.raises(DatabaseError):
        migrate(connection, database, ("CREATE TABLE a (b); CREATE TABLE a (b)",))
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 0
    connection.close()


def test_a_damaged_file_is_found_by_the_check(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    records = Records(database)
    for number in range(40):
        records.append(a_turn(number, text="words " * 400))
    records._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    records.close()
    data = bytearray(database.read_bytes())
    data[8192:16384] = bytes(8192)
    database.write_bytes(data)
    try:
        findings = check(database)
    except DatabaseError as error:
        findings = [str(error)]
    assert findings


WRITER = """
    import sys
    from pathlib import Path
    from agent.records import Records
    from agent.schema import Turn
    records = Records(Path(sys.argv[1]))
    number = int(sys.argv[2])
    while True:
        records.append(Turn(f"turn{number}", "t", "q", "word " * 300, "done", created_at="2026"))
        print(number, flush=True)
        number += 1
"""


def test_no_acknowledged_turn_is_lost_to_kill_9(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    acknowledged = 0
    for round_number in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(database), str(acknowledged)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout is not None
        for _ in range(3 + 7 * round_number):
            acknowledged = max(acknowledged, int(child.stdout.readline()) + 1)
        os.kill(child.pid, signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait()
        child.stdout.close()
        acknowledged = max([acknowledged, *(int(number) + 1 for number in rest)])
        records = Records(database)
        recorded = {turn.turn_id for turn in records.turns("t")}
        records.close()
        assert {f"turn{number}" for number in range(acknowledged)} <= recorded
        assert check(database) == []
        acknowledged = len(recorded)
