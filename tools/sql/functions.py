"""Which functions a PostgreSQL statement calls, so that those with effects can be refused.

A read-only transaction keeps tables as they are, but a function such as pg_read_file, lo_export, dblink_exec or
pg_terminate_backend acts outside of tables. PostgreSQL declares functions with effects VOLATILE, so a statement may
call only those that are not, and of the volatile ones those listed here. The lexer follows the manual, chapter 4.1
"Lexical Structure"; what could be read in two ways is refused.
"""

from __future__ import annotations

import re

from tools.sql.rows import QueryFailed

# Volatile, because their result changes; without effects.
HARMLESS = frozenset(
    "random random_normal gen_random_uuid uuidv4 uuidv7 clock_timestamp timeofday "
    "pg_relation_size pg_total_relation_size pg_table_size pg_indexes_size pg_database_size pg_column_size".split()
)
# Catalogues that hold passwords or the server's own configuration.
SECRET = frozenset(
    "pg_authid pg_shadow pg_user_mapping pg_user_mappings pg_subscription pg_hba_file_rules pg_ident_file_mappings "
    "pg_file_settings pg_foreign_server user_mapping_options pg_largeobject".split()
)
_MAX_NAME = 63  # bytes; PostgreSQL cuts longer names
_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n\f\v]+|--[^\r\n]*)
    | (?P<comment>/\*)
    | (?P<unicode>[uU]&['"])
    | (?P<escaped>[eE]'(?:[^'\\]|''|\\.)*')
    | (?P<string>[bBxXnN]?'(?:[^']|'')*')
    | (?P<dollar>\$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?)\$)
    | (?P<quoted>"(?:[^"]|"")+")
    | (?P<name>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
    | (?P<number>[0-9][0-9A-Za-z_]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")


def names(sql: str) -> tuple[set[str], set[str]]:
    """The names that are called or follow a dot, and all names, as PostgreSQL folds them.

    `x.f` calls the function f as `f(x)` does, where x is a row.

    Raises:
        QueryFailed: the text cannot be read in one way only, or something in it is not closed.
    """
    called, every = set[str](), set[str]()
    name, dotted = "", False
    for kind, text in _tokens(sql):
        if kind in ("name", "quoted"):
            name = _folded(kind, text)
            every.add(name)
            if dotted:
                called.add(name)
        elif text == "(" and name:
            called.add(name)
        if kind not in ("name", "quoted"):
            name = ""
        dotted = text == "."
    return called, every


def _tokens(sql: str) -> list[tuple[str, str]]:
    if "\0" in sql:
        raise QueryFailed("the statement holds a NUL character")
    found, at, escaped = [], 0, False
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None:
            raise QueryFailed("the statement cannot be read")
        kind, text, at = match.lastgroup or "other", match.group(), match.end()
        if match.group("dollar") is not None:
            kind, at = "string", _closed(sql, text, at)
        elif kind == "comment":
            at = _after_comment(sql, at)
            continue
        elif kind == "unicode":
            raise QueryFailed("write names and strings without U&")
        elif kind == "other" and text in "'\"":
            raise QueryFailed("a quotation mark is not closed")
        escaped = escaped or kind == "escaped"
        if kind != "space":
            found.append((kind, text))
    if escaped and "\\'" in sql:  # a string over several lines could be read in two ways
        raise QueryFailed("write '' for a quotation mark in a string, not \\'")
    return found


def _closed(sql: str, tag: str, at: int) -> int:
    end = sql.find(tag, at)
    if end < 0:
        raise QueryFailed(f"a string that begins with {tag} is not closed")
    return end + len(tag)


def _after_comment(sql: str, at: int) -> int:
    depth = 1
    while depth:
        match = _COMMENT.search(sql, at)
        if match is None:
            raise QueryFailed("a comment is not closed")
        depth += 1 if match.group() == "/*" else -1
        at = match.end()
    return at


def _folded(kind: str, text: str) -> str:
    if kind == "quoted":
        text = text[1:-1].replace('""', '"')
    else:
        text = re.sub("[A-Z]+", lambda match: match.group().lower(), text)
    return text.encode(errors="replace")[:_MAX_NAME].decode(errors="ignore")
