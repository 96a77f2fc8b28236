"""What `ratchet doctor` and the About page examine: one function per check."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.errors import IndexMissing, RatchetError
from agent.phrasing import counted, shown_path

if TYPE_CHECKING:
    from agent.config import Settings

NEEDED_DISK = 500_000_000  # bytes: prepared models (200 MB), an index, room to write a new one beside it
PACKAGES = ("langchain_core", "langgraph", "faiss", "onnxruntime", "tokenizers", "xllamacpp", "rich", "prompt_toolkit")


@dataclass(frozen=True)
class Check:
    """The outcome of one check; `fix` is empty when all is well."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def run_checks(settings: Settings) -> Iterator[Check]:
    """Every check in turn; a check that breaks is a failed check."""
    for name, check in CHECKS.items():
        try:
            yield check(name, settings)
        except RatchetError as error:
            yield Check(name, False, error.what, error.fix)
        except Exception as error:
            # A doctor that falls over the illness it should name is of no use.
            yield Check(
                name,
                False,
                f"{type(error).__name__}: {error}",
                "Run `ratchet --debug` with the failing command.",
            )


def _python(name: str, settings: Settings) -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check(name, sys.version_info >= (3, 11), version, "" if sys.version_info >= (3, 11) else "Use Python 3.11+.")


def _packages(name: str, settings: Settings) -> Check:
    from importlib.util import find_spec

    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        return Check(name, False, f"missing: {', '.join(missing)}", "Run `make chat` once, or `pip install -e .`.")
    return Check(name, True, f"all {len(PACKAGES)} installed")


def _disk(name: str, settings: Settings) -> Check:
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1e9:.1f} GB free for {shown_path(settings.home)}"
    enough = free >= NEEDED_DISK
    return Check(name, enough, detail, "" if enough else "Free some space, or set `home` to another disk.")


def _database(name: str, settings: Settings) -> Check:
    path = settings.database
    if not path.exists():
        return Check(name, True, "none yet; the first question creates it")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
            journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
    except sqlite3.Error as error:
        return Check(
            name,
            False,
            f"{shown_path(path)}: {error}",
            "Close other programs that use it, or restore a backup.",
        )
    detail = f"{shown_path(path)}: integrity {verdict}, journal {journal}, {path.stat().st_size / 1e6:.1f} MB"
    healthy = verdict == "ok"
    return Check(name, healthy, detail, "" if healthy else f"Move {path} away and restore a backup.")


def _threads(name: str, settings: Settings) -> Check:
    from agent.records import Records

    if not settings.database.exists():
        return Check(name, True, "no conversations yet")
    with closing(Records(settings.database)) as records:
        summaries = records.threads()
        feedback = len(records.feedback())
    turns = sum(summary.turns for summary in summaries)
    return Check(
        name,
        True,
        f"{counted(len(summaries), 'conversation')}, {counted(turns, 'turn')}, {feedback} feedback",
    )


def _embedder(name: str, settings: Settings) -> Check:
    from agent.embedder import build_embedder

    with closing(build_embedder(settings)) as embeddings:
        length = len(embeddings.embed_query("one two three"))
    return Check(name, length == embeddings.dimension, f"{settings.knowledge.embedder}: {length} dimensions")


def _index(name: str, settings: Settings) -> Check:
    from agent.embedder import build_embedder
    from knowledge.index import KnowledgeIndex

    with closing(build_embedder(settings)) as embeddings:
        fingerprint = embeddings.fingerprint
    try:
        with closing(KnowledgeIndex.open(settings.index_folder, fingerprint)) as index:
            detail = f"{counted(len(index.sources()), 'file')}, {counted(index.size, 'passage')}, checksums match"
    except IndexMissing as error:
        return Check(name, False, error.what, error.fix)
    return Check(name, True, f'collection "{settings.knowledge.collection}": {detail}')


def _model(name: str, settings: Settings) -> Check:
    from agent.models import build_chat_model

    model = build_chat_model(settings.model.name, settings, max_tokens=1)
    message = model.invoke("Hello")
    used = dict(message.usage_metadata or {})
    return Check(name, True, f"{settings.model.name} answered ({used.get('output_tokens', '?')} token)")


CHECKS: dict[str, Callable[[str, Settings], Check]] = {
    "python": _python,
    "packages": _packages,
    "disk": _disk,
    "database": _database,
    "conversations": _threads,
    "embedder": _embedder,
    "index": _index,
    "model": _model,
}
