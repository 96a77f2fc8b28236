"""Which LoRA adapter a local model answers with: the one that is asked for, promoted, or packaged.

Adapters lie in `home/adapters/NAME/`, written by training and read here. `current.json` beside them says which one
is served with which base model: it is replaced in one step, so that what is read is the old state or the new one.

    {"served": {BASE: [{"name": …, "sha256": …}, …]}, "history": […]}

BASE is the SHA-256 of the model file; of its list the last entry is served, and what stands before it is what a
roll-back returns to.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import ModelError, ModelFileInvalid, ModelNotFound
from agent.models.gguf_check import adapter_for

NONE = "none"
FILE = "adapter.gguf"
POINTER = "current.json"
PACKAGED = "packaged"
_BASES = ".bases.json"
_FOLDER = Path(__file__).parent / "default_adapter"


@dataclass(frozen=True, slots=True)
class ServedAdapter:
    """What a model is loaded with.

    Attributes:
        paths: GGUF files; the first is used unless a request says otherwise.
        name: what the turns answered with it are marked with: NAME@HASH, or the path that was given; "" for none.
        note: what the user has to know, such as that another adapter than expected answers; mostly empty.
    """

    paths: tuple[Path, ...] = ()
    name: str = ""
    note: str = ""


def is_own(name: str) -> bool:
    """Whether a `ServedAdapter` of that name is one of the user's, not the packaged one and not none."""
    return bool(name) and not name.startswith(f"{PACKAGED}@")


def choose_adapter(asked: str, model: Path, folder: Path | None, *, bundled: bool = False) -> ServedAdapter:
    """The adapter for a model.

    An adapter that is asked for must be there and whole. Without one, the promoted adapter is taken, and where that
    cannot be served, the packaged one, with a note.

    Args:
        asked: the setting `model.adapter`: paths or names (several joined by `os.pathsep`), "none", or empty.
        model: the GGUF file of the base model.
        folder: where adapters are kept; None where there is none.
        bundled: whether the base is the model that Ratchet comes with, to which the packaged adapter belongs.

    Raises:
        ModelNotFound: there is no adapter of that path or name.
        ModelFileInvalid: the adapter asked for is damaged, or belongs to another model.
    """
    if asked == NONE:
        return ServedAdapter()
    if asked:
        found = [_named(part, model, folder) for part in asked.split(os.pathsep) if part]
        return ServedAdapter(tuple(path for path, _ in found), found[0][1] if found else "")
    try:
        promoted = _promoted(model, folder) if folder else None
    except ModelError as error:
        spare = _packaged(model) if bundled else ServedAdapter()
        instead = "the packaged adapter" if spare.paths else "the model without an adapter"
        note = f"{error.what} Until it is promoted anew or rolled back, {instead} answers."
        return ServedAdapter(spare.paths, spare.name, note)
    return promoted or (_packaged(model) if bundled else ServedAdapter())


def served_entries(folder: Path) -> dict[str, Any]:
    """What `current.json` says; an empty state where there is none.

    Raises:
        ModelFileInvalid: it cannot be read.
    """
    try:
        state = json.loads((folder / POINTER).read_text(encoding="utf-8"))
        for entries in state["served"].values():
            for entry in entries:
                _plain_name(entry["name"]), str(entry["sha256"])
    except FileNotFoundError:
        return {"served": {}, "history": []}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileInvalid(
            f"{folder / POINTER}, which says what adapter is served, cannot be read.",
            kept="The adapters themselves are untouched.",
            fix="Delete that file and promote the adapter again.",
        ) from error
    return dict(state)


