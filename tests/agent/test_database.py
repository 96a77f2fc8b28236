"""The database is durable, private and honest about what is wrong with it."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.database import connect, mapped_errors, migrate, writing
from agent.errors import DatabaseError
from agent.memory import FactStore, open_checkpointer
from agent.records import Records
from agent.schema import Turn

ROOT = Path(__file__).parents[2]
NOBODY = 65534


def a_turn(number: int, text: str = "answer") -> Turn:
    moment = f"2026-01-01T00:00:{number:02}"
    return Turn(f"turn{number}", "t", f"question {number}", text, "done", created_at=moment)


def numbers(texts: list[str]) -> np.ndarray:
    return np.eye(4, dtype="f4")[: len(texts)]


def program(source: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


def damage(database: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]


OPENERS: tuple[Callable[[Path], object], ...] = (
    open_checkpointer,
    Records,
    lambda database: FactStore(database, numbers, "numbers"),
)
each_opener = pytest.mark.parametrize("opener", OPENERS, ids=["checkpointer", "records", "facts"])


def test_commits_are_durable_and_deletions_overwrite(tmp_path: Path) -> None:
    connection = connect(tmp_path / "deep" / "ratchet.db", busy_seconds=7)
    settings = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "busy_timeout")
    }
    connection.close()
    full = 2
    assert settings == {
        "journal_mode": "wal",
        "synchronous": full,
        "secure_delete": 1,
        "foreign_keys": 1,
        "busy_timeout": 7000,
    }


def test_every_connection_is_durable(tmp_path: Path) -> None:
    saver, records = open_checkpointer(tmp_path / "ratchet.db"), Records(tmp_path / "ratchet.db")
    facts = FactStore(tmp_path / "ratchet.db", numbers, "numbers")
    for connection in (saver.conn, records._connection, facts._connection):
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        connection.close()


def test_the_files_are_private_even_if_they_were_not(tmp_path: Path) -> None:
    database = tmp_path / "home" / "ratchet.db"
    Records(database).close()
    database.chmod(0o644)
    records = Records(database)
    records.append(a_turn(1))
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in database.parent.iterdir()}
    records.close()
    assert modes == dict.fromkeys(["ratchet.db", "ratchet.db-wal", "ratchet.db-shm"], "0o600")


def test_a_file_made_read_only_by_its_owner_stays_so(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    Records(database).close()
    database.chmod(0o444)
    Records(database).close()
    assert oct(database.stat().st_mode & 0o777) == "0o400"


@each_opener
def test_a_file_that_is_no_database(tmp_path: Path, opener: Callable[[Path], object]) -> None:
    database = tmp_path / "ratchet.db"
    database.write_text("these are my holiday notes, not a database at all" * 100)
    before = database.read_bytes()
    with pytest.raises(DatabaseError, match="not a Ratchet database") as caught:
        opener(database)
    assert caught.value.kept
    assert caught.value.fix
    assert database.read_bytes() == before


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "ratchet.db").mkdir()
    with pytest.raises(DatabaseError, match="cannot be written"):
        Records(tmp_path / "ratchet.db")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="cannot be created"):
        connect(tmp_path / "file" / "ratchet.db")


@each_opener
def test_a_newer_format_is_refused_untouched(tmp_path: Path, opener: Callable[[Path], object]) -> None:
    database = tmp_path / "ratchet.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA user_version=99")
    before = database.read_bytes()
    with pytest.raises(DatabaseError, match="newer version"):
        opener(database)
    assert database.read_bytes() == before


def test_a_failing_migration_changes_nothing(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    connection = sqlite3.connect(database, isolation_level=None)
    with pytest.raises(DatabaseError):
        migrate(connection, database, (("CREATE TABLE a (b)",), ("CREATE TABLE a (b)",)))
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 0
    second = ("CREATE TABLE c (d)", "INSERT INTO c VALUES (';')")
    migrate(connection, database, (("CREATE TABLE a (b)",), second))
    assert connection.execute("SELECT d FROM c").fetchone()[0] == ";"
    connection.close()


HOLD = """
    import sqlite3, sys
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_held_by_another_program(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    records = Records(database)
    records.append(a_turn(1))
    with program(HOLD, database) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waiting = connect(database, busy_seconds=0.05)
        with pytest.raises(DatabaseError, match="locked by another program") as caught:
            with writing(waiting, database):
                pass
        assert caught.value.fix
        assert [turn.turn_id for turn in records.turns("t")] == ["turn1"]
        holder.communicate("go\n")
    with writing(waiting, database):
        waiting.execute("UPDATE threads SET title = 'free again'")
    assert records.threads()[0].title == "free again"
    waiting.close()
    records.close()


def test_a_new_file_that_another_is_writing_is_waited_for(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    other = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError, match="locked"):
        connect(database, busy_seconds=0.05)
    released = threading.Timer(0.2, other.rollback)
    released.start()
    connect(database).close()
    released.join()
    other.close()


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    records = Records(database)
    records.append(a_turn(1))
    pages = records._connection.execute("PRAGMA page_count").fetchone()[0]
    records._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DatabaseError, match="disk is full"):
        records.append(a_turn(2, text="x" * 1_000_000))
    assert [turn.turn_id for turn in records.turns("t")] == ["turn1"]
    records._connection.execute("PRAGMA max_page_count=1000000")
    records.append(a_turn(2))
    assert len(records.turns("t")) == 2
    records.close()
    assert damage(database) == []


LIMITED = """
    import resource, sys
    from pathlib import Path
    from agent.errors import DatabaseError
    from agent.records import Records
    from agent.schema import Turn
    records = Records(Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        for number in range(1000):
            records.append(Turn(f"turn{number}", "t", "q", "word " * 1000, "done", created_at="2026"))
            print(number, flush=True)
    except DatabaseError as error:
        print(error.what)
"""


