"""A map of query vectors, learned for one collection: queries move, documents stay where they are.

q' = q + q M, scaled to unit length. Nothing has to be embedded again, so that it is made in seconds, costs a few
microseconds per question, and is dropped by deleting one file. It stands beside the index and is bound to its
embedder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.errors import AdapterDamaged, StorageError

if TYPE_CHECKING:
    import numpy as np

FILE = "query-adapter.safetensors"
_FIX = "Run `ratchet knowledge tune` to make it anew, or `ratchet knowledge tune --forget`."


@dataclass(frozen=True, slots=True)
class QueryAdapter:
    """The map and what is known of it.

    Attributes:
        matrix: M, float32 [d, d].
        embedder: fingerprint of the embedder whose vectors it maps.
        figures: how it was measured, plain values.
    """

    matrix: np.ndarray
    embedder: str
    figures: dict[str, Any] = field(default_factory=dict)

    def apply(self, vector: np.ndarray) -> np.ndarray:
        """The mapped query: float32 [d], of unit length."""
        import numpy as np

        moved: np.ndarray = vector + vector @ self.matrix
        return moved / max(float(np.linalg.norm(moved)), 1e-12)

    def save(self, folder: Path) -> None:
        """Put it beside the index in `folder`, in one step.

        Raises:
            StorageError: the disk refused; an earlier one stands as it was.
        """
        import numpy as np
        from safetensors.numpy import save

        matrix = np.ascontiguousarray(self.matrix, dtype=np.float32)
        notes = {"embedder": self.embedder, "sha256": _digest(matrix), "figures": json.dumps(self.figures)}
        new = folder / f"{FILE}.new"
        try:
            with new.open("wb") as file:
                file.write(save({"matrix": matrix}, notes))
                file.flush()
                os.fsync(file.fileno())
            new.replace(folder / FILE)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise StorageError(
                f"The query adapter cannot be written to {folder}: {(error.strerror or str(error)).lower()}.",
                kept="The collection answers as before.",
                fix="Free some space and run `ratchet knowledge tune` again.",
            ) from error

    @classmethod
    def load(cls, folder: Path, embedder: str) -> QueryAdapter | None:
        """The adapter beside the index in `folder`; None when there is none, or it belongs to another embedder.

        Raises:
            AdapterDamaged: its bytes are not those that were written.
        """
        import numpy as np
        from safetensors import SafetensorError, safe_open

        path = folder / FILE
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="np") as file:
                notes = file.metadata() or {}
                matrix = file.get_tensor("matrix")
            made_for, figures = notes["embedder"], json.loads(notes["figures"])
            if _digest(matrix) != notes["sha256"]:
                raise ValueError("its bytes are not what was written")
            if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
                raise ValueError("it holds no square matrix of numbers")
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise AdapterDamaged(
                f"The query adapter in {folder} is damaged: {error}.", kept="The index is untouched.", fix=_FIX
            ) from error
        return cls(matrix, made_for, figures) if made_for == embedder else None


def forget(folder: Path) -> bool:
    """Remove the adapter beside the index in `folder`; whether there was one.

    Raises:
        StorageError: the disk refused.
    """
    try:
        (folder / FILE).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StorageError(
            f"The query adapter in {folder} cannot be removed: {reason}.", kept="It is still in use."
        ) from error
    return True


def version(folder: Path) -> int:
    """Tells one adapter beside the index in `folder` from the next; 0 when there is none."""
    try:
        return (folder / FILE).stat().st_mtime_ns
    except OSError:
        return 0


def _digest(matrix: np.ndarray) -> str:
    return hashlib.sha256(matrix.tobytes()).hexdigest()
