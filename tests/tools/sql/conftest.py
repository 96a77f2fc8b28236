"""What the tests of SQL share: a way to ask, and a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tools.sql.server import running


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server's administrator, with a schema to read."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    with running() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in SCHEMA:
                connection.execute(statement)
        yield url


SCHEMA = (
    "CREATE TABLE customers (id int PRIMARY KEY, name text, born date)",
    "INSERT INTO customers VALUES (1, 'Zoë', '1990-05-01'), (2, '李雷', '1985-12-24'), (3, 'O''Brien', NULL)",
    "CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, amount numeric(9, 2), at timestamptz)",
    "INSERT INTO orders SELECT i, 1 + i % 2, i * 1.25, '2024-01-01'::timestamptz + i * interval '1 day' "
    "FROM generate_series(1, 500) i",
    'CREATE TABLE "Odd Name" ("some column" text, "when" timestamp)',
    "INSERT INTO \"Odd Name\" VALUES ('x', 'infinity')",
    "CREATE VIEW totals AS SELECT customer, sum(amount) AS total FROM orders GROUP BY customer",
    "CREATE SEQUENCE numbers",
    "CREATE FUNCTION shout(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT upper($1)'",
    "CREATE FUNCTION spoil(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE $1; RETURN 'done'; END $$",
    "CREATE FUNCTION spoiled(customers) RETURNS text LANGUAGE sql AS $$ SELECT pg_read_file('/etc/hostname') $$",
    "CREATE ROLE reader LOGIN PASSWORD 'only-reads'",
    "GRANT SELECT ON customers TO reader",
    "ANALYZE",
)