def served_version(folder: Path) -> tuple[int, int]:
    """What tells one state of `current.json` from the next, for the price of one look at the disk."""
    try:
        found = (folder / POINTER).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def base_fingerprint(model: Path, folder: Path) -> str:
    """SHA-256 of a model file, remembered in `folder` until the file changes: it may have gigabytes.

    Raises:
        ModelNotFound: the model cannot be read.
    """
    try:
        state = model.stat()
        known = [state.st_size, state.st_mtime_ns]
        remembered = _remembered(folder / _BASES)
        place = str(model.resolve())
        if (entry := remembered.get(place)) and entry[:2] == known:
            return str(entry[2])
        digest = file_digest(model)
    except OSError as error:
        raise ModelNotFound(f"The model file {model} cannot be read.", fix="Check the path.") from error
    with contextlib.suppress(OSError):  # it is only slower without
        write_json(folder / _BASES, remembered | {place: [*known, digest]})
    return digest


def write_json(path: Path, value: Any) -> None:
    """Put a JSON file in its place in one step, on the disk before anybody sees it.

    Raises:
        OSError: the disk refuses; what was there before stands.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    try:
        with new.open("w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _remembered(path: Path) -> dict[str, list[Any]]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and all(isinstance(entry, list) and len(entry) == 3 for entry in found.values()):
            return found
    return {}


def _plain_name(name: object) -> str:
    """A name that leads to a folder among the adapters and nowhere else."""
    if not isinstance(name, str) or not name or name != Path(name).name or name.startswith("."):
        raise ValueError(f"not the name of an adapter: {name!r}")
    return name


def _named(part: str, model: Path, folder: Path | None) -> tuple[Path, str]:
    """The file of an adapter that was asked for, and its name for the records."""
    path = Path(part).expanduser()
    kept = folder / part / FILE if folder and part == path.name and not part.startswith(".") else None
    if path.is_file() or kept is None or not kept.parent.is_dir():
        adapter_for(path, model)
        return path, part
    manifest = _manifest(kept.parent)
    digest = _whole(kept, str(manifest.get("files", {}).get(FILE, "")))
    _belongs(str(manifest.get("base", "")), model, kept)
    adapter_for(kept, model)
    return kept, f"{part}@{digest[:12]}"


def _promoted(model: Path, folder: Path) -> ServedAdapter | None:
    served: Mapping[str, Sequence[Mapping[str, str]]] = served_entries(folder)["served"]
    if not any(served.values()):
        return None
    entries = served.get(base_fingerprint(model, folder), ())
    if not entries:
        return None
    name, digest = entries[-1]["name"], entries[-1]["sha256"]
    path = folder / name / FILE
    _whole(path, digest)
    adapter_for(path, model)
    return ServedAdapter((path,), f"{name}@{digest[:12]}")


def _packaged(model: Path) -> ServedAdapter:
    path = _FOLDER / FILE
    if not path.is_file():
        return ServedAdapter()
    try:
        digest = _whole(path, str(_manifest(_FOLDER).get("files", {}).get(FILE, "")))
        adapter_for(path, model)
    except ModelError as error:
        return ServedAdapter(note=f"{error.what} The model without an adapter answers.")
    return ServedAdapter((path,), f"{PACKAGED}@{digest[:12]}")


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "adapter.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if isinstance(found, dict) and isinstance(found.get("files", {}), dict):
        return found
    raise ModelFileInvalid(f"What is known of the adapter {folder.name} (adapter.json) cannot be read.", fix=_ANEW)


def _whole(path: Path, expected: str) -> str:
    """The file's SHA-256, which must be the expected one."""
    try:
        digest = file_digest(path)
    except OSError as error:
        raise ModelNotFound(f"The adapter {path.parent.name} is gone ({path}).", fix=_ANEW) from error
    if digest != expected:
        raise ModelFileInvalid(f"The adapter {path.parent.name} is damaged: its SHA-256 is another.", fix=_ANEW)
    return digest


def _belongs(base: str, model: Path, path: Path) -> None:
    if base != base_fingerprint(model, path.parents[1]):
        raise ModelFileInvalid(
            f"The adapter {path.parent.name} was trained for another model than {model.name}.",
            fix='Name an adapter of this model, or "none".',
        )


_ANEW = "Roll back to another adapter, or train it anew."