def test_a_disk_that_refuses_a_write_loses_nothing_acknowledged(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    with program(LIMITED, database) as child:
        output, errors = child.communicate()
    assert child.returncode == 0, errors
    *acknowledged, message = output.splitlines()
    assert "refused" in message or "full" in message
    assert len(acknowledged) > 3
    with contextlib.closing(Records(database)) as records:
        assert {f"turn{number}" for number in acknowledged} <= {turn.turn_id for turn in records.turns("t")}
    assert damage(database) == []


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """File permissions do not stop root, so the block runs as nobody."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        Records(Path(name) / "ratchet.db").close()
        yield Path(name)
        Path(name).chmod(0o777)


def test_a_read_only_file_can_be_read_and_says_so_when_written(open_folder: Path) -> None:
    database = open_folder / "ratchet.db"
    with contextlib.closing(Records(database)) as records:
        records.append(a_turn(1))
    database.chmod(0o444)
    with without_privileges(), contextlib.closing(Records(database)) as records:
        assert [turn.turn_id for turn in records.turns("t")] == ["turn1"]
        with pytest.raises(DatabaseError, match="cannot be written"):
            records.append(a_turn(2))
    assert not database.stat().st_mode & 0o222


def test_a_read_only_folder(open_folder: Path) -> None:
    (open_folder / "ratchet.db").chmod(0o444)
    open_folder.chmod(0o555)
    with without_privileges():
        with pytest.raises(DatabaseError, match="cannot be written"):
            Records(open_folder / "ratchet.db")
        with pytest.raises(DatabaseError, match="cannot be created"):
            Records(open_folder / "another.db")


def test_damage_is_reported_as_damage(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    with contextlib.closing(Records(database)) as records:
        for number in range(40):
            records.append(a_turn(number, text="words " * 400))
    data = bytearray(database.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    database.write_bytes(data)
    with pytest.raises(DatabaseError, match="is damaged") as caught:
        Records(database).turns("t")
    assert "unharmed" not in caught.value.kept


def test_a_closed_database_is_a_clear_error_too(tmp_path: Path) -> None:
    records = Records(tmp_path / "ratchet.db")
    records.close()
    records.close()
    with pytest.raises(DatabaseError, match="closed"):
        records.threads()


def test_an_error_inside_a_transaction_takes_all_of_it_back(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    connection = connect(database)
    with pytest.raises(KeyError), writing(connection, database):
        connection.execute("INSERT INTO threads VALUES ('a', 'b', 'c')")
        raise KeyError
    with pytest.raises(DatabaseError), mapped_errors(database):
        connection.execute("SELECT * FROM nothing")
    assert connection.execute("SELECT count(*) FROM threads").fetchone()[0] == 0
    connection.close()


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
    chance = random.Random(20)
    following, acknowledged = 0, set[str]()
    for _ in range(20):
        with program(WRITER, database, following) as child:
            assert child.stdout is not None
            for _ in range(chance.randrange(1, 30)):
                acknowledged.add(child.stdout.readline().strip())
            time.sleep(chance.uniform(0, 0.01))
            child.kill()
            acknowledged |= set(child.stdout.read().splitlines())
        with contextlib.closing(Records(database)) as records:
            recorded = {turn.turn_id.removeprefix("turn") for turn in records.turns("t")}
        assert acknowledged <= recorded
        assert len(recorded) <= len(acknowledged) + 20  # at most one unacknowledged turn a kill
        assert damage(database) == []
        following = len(recorded)


OPENER = """
    import sys
    from pathlib import Path
    import numpy as np
    from agent.memory import FactStore, open_checkpointer
    from agent.records import Records
    print("ready", flush=True)
    for name in sys.stdin:
        database = Path(name.strip())
        open_checkpointer(database).conn.close()
        Records(database).close()
        FactStore(database, lambda texts: np.eye(4, dtype="f4")[: len(texts)], "numbers").close()
        print("opened", flush=True)
"""


def test_programs_that_create_the_database_together(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(program(OPENER)) for _ in range(4)]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for number in range(15):
            for child in children:
                assert child.stdin is not None
                child.stdin.write(f"{tmp_path / str(number)}.db\n")
                child.stdin.flush()
        for child in children:
            output, errors = child.communicate()
            assert output == "opened\n" * 15, errors


CUT_OFF = """
    import os, signal, sys
    from pathlib import Path
    import numpy as np
    from agent.memory import FactStore, open_checkpointer
    from agent.records import Records

    def open_all(database):
        open_checkpointer(database).conn.close()
        FactStore(database, lambda texts: np.eye(4, dtype="f4")[: len(texts)], "numbers").close()
        Records(database).close()

    def die_at(step):
        def watch(frame, event, called):
            nonlocal step
            if event == "c_call" and called.__name__ in ("execute", "executescript"):
                step -= 1
                if step == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.setprofile(watch)

    step, died = 0, True
    while died:
        step += 1
        database = Path(sys.argv[1]) / f"{step}.db"
        child = os.fork()
        if child == 0:
            die_at(step)
            open_all(database)
            os._exit(0)
        died = os.waitpid(child, 0)[1] != 0
        open_all(database)
    print(step - 1)
"""


def test_a_set_up_killed_at_any_statement_is_finished_by_the_next(tmp_path: Path) -> None:
    with program(CUT_OFF, tmp_path) as child:
        output, errors = child.communicate()
    assert child.returncode == 0, errors
    assert int(output) > 20  # so many statements it died at
