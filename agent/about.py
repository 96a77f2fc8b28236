"""What this installation is: versions, folders, and the licences of what comes with it."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from typing import TYPE_CHECKING

from agent.phrasing import shown_path

if TYPE_CHECKING:
    from agent.config import Settings

PACKAGE = "ratchet-agent"
# Model, licence, what it is for.
MODELS = (
    ("SmolLM2-135M-Instruct", "Apache-2.0", "answers where no other model is chosen"),
    ("all-MiniLM-L6-v2", "Apache-2.0", "finds passages by what they mean"),
)
_LONGEST = 60  # characters of a licence's name; what is longer is its text


def version() -> str:
    """The installed version; "unknown" when it was never installed as a package."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "unknown"


def facts_about(settings: Settings) -> dict[str, str]:
    """What a report of a problem should say: versions, folders, and what is chosen; no secrets."""
    from agent.config import config_path

    found = config_path()
    return {
        "Version": version(),
        "Python": platform.python_version(),
        "System": f"{platform.system()} {platform.release()} ({platform.machine()})",
        "Model": settings.model.name,
        "Embedder": settings.knowledge.embedder,
        "Collection": settings.knowledge.collection,
        "Data folder": shown_path(settings.home),
        "Model files": shown_path(settings.models_folder),
        "Database": shown_path(settings.database),
        "Settings file": shown_path(found) if found else "none; the defaults hold",
    }


def licences() -> list[tuple[str, str, str]]:
    """Name, version and licence, as they say themselves, of the packages that are named by ours and installed."""
    found = []
    for name in _named():
        try:
            package = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue  # of an extra that is not installed
        found.append((package["Name"], package["Version"], _licence(package)))
    return sorted(found, key=lambda row: row[0].lower())


def _named() -> set[str]:
    try:
        lines = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return set()
    return {match.group() for line in lines if (match := re.match(r"[\w.-]+", line))}


def _licence(package: metadata.PackageMetadata) -> str:
    said = next((package[name] for name in ("License-Expression", "License") if name in package), "")
    if said and len(said) <= _LONGEST:
        return said
    kinds = [each.rpartition(" :: ")[2] for each in package.get_all("Classifier") or [] if each.startswith("License")]
    return ", ".join(kinds) or "see the package"
