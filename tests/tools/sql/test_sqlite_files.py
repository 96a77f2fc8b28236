"""SQLite, CSV and Parquet through the tools: what reads is answered, and nothing on disk ever changes."""

from __future__ import annotations

import gzip
import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tools.resources import Resources
from tools.sql import build, unavailable
from tools.sql.duck import DuckEngine
from tools.sql.process import ask
from tools.sql.rows import QueryFailed, as_text, collect
from tools.sql.sources import source_of
from tools.sql.sqlite import SqliteEngine


def make_sqlite(path: Path, journal: str = "delete") -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.executescript("""
            CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, born DATE, photo BLOB);
            INSERT INTO people VALUES (1, 'Zoë', '1990-05-01', x'00ff'), (2, '李雷', '1985-12-24', NULL);
            CREATE TABLE orders (id INTEGER PRIMARY KEY, person INTEGER, amount REAL);
            CREATE VIEW totals AS SELECT person, sum(amount) AS total FROM orders GROUP BY person;
            CREATE TABLE "Odd ""x" ("a b" TEXT);
            CREATE VIRTUAL TABLE notes USING fts5(body);
            INSERT INTO notes VALUES ('the door is blue'), ('the roof is red');
            CREATE TRIGGER watch AFTER INSERT ON people BEGIN DELETE FROM orders; END;
        """)
        database.executemany("INSERT INTO orders VALUES (?, ?, ?)", ((i, 1 + i % 2, i * 0.5) for i in range(1, 501)))
        database.commit()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Databases of every kind; whatever the tests did, they are the same afterwards, and nothing lies beside them."""
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    place = tmp_path_factory.mktemp("databases")
    make_sqlite(place / "shop.db")
    make_sqlite(place / "log.db", "wal")
    tables = place / "tables"
    tables.mkdir()
    (tables / "Sales 2024.csv").write_text("day,amount,who\n2024-01-02,3.5,Zoë\n2024-02-03,4,李雷\n2024-02-04,,Zoë\n")
    (tables / "codes.tsv").write_text("code\tmeaning\nA\talpha\nB\tbeta\n")
    with gzip.open(tables / "packed.csv.gz", "wt") as file:
        file.write("n\n1\n2\n")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT range AS id, 'x' || range AS name FROM range(1000)) TO '{tables}/big.parquet'"
        )
    (tables / "linked.csv").symlink_to("/etc/passwd")
    before = state(place)
    yield place
    assert state(place) == before


def state(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def duck(folder: Path, views: bool) -> DuckEngine:
    return DuckEngine(source_of(str(folder / "tables")).files, 10.0, 512 * 2**20, views=views)


SQLITE_READS: list[tuple[str, list[list[Any]]]] = [
    ("SELECT name FROM people WHERE name LIKE '李%'", [["李雷"]]),
    (
        "select p.name, sum(o.amount) from orders o join people p on p.id = o.person group by 1 order by 2",
        [["李雷", 31250.0], ["Zoë", 31375.0]],
    ),
    (
        "SELECT id, rank() OVER (PARTITION BY person ORDER BY amount DESC) FROM orders ORDER BY 2, 1 LIMIT 2",
        [[499, 1], [500, 1]],
    ),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r", [[15]]),
    ("SELECT strftime('%Y', born), date(born, '+1 month') FROM people WHERE id = 1", [["1990", "1990-06-01"]]),
    ("SELECT photo, typeof(photo) FROM people ORDER BY id", [["x'00ff'", "blob"], [None, "null"]]),
    ("SELECT total FROM totals WHERE person = 1", [[31375.0]]),
    ("SELECT body FROM notes WHERE notes MATCH 'door'", [["the door is blue"]]),
    ("SELECT json_extract('{\"a\": 7}', '$.a'), 9007199254740993", [[7, "9007199254740993"]]),
    (
        "PRAGMA table_info(orders)",
        [[0, "id", "INTEGER", 0, None, 1], [1, "person", "INTEGER", 0, None, 0], [2, "amount", "REAL", 0, None, 0]],
    ),
    ("SELECT name FROM pragma_table_info('totals')", [["person"], ["total"]]),
    ("SELECT name FROM sqlite_master WHERE type = 'view';", [["totals"]]),
]

SQLITE_ATTACKS = [
    "INSERT INTO people VALUES (9, 'x', NULL, NULL)",
    "UPDATE people SET name = 'x'",
    "DELETE FROM orders",
    "DELETE FROM orders RETURNING *",
    "WITH x AS (SELECT 1) INSERT INTO orders SELECT * FROM x, x, x",
    "REPLACE INTO people VALUES (1, 'x', NULL, NULL)",
    "DROP TABLE orders",
    "ALTER TABLE orders RENAME TO gone",
    "CREATE TABLE evil (x)",
    "CREATE TEMP TABLE evil (x)",
    "CREATE TEMP VIEW evil AS SELECT 1",
    "CREATE TEMP TRIGGER evil AFTER INSERT ON people BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE evil USING fts5(x)",
    "CREATE VIRTUAL TABLE temp.evil USING csv(filename='/etc/passwd')",
    "CREATE INDEX evil ON people (name)",
    "INSERT INTO notes(notes) VALUES ('rebuild')",
    "INSERT INTO notes(notes, rank) VALUES ('pgsz', 32)",
    "ATTACH '{place}/evil.db' AS evil",
    "ATTACH DATABASE '{place}/log.db' AS other",
    "ATTACH ':memory:' AS evil",
    "ATTACH 'file:{place}/evil.db?mode=rwc' AS evil",
    "DETACH main",
    "VACUUM",
    "VACUUM INTO '{place}/evil.db'",
    "VACUUM main INTO '{place}/evil.db'",
    "REINDEX",
    "ANALYZE",
    "BEGIN IMMEDIATE",
    "BEGIN",
    "COMMIT",
    "SAVEPOINT x",
    "EXPLAIN DELETE FROM orders",
    "PRAGMA writable_schema = ON",
    "PRAGMA writable_schema",
    "UPDATE sqlite_master SET sql = 'CREATE TABLE x (y)'",
    "DELETE FROM sqlite_master",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA journal_mode",
    "PRAGMA user_version = 7",
    "PRAGMA application_id = 7",
    "PRAGMA page_size = 512",
    "PRAGMA encoding = 'UTF-16'",
    "PRAGMA query_only = OFF",
    "PRAGMA trusted_schema = ON",
    "PRAGMA schema_version = 1",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA database_list",
    "SELECT file FROM pragma_database_list",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA incremental_vacuum",
    "PRAGMA optimize",
    "PRAGMA hard_heap_limit = 0",
    "PRAGMA soft_heap_limit = 0",
    "PRAGMA mmap_size = 1000000000",
    "PRAGMA integrity_check",
    "PRAGMA auto_vacuum = 1",
    "SELECT load_extension('/tmp/evil.so')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('{place}/evil', 'x')",
    "SELECT edit('x')",
    "SELECT fts3_tokenizer('x', x'00')",
    "SELECT * FROM fsdir('/etc')",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1; SELECT 2",
    "; DELETE FROM orders",
    ".shell touch {place}/evil",
    ".import /etc/passwd people",
    "SELECT\0 1; DELETE FROM orders",
    "",
]  # fmt: skip

DUCK_READS: list[tuple[str, list[list[Any]]]] = [
    ("SELECT day, amount FROM sales_2024 WHERE who = 'Zoë' ORDER BY day", [["2024-01-02", 3.5], ["2024-02-04", None]]),
    (
        "SELECT date_trunc('month', day)::DATE AS m, sum(amount) FROM sales_2024 GROUP BY m ORDER BY m",
        [["2024-01-01", 3.5], ["2024-02-01", 4.0]],
    ),
    (
        "SELECT b.name, s.who FROM sales_2024 s JOIN big b ON b.id = s.amount::INT AND day = DATE '2024-02-03'",
        [["x4", "李雷"]],
    ),
    ("SELECT id, row_number() OVER (ORDER BY id DESC) FROM big ORDER BY 2 LIMIT 1", [[999, 1]]),
    ("SELECT meaning FROM codes WHERE code = 'B';", [["beta"]]),
    ("SELECT sum(n) FROM Packed", [[3]]),
    ("FROM codes SELECT count(*)", [[2]]),
    (
        "SELECT [1, 2], {'a': 1}, 1.50::DECIMAL(5, 2), TIMESTAMP '2024-01-02 03:04:05'",
        [["[1, 2]", '{"a": 1}', "1.50", "2024-01-02 03:04:05"]],
    ),
]

DUCK_ATTACKS = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd', sep=':')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM '{place}/shop.db'",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_parquet('{place}/tables/../shop.db')",
    "SELECT * FROM read_csv('{place}/tables/linked.csv')",
    "SELECT * FROM linked",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM glob('{place}/*')",
    "SELECT * FROM read_csv('https://127.0.0.1/x.csv')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    "SELECT * FROM query_table('/etc/passwd')",
    "SELECT getenv('HOME')",
    "COPY (SELECT 1) TO '{place}/evil.csv'",
    "COPY sales_2024 TO '{place}/tables/Sales 2024.csv'",
    "COPY codes FROM '/etc/passwd'",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "EXPORT DATABASE '{place}/evil'",
    "IMPORT DATABASE '{place}/evil'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{place}/tables/codes.tsv'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "INSTALL sqlite; LOAD sqlite",
    "FORCE INSTALL '/tmp/evil.duckdb_extension'",
    "LOAD '/tmp/evil.duckdb_extension'",
    "INSTALL h3 FROM community",
    "ATTACH '{place}/evil.duckdb' AS evil",
    "ATTACH '{place}/shop.db' AS s (TYPE sqlite)",
    "ATTACH ':memory:' AS evil",
    "DETACH memory",
    "USE memory",
    "SET enable_external_access = true",
    "SET memory_limit = '100GB'",
    "SET threads = 64",
    "RESET enable_external_access",
    "SET VARIABLE x = 1",
    "PRAGMA enable_external_access = true",
    "PRAGMA database_list",
    "CALL pragma_database_size()",
    "CREATE SECRET s (TYPE s3, KEY_ID 'x', SECRET 'y')",
    "CREATE PERSISTENT SECRET s (TYPE http)",
    "CREATE TABLE evil AS SELECT 1",
    "CREATE MACRO evil() AS 1",
    "DROP VIEW sales_2024",
    "INSERT INTO codes VALUES ('C', 'gamma')",
    "UPDATE codes SET meaning = 'x'",
    "DELETE FROM codes",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "SELECT 1; COPY (SELECT 1) TO '{place}/evil.csv'",
    "SELECT 1; SELECT 2",
    "PREPARE p AS SELECT 1",
    "SELECT * FROM hidden_frame",
    "",
]  # fmt: skip


@pytest.mark.parametrize("name", ["shop.db", "log.db"])
@pytest.mark.parametrize(("sql", "rows"), SQLITE_READS, ids=[sql[:40] for sql, _ in SQLITE_READS])
def test_sqlite_answers_what_reads(folder: Path, name: str, sql: str, rows: list[list[Any]]) -> None:
    assert SqliteEngine(str(folder / name), 10.0).query(sql).rows == rows


@pytest.mark.parametrize("name", ["shop.db", "log.db"])
@pytest.mark.parametrize("attack", SQLITE_ATTACKS, ids=[sql[:50] for sql in SQLITE_ATTACKS])
def test_sqlite_changes_and_reads_nothing_else(folder: Path, name: str, attack: str) -> None:
    before = state(folder)
    try:
        rows = SqliteEngine(str(folder / name), 3.0).query(attack.replace("{place}", str(folder))).rows
    except QueryFailed as failed:
        assert "interrupted" not in str(failed)
    else:
        assert rows == []  # such as for "", which does nothing
    assert state(folder) == before


@pytest.mark.parametrize("views", [True, False], ids=["views", "loaded"])
@pytest.mark.parametrize(("sql", "rows"), DUCK_READS, ids=[sql[:40] for sql, _ in DUCK_READS])
def test_duckdb_answers_what_reads(folder: Path, views: bool, sql: str, rows: list[list[Any]]) -> None:
    assert duck(folder, views).query(sql).rows == rows


@pytest.mark.parametrize("views", [True, False], ids=["views", "loaded"])
@pytest.mark.parametrize("attack", DUCK_ATTACKS, ids=[sql[:50] for sql in DUCK_ATTACKS])
def test_duckdb_changes_and_reads_nothing_else(folder: Path, views: bool, attack: str) -> None:
    hidden_frame = {"secret": [1]}
    before = state(folder)
    with pytest.raises(QueryFailed) as failed:
        duck(folder, views).query(attack.replace("{place}", str(folder)))
    assert "interrupted" not in str(failed.value)
    assert hidden_frame and state(folder) == before


BOMBS = [
    ("shop.db", "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"),
    ("shop.db", "SELECT count(*) FROM orders a, orders b, orders c, orders d"),
    ("shop.db", "SELECT count(*) FROM (SELECT randomblob(7000000) AS b FROM orders, orders ORDER BY b)"),
    ("shop.db", "SELECT hex(zeroblob(4000000000))"),
    ("shop.db", "SELECT length(printf('%.*c', 2000000000, 'x'))"),
    ("shop.db", "SELECT length(group_concat(randomblob(8000000))) FROM orders, orders"),
    ("shop.db", "SELECT length(replace(hex(zeroblob(1000000)), '0', hex(zeroblob(1000000))))"),
    ("tables", "SELECT count(*) FROM range(100000000) a, range(100000000) b, range(100) c"),
    ("tables", "SELECT sum(length(repeat('x', 1000000000) || r::VARCHAR)) FROM range(100) t(r)"),
    ("tables", "SELECT list(range) FROM range(1000000000)"),
    ("tables", "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"),
]


@pytest.mark.parametrize(("name", "bomb"), BOMBS, ids=[bomb[:40] for _, bomb in BOMBS])
def test_bombs_end_within_the_limits(folder: Path, name: str, bomb: str) -> None:
    with pytest.raises(QueryFailed, match="stopped after 1 seconds|memory|too big|too large"):
        ask(source_of(str(folder / name)), bomb, lambda: False, seconds=1.0)


def test_the_process_cannot_write_even_where_an_engine_would(folder: Path) -> None:
    """What `confine` adds, shown by a program that does nothing but try."""
    import subprocess
    import sys

    program = (
        "import sys; from tools.sql.confinement import confine\n"
        "kept = confine(2**30, network=False)\n"
        "for path, mode in ((sys.argv[1], 'r+'), (sys.argv[1], 'w'), (sys.argv[1] + '.new', 'w')):\n"
        "    try: open(path, mode); print('opened')\n"
        "    except OSError: pass\n"
        "open(sys.argv[1]).read(); print(kept)\n"
    )
    command = [sys.executable, "-c", program, str(folder / "tables" / "codes.tsv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    if done.stdout.endswith("False\n"):
        pytest.skip("this kernel has no Landlock")
    assert done.stdout == "True\n"


def test_the_user_can_stop_a_query(folder: Path) -> None:
    asked = threading.Event()
    threading.Timer(0.3, asked.set).start()
    with pytest.raises(QueryFailed, match="the user asked"):
        ask(source_of(str(folder / "shop.db")), BOMBS[0][1], asked.is_set, seconds=60.0)


def test_a_database_that_is_being_written_is_read_as_of_its_last_commit(tmp_path: Path) -> None:
    path = tmp_path / "busy.db"
    make_sqlite(path, "wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO people VALUES (3, 'new', NULL, NULL)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO people VALUES (4, 'not yet', NULL, NULL)")
        count = "SELECT count(*) FROM people"
        assert ask(source_of(str(path)), count, lambda: False)["result"]["rows"] == [[3]]
        writer.execute("COMMIT")
        assert ask(source_of(str(path)), count, lambda: False)["result"]["rows"] == [[4]]
        assert writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def tools(folder: Path, **databases: str) -> dict[str, Any]:
    named = {name: str(folder / path) for name, path in databases.items()}
    return {spec.name: spec.tool for spec in build(Resources(databases=named))}


def called(tool: Any, **arguments: str) -> Any:
    return tool.invoke({"name": tool.name, "args": arguments, "id": "1", "type": "tool_call"})


def test_the_tools_list_and_query(folder: Path) -> None:
    offered = tools(folder, shop="shop.db")
    listed = called(offered["list_tables"])
    assert "orders (table, 500 rows): id integer primary key, person integer, amount real" in listed.content
    assert "notes_data" not in listed.content and "1 | Zoë | 1990-05-01" in listed.content
    assert ["orders", "amount", "real"] in listed.artifact["table"]["rows"]
    found = called(offered["query_database"], sql="SELECT id, amount FROM orders ORDER BY id")
    assert found.content.startswith("id | amount\n1 | 0.5\n") and "there are more" in found.content
    assert len(found.artifact["table"]["rows"]) == 200
    assert called(offered["query_database"], sql="SELECT 1 WHERE 0").content.endswith("(no rows)")


def test_the_tools_list_a_folder_of_tables(folder: Path) -> None:
    listed = called(tools(folder, data="tables")["list_tables"]).content
    assert "sales_2024 (table, 3 rows): day date, amount double, who varchar" in listed
    assert "big (table, 1,000 rows)" in listed and "linked" not in listed


def test_one_of_several_databases_is_named(folder: Path) -> None:
    offered = tools(folder, shop="shop.db", log="log.db")
    for arguments in ({"sql": "SELECT 1"}, {"sql": "SELECT 1", "database": "nothing"}):
        with pytest.raises(Exception, match="log, shop"):
            called(offered["query_database"], **arguments)
    assert called(offered["query_database"], sql="SELECT 1", database="log").content == "1\n1"


def test_there_are_no_tools_without_databases_and_reasons_for_those_that_cannot_be_read(folder: Path) -> None:
    assert build(Resources()) == [] and unavailable(Resources()) == ""
    wrong = {"a": str(folder / "none.db"), "b": "mysql://u:canary@host/x", "c": str(folder / "tables" / "codes.tsv")}
    reason = unavailable(Resources(databases=wrong))
    assert "a cannot be read: there is no file none.db" in reason and "b cannot be read" in reason
    assert "canary" not in reason and "c" not in reason.split("database ")


def test_a_damaged_or_foreign_file_is_told_as_such(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.db"
    make_sqlite(damaged)
    data = bytearray(damaged.read_bytes())
    data[100:3000] = b"\xff" * 2900
    damaged.write_bytes(data)
    with pytest.raises(QueryFailed, match="malformed"):
        SqliteEngine(str(damaged), 5.0).query("SELECT * FROM people")
    (tmp_path / "x.db").write_bytes(b"plain text")
    with pytest.raises(QueryFailed, match="neither"):
        source_of(str(tmp_path / "x.db"))


def test_values_become_plain_json() -> None:
    rows = collect(["a"], [[float("nan"), 2**60, date(2024, 1, 2), b"\0" * 5000, "\x1b[31mred", [1, None]]])
    nan, large, day, blob, red, items = rows.rows[0]
    assert (nan, large, day, red, items) == ("nan", str(2**60), "2024-01-02", "red", "[1, null]")
    assert len(blob) <= 2100 and rows.cut
    assert as_text(["x"], [["a\nb|c"], [None], [True]], 100) == ("x\na b\\|c\nNULL\ntrue", 3)
