"""Data sets: from records, files and documents to parts that share nothing, with a card and a digest.

Names are imported on first use, so that naming this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune.dataset.build import BuildProgress, BuildSettings, build_dataset
    from finetune.dataset.card import Card
    from finetune.dataset.documents import DocumentSource, completing
    from finetune.dataset.files import FileSource, look_at
    from finetune.dataset.privacy import PiiReport, Scrubber, scrub_text
    from finetune.dataset.records import RecordSource
    from finetune.dataset.sources import Examples, Source
    from finetune.dataset.splits import check_apart, check_held_out, split
    from finetune.dataset.store import DatasetFolder, load

_HOMES = {
    "BuildProgress": "build",
    "BuildSettings": "build",
    "Card": "card",
    "DatasetFolder": "store",
    "DocumentSource": "documents",
    "Examples": "sources",
    "FileSource": "files",
    "PiiReport": "privacy",
    "RecordSource": "records",
    "Scrubber": "privacy",
    "Source": "sources",
    "build_dataset": "build",
    "check_apart": "splits",
    "check_held_out": "splits",
    "completing": "documents",
    "load": "store",
    "look_at": "files",
    "scrub_text": "privacy",
    "split": "splits",
}

__all__ = [
    "BuildProgress",
    "BuildSettings",
    "Card",
    "DatasetFolder",
    "DocumentSource",
    "Examples",
    "FileSource",
    "PiiReport",
    "RecordSource",
    "Scrubber",
    "Source",
    "build_dataset",
    "check_apart",
    "check_held_out",
    "completing",
    "load",
    "look_at",
    "scrub_text",
    "split",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'finetune.dataset' has no attribute {name!r}")
    return getattr(importlib.import_module(f"finetune.dataset.{_HOMES[name]}"), name)
