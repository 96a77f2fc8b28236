"""What is learned from besides feedback: files that are uploaded, and questions about a collection."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from agent.errors import StorageError

if TYPE_CHECKING:
    from agent.config import Settings

_TYPES = ["csv", "tsv", "json", "jsonl", "txt", "md"]
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Sources:
    """Paths of files, and the name of a collection; "" for none."""

    files: tuple[str, ...]
    documents: str


def choose(settings: Settings, key: str) -> Sources:
    """Widgets to choose them with.

    Raises:
        StorageError: an uploaded file cannot be kept.
    """
    from knowledge.index import collections

    uploads = st.file_uploader(
        "Examples from files (optional)",
        type=_TYPES,
        accept_multiple_files=True,
        key=f"{key}-files",
        help="Tables with the columns question and answer, or JSON lines with messages.",
    )
    known = [one.name for one in collections(settings.indexes_folder)]
    documents = st.selectbox(
        "Questions about a collection (optional)",
        ["", *known],
        format_func=lambda name: name or "none",
        key=f"{key}-documents",
        help="Ratchet makes questions about your documents, and answers that stand in them.",
    )
    kept = tuple(str(kept_file(settings.home, one.name, one.getvalue())) for one in uploads or ())
    return Sources(kept, documents or "")


def kept_file(home: Path, name: str, content: bytes) -> Path:
    """Keep an uploaded file for runs that read it; the same content under the same name is one file.

    Raises:
        StorageError: the disk refused.
    """
    plain = Path(_UNSAFE.sub("_", Path(name.replace("\\", "/")).name).lstrip("."))
    digest = hashlib.sha256(content).hexdigest()[:12]
    path = home / "training-files" / f"{plain.stem[:60] or 'file'}-{digest}{plain.suffix[:8]}"
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            new.write_bytes(content)
            new.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}.", kept="Nothing was started.", fix="Free some space."
        ) from error
    return path
