"""Documents, questions and a home of their own: nothing a benchmark does touches the user's data."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.config import Settings, load_settings

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = Path(__file__).with_name("data") / "fastapi_questions.jsonl"
DOCS = ROOT.parent / "shared" / "data" / "text" / "fastapi_docs"


@dataclass(frozen=True, slots=True)
class Question:
    """One line of the question file.

    Attributes:
        files: those of which any answers it, relative to the documents; empty when none does.
        answer_contains: in lower case; a right answer contains at least one.
    """

    id: str
    question: str
    files: tuple[str, ...]
    answer_contains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workspace:
    """A home with the documents indexed; models are shared with the user's own home."""

    settings: Settings
    docs: Path

    def command(self, *arguments: str) -> list[str]:
        """A `ratchet` command line in this home."""
        # The flag as well: it outranks a RATCHET_HOME of the user's, which would outrank the file.
        here = ["--config", str(config_file(self.settings)), "--home", str(self.settings.home)]
        return [sys.executable, "-m", "agent.cli", *here, *arguments]


def questions(answered: bool | None = None, file: Path = QUESTIONS) -> list[Question]:
    """The questions: all, those the documents answer, or those they do not."""
    lines = file.read_text(encoding="utf-8").splitlines()
    read = [Question(**{key: _frozen(value) for key, value in json.loads(line).items()}) for line in lines]
    return [question for question in read if answered is None or bool(question.files) == answered]


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `workspace` needs."""
    parser.add_argument("--docs", type=Path, default=DOCS, help="the FastAPI documentation (Markdown)")
    parser.add_argument("--home", type=Path, help="keep the index here and use it again; default: a temporary folder")


def private_settings(home: Path, **sections: Any) -> Settings:
    """Default settings in `home`, apart from where the user keeps models; the user's own file is not read."""
    user = load_settings()
    return Settings(home=home.resolve(), models=user.models_folder, **sections)


@contextlib.contextmanager
def workspace(docs: Path, home: Path | None = None, **sections: Any) -> Iterator[Workspace]:
    """A home with `docs` indexed; what changed since the last time is indexed again.

    Args:
        docs: the folder of documents.
        home: kept afterwards; by default a temporary folder.
        **sections: sections of `Settings`, such as `model=ModelSettings(...)`.
    """
    if not docs.is_dir():
        sys.exit(f"There is no folder {docs}: name the FastAPI documentation with --docs.")
    with contextlib.ExitStack() as stack:
        if home is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ratchet-benchmark-")))
        settings = private_settings(home, **sections)
        ingest_docs(settings, docs)
        yield Workspace(settings, docs.resolve())


def ingest_docs(settings: Settings, docs: Path) -> None:
    """Index `docs` as `ratchet ingest` does, without loading the chat model."""
    from knowledge.embedders import build_embeddings
    from knowledge.ingest import ingest

    embeddings = build_embeddings(settings.knowledge.embedder, settings.models_folder)
    report = ingest([docs.resolve()], settings.index_folder, embeddings)
    embeddings.close()
    told = f"{report.added + report.updated + report.unchanged} files, {report.passages} passages"
    print(f"indexed {told} in {report.seconds:.1f} s", file=sys.stderr)


def config_file(settings: Settings) -> Path:
    """The settings as a `ratchet.toml` in their home, for child processes."""
    path = settings.home / "ratchet.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    # A JSON string is a valid TOML string, whatever characters a path holds.
    folders = {"home": settings.home, "models": settings.models_folder}
    lines = [f"{name} = {json.dumps(str(folder))}" for name, folder in folders.items()]
    lines.append(f"[model]\nthreads = {settings.model.threads}\nmax_tokens = {settings.model.max_tokens}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
