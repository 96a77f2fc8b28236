"""PostgreSQL through the tool: one query that reads, whatever the role could do otherwise."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.tools.sql.server import PASSWORD
from tools.sql.functions import names
from tools.sql.postgres import PostgresEngine
from tools.sql.process import ask
from tools.sql.rows import QueryFailed, Rows
from tools.sql.sources import Source, source_of


def query(url: str, sql: str, seconds: float = 10.0) -> Rows:
    """By the engine alone, without what its process adds."""
    return PostgresEngine(url, seconds).query(sql)


def query_apart(url: str, sql: str, seconds: float = 10.0) -> dict[str, Any]:
    """In a confined process, as the tool does."""
    return ask(source_of(url), sql, lambda: False, seconds)["result"]  # type: ignore[no-any-return]


def content(url: str) -> str:
    """A digest of everything in the tables, of the roles, and of what a query could have left behind."""
    import psycopg

    statements = (
        "SELECT * FROM customers ORDER BY id",
        "SELECT * FROM orders ORDER BY id",
        "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
        "SELECT rolname, rolsuper, rolpassword FROM pg_authid ORDER BY 1",
        "SELECT last_value, is_called FROM numbers",
        "SELECT count(*) FROM pg_largeobject_metadata",
        "SELECT name, setting FROM pg_settings WHERE source = 'configuration file' ORDER BY 1",
        "SELECT count(*) FROM pg_replication_slots",
        "SELECT datname FROM pg_database ORDER BY 1",
        "SELECT extname FROM pg_extension ORDER BY 1",
    )
    digest = hashlib.sha256()
    with psycopg.connect(url) as connection:
        for statement in statements:
            digest.update(repr(connection.execute(statement.encode()).fetchall()).encode())
    return digest.hexdigest()


READS = [
    ("SELECT 1 AS one", [[1]]),
    ("SELECT 1 AS one;", [[1]]),
    ("select name from customers where name = 'O''Brien'", [["O'Brien"]]),
    ("SELECT name FROM customers WHERE name LIKE '李%'", [["李雷"]]),
    ("SELECT 'a;b -- c /* d', $q$pg_sleep(1); '$q$", [["a;b -- c /* d", "pg_sleep(1); '"]]),
    (
        "SELECT c.name, sum(o.amount) FROM orders o JOIN customers c ON c.id = o.customer GROUP BY 1 ORDER BY 1",
        [["Zoë", "78437.50"], ["李雷", "78125.00"]],
    ),
    (
        "SELECT id, rank() OVER (PARTITION BY customer ORDER BY amount DESC) FROM orders ORDER BY 2, 1 LIMIT 2",
        [[499, 1], [500, 1]],
    ),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r", [[15]]),
    (
        "SELECT date_trunc('month', born)::date, extract(year FROM born) FROM customers WHERE id = 1",
        [["1990-05-01", "1990"]],
    ),
    ('SELECT * FROM "Odd Name"', [["x", "infinity"]]),
    ("SELECT total FROM totals WHERE customer = 1", [["78437.50"]]),
    ("VALUES (1, 'x'), (2, NULL)", [[1, "x"], [2, None]]),
    ("TABLE customers LIMIT 1", [[1, "Zoë", "1990-05-01"]]),
    ("SELECT shout('hey'), 'a' || lower('B'), coalesce(NULL, 3), E'a\\nb'", [["HEY", "ab", 3, "a\nb"]]),
    ("SELECT '{\"a\": [1, 2]}'::jsonb -> 'a'", [["[1, 2]"]]),
    ("SELECT ARRAY[1, 2], true, 1.5::float8, '\\x00ff'::bytea", [["[1, 2]", True, 1.5, "x'00ff'"]]),
    ("SELECT count(*) FROM generate_series(1, 1000)", [[1000]]),
    ("SELECT random() < 2", [[True]]),
    ("SELECT 1 /* a /* nested */ comment */ + 1 -- and this", [[2]]),
]


@pytest.mark.parametrize(("sql", "rows"), READS, ids=[sql[:40] for sql, _ in READS])
def test_what_reads_is_answered(postgres: str, sql: str, rows: list[list[Any]]) -> None:
    assert query(postgres, sql).rows == rows


ATTACKS = [
    # writes of every kind
    "INSERT INTO customers VALUES (9, 'x', NULL)",
    "UPDATE customers SET name = 'x'",
    "DELETE FROM orders",
    "TRUNCATE orders",
    "DROP TABLE orders",
    "CREATE TABLE evil (x int)",
    "CREATE TEMP TABLE evil (x int)",
    "SELECT * INTO evil FROM customers",
    "CREATE TABLE evil AS SELECT 1",
    "ALTER ROLE postgres SUPERUSER",
    "GRANT ALL ON customers TO reader",
    "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO customers VALUES (9, 'x', NULL) RETURNING *) SELECT * FROM x",
    "SELECT * FROM customers FOR UPDATE",
    "MERGE INTO customers USING orders ON false WHEN NOT MATCHED THEN INSERT VALUES (9, 'x', NULL)",
    "SELECT nextval('numbers')",
    "SELECT setval('numbers', 99)",
    # programs and files of the server
    "COPY customers TO PROGRAM 'touch {witness}'",
    "COPY (SELECT 1) TO PROGRAM 'touch {witness}'",
    "COPY (SELECT 1) TO '{witness}'",
    "COPY customers FROM PROGRAM 'touch {witness}'",
    "COPY customers TO STDOUT",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_catalog.pg_read_file('/etc/passwd')",
    "SELECT \"pg_read_file\"('/etc/passwd')",
    "SELECT PG_Read_File /* x */ ('/etc/passwd')",
    "SELECT pg_read_file -- x\n('/etc/passwd')",
    "SELECT U&\"\\0070g_read_file\"('/etc/passwd')",
    "SELECT u&\"pg!005fread_file\" UESCAPE '!' ('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT pg_ls_dir('/etc')",
    "SELECT * FROM pg_ls_logdir()",
    "SELECT * FROM pg_stat_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '{witness}')",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT spoiled(customers) FROM customers",
    "SELECT customers.spoiled FROM customers",
    "SELECT (c).spoiled FROM customers c",
    "SELECT spoil('COPY (SELECT 1) TO PROGRAM ''touch {witness}''')",
    "SELECT query_to_xml('SELECT pg_read_file(''/etc/passwd'')', true, false, '')",
    "SELECT * FROM ts_stat('SELECT to_tsvector(pg_read_file(''/etc/passwd''))')",
    "SELECT E'a'\n'b\\'' || pg_read_file('/etc/passwd')--'",
    "SELECT E'\\'' || pg_read_file('/etc/passwd')",
    # the server and the session
    "SELECT pg_sleep(60)",
    "SELECT pg_terminate_backend(pg_backend_pid())",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_switch_wal()",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_notify('x', 'y')",
    "SELECT pg_create_physical_replication_slot('evil')",
    "SELECT pg_logical_emit_message(false, 'x', 'y')",
    "SELECT set_config('default_transaction_read_only', 'off', false)",
    "SELECT set_config('statement_timeout', '0', false)",
    "SET ROLE reader",
    "RESET ALL",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET TRANSACTION READ WRITE",
    "ALTER SYSTEM SET log_statement = 'all'",
    "DO $$ BEGIN DELETE FROM orders; END $$",
    "CALL spoil('x')",
    "LISTEN x",
    "NOTIFY x",
    "LOCK TABLE orders",
    "VACUUM",
    "CREATE EXTENSION dblink",
    "LOAD 'auto_explain'",
    "EXPLAIN ANALYZE DELETE FROM orders",
    "PREPARE p AS DELETE FROM orders",
    # several statements
    "SELECT 1; DELETE FROM orders",
    "SELECT 1; COMMIT; DELETE FROM orders",
    "COMMIT",
    "ROLLBACK; DELETE FROM orders; BEGIN",
    "SELECT 1; BEGIN; DROP TABLE orders; COMMIT",
    # passwords
    "SELECT rolname, rolpassword FROM pg_authid",
    "SELECT passwd FROM pg_catalog.\"pg_shadow\"",
    "SELECT * FROM pg_hba_file_rules",
    # not closed
    "SELECT 'x",
    "SELECT $a$x",
    "SELECT 1 /* x",
    "SELECT \"x",
    "SELECT 1\0; DELETE FROM orders",
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack[:50] for attack in ATTACKS])
def test_an_administrator_can_change_and_read_nothing_else(postgres: str, attack: str) -> None:
    witness = Path("/tmp") / f"ratchet-witness-{os.getpid()}"
    witness.unlink(missing_ok=True)
    before = content(postgres)
    with pytest.raises(QueryFailed) as failed:
        query(postgres, attack.replace("{witness}", str(witness)), seconds=3.0)
    assert "interrupted" not in str(failed.value)  # refused, not merely cut short
    assert PASSWORD not in str(failed.value)
    assert not witness.exists()
    assert content(postgres) == before


@pytest.mark.parametrize(
    "bomb",
    [
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e",
        "SELECT sum(length(repeat('x', 100000000 + i))) FROM generate_series(1, 1000000) i",
    ],
)
def test_an_endless_query_is_stopped_on_the_server_too(postgres: str, bomb: str) -> None:
    import psycopg

    with pytest.raises(QueryFailed, match="stopped after 1 second"):
        query_apart(postgres, bomb, seconds=1.0)
    with psycopg.connect(postgres, autocommit=True) as connection:
        for _ in range(100):
            (running,) = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() "
                "AND backend_type = 'client backend'"
            ).fetchone() or (0,)
            if not running:
                return
            time.sleep(0.1)
    pytest.fail("the server is still at it")


def test_a_giant_value_ends_the_query_not_the_program(postgres: str) -> None:
    with pytest.raises(QueryFailed):
        query_apart(postgres, "SELECT repeat('x', 900000000)", seconds=3.0)
    assert query_apart(postgres, "SELECT 1")["rows"] == [[1]]


def test_long_results_are_cut_and_say_so(postgres: str) -> None:
    result = query(postgres, "SELECT i, repeat('x', 5000) FROM generate_series(1, 1000000) i")
    assert result.more and result.cut and 0 < len(result.rows) <= 200


def test_the_tables_a_role_may_read(postgres: str) -> None:
    tables = {table["name"]: table for table in ask(source_of(postgres), "", lambda: False)["tables"]}
    assert set(tables) == {"customers", "orders", '"Odd Name"', "totals"}
    assert tables["orders"]["size"] == 500 and not tables["orders"]["exact"]
    assert ["amount", "numeric(9,2)"] in tables["orders"]["columns"]
    assert tables["customers"]["first"][0] == [1, "Zoë", "1990-05-01"]
    reader = postgres.replace(f"postgres:{PASSWORD}", "reader:only-reads")
    assert [table["name"] for table in ask(source_of(reader), "", lambda: False)["tables"]] == ["customers"]
    with pytest.raises(QueryFailed, match="permission denied"):
        query(reader, "SELECT * FROM orders")


@pytest.mark.parametrize(
    "broken",
    ["postgresql://u:{p}@127.0.0.1:1/x", "postgresql://u:{p}@127.0.0.1:{p}/x", "postgresql://u:{p}@[::1/x?{p}={p}"],
)
def test_an_address_that_does_not_work_is_not_repeated(broken: str) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    url = broken.replace("{p}", PASSWORD)
    with pytest.raises(QueryFailed) as failed:
        query_apart(url, "SELECT 1")
    assert PASSWORD not in str(failed.value)
    assert PASSWORD not in repr(source_of(url)) + repr(Source("postgresql", url))


def test_a_wrong_password_is_not_repeated(postgres: str) -> None:
    with pytest.raises(QueryFailed) as failed:
        query_apart(postgres.replace(PASSWORD, "wrong-canary"), "SELECT 1")
    assert "wrong-canary" not in str(failed.value)


@pytest.mark.parametrize(
    ("sql", "called"),
    [
        ("SELECT count(*), lower(name) FROM t", {"count", "lower"}),
        ('SELECT "F"(1), s."g" (2), Ünder(3)', {"F", "g", "Ünder"}),
        ("SELECT 'f(1)', $$g(2)$$, $a$h($$)$a$, \"i(3)\" -- j(4)\n", set()),
        ("SELECT /* a(1) /* b(2) */ c(3) */ d(4)", {"d"}),
        ("SELECT f\t\n\v\f(1)", {"f"}),
        ("SELECT 1.5, t.f, x'00', b'01'", {"f"}),
        ("SELECT 'it''s f(1)' || g(2)", {"g"}),
        ("SELECT a$b(1), $1", {"a$b"}),
        ("SELECT " + "p" * 70 + "(1)", {"p" * 63}),
    ],
)
def test_the_names_that_are_called(sql: str, called: set[str]) -> None:
    assert names(sql)[0] == called
