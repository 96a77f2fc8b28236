"""What is learned from besides feedback: files that are uploaded, and questions about a collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from ui.uploads import save

if TYPE_CHECKING:
    from agent.config import Settings

_TYPES = ["csv", "tsv", "json", "jsonl", "txt", "md"]
FOLDER = "training-files"  # of the home; runs that go on read the files again


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
    folder = settings.home / FOLDER
    return Sources(tuple(str(save(folder, one.name, one.getvalue())) for one in uploads or ()), documents or "")
