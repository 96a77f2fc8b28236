"""The store of adapters: where each came from, whether it is whole, and which one is served.

    home/adapters/NAME/adapter.gguf                        what llama.cpp loads
                       adapter_model.safetensors, adapter_config.json   what PEFT wrote
                       card.md, adapter.json               what is known of it; adapter.json holds each file's SHA-256
                       verdict.json                        what the gate said
    home/adapters/current.json                             what is served with which base; see `agent.adapters`

An adapter never changes once it is there. A folder appears, and the pointer changes, by a single rename: a program that
is killed leaves the old state or the new one, and at worst a hidden folder that the next one sweeps away.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.adapters import FILE, POINTER, base_fingerprint, file_digest, served_entries, served_version, write_json
from agent.errors import StorageError
from finetune.adapter_record import AdapterRecord, Provenance, card_of, check_stated_base, collect_files
from finetune.errors import AdapterInvalid, AdapterMissing, EvaluationError, ExportError, GateRefused

MANIFEST, CARD, VERDICT = "adapter.json", "card.md", "verdict.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NEW, _GONE = ".new-", ".gone-"


class AdapterRegistry:
    """The adapters in a folder. Several programs may use it at once; one at a time changes it.

    Args:
        folder: `settings.adapters_folder`.

    Raises:
        StorageError: the disk refuses (from any method that writes); what was there stays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self, name: str, source: Path, base: Path, about: Provenance | None = None, card: str = ""
    ) -> AdapterRecord:
        """Take an adapter into the store, checked against its base and converted for llama.cpp.

        Args:
            name: what to call it; letters, digits, dot, dash and underscore.
            source: a folder with what PEFT saved, or a GGUF adapter.
            base: the GGUF file of its base model.
            about: how it came to be; the `stated_base` in it is taken for the right one.
            card: Markdown for people; default: the facts as a list.

        Raises:
            AdapterInvalid: the name is taken or unusable; the adapter is damaged, not finite, or of an unsafe format.
            BaseMismatch: it is another model's.
            AdapterMissing: there is no such parent.
        """
        about = about or Provenance()
        with self._changing():
            self.check_free(name)
            if about.parent:
                self.show(about.parent)
            with tempfile.TemporaryDirectory(prefix=_NEW, dir=self.folder, ignore_cleanup_errors=True) as made:
                work = Path(made) / name
                work.mkdir()
                fingerprint = base_fingerprint(base, self.folder)
                check_stated_base(source, base, fingerprint, about.stated_base)
                collect_files(source, base, work)
                files = {path.name: file_digest(path) for path in sorted(work.iterdir())}
                record = AdapterRecord(name, fingerprint, base.name, about, datetime.now(UTC).isoformat(), files)
                (work / CARD).write_text(card or card_of(record), encoding="utf-8")
                record = replace(record, files=files | {CARD: file_digest(work / CARD)})
                write_json(work / MANIFEST, asdict(record))
                work.rename(self.folder / name)
        return record

    def check_free(self, name: str) -> None:
        """Make sure that an adapter can be called so.

        Raises:
            AdapterInvalid: the name is taken or unusable.
        """
        if not NAME.fullmatch(name):
            raise AdapterInvalid(f'"{name}" cannot name an adapter.', fix="Use letters, digits, dots and dashes.")
        if (self.folder / name).exists():
            raise AdapterInvalid(f'There is an adapter "{name}" already.', kept="It stays.", fix="Take another name.")

    def names(self) -> list[str]:
        """All adapters, in order of their names."""
        if not self.folder.is_dir():
            return []
        return sorted(
            path.parent.name for path in self.folder.glob(f"*/{MANIFEST}") if NAME.fullmatch(path.parent.name)
        )

    def records(self) -> list[AdapterRecord]:
        """All adapters, oldest first."""
        return sorted((self.show(name) for name in self.names()), key=lambda one: (one.created_at, one.name))

    def show(self, name: str) -> AdapterRecord:
        """What is known of an adapter.

        Raises:
            AdapterMissing: there is none of that name.
            AdapterInvalid: what is known of it cannot be read.
        """
        path = self.folder / name / MANIFEST
        if not NAME.fullmatch(name) or not path.is_file():
            known = ", ".join(self.names()) or "none yet"
            raise AdapterMissing(f'There is no adapter "{name}".', fix=f"Known are: {known}.")
        try:
            record = AdapterRecord.from_json(json.loads(path.read_text(encoding="utf-8")))
            if record.name != name:
                raise ValueError("it is another adapter's")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AdapterInvalid(f"{path} cannot be read: {error}.", fix=f"Remove the adapter {name}.") from error
        return record

    def verify(self, name: str) -> AdapterRecord:
        """Compare every file with its SHA-256.

        Raises:
            AdapterMissing: there is no such adapter.
            AdapterInvalid: a file is gone or changed.
        """
        record = self.show(name)
        for file, expected in record.files.items():
            path = self.folder / name / file
            if Path(file).name != file or not path.is_file() or file_digest(path) != expected:
                raise AdapterInvalid(
                    f"The adapter {name} is damaged: {file} is gone or not what was written.",
                    fix="Roll back if it is served; remove it and train it anew.",
                )
        return record

    def attach_verdict(self, name: str, verdict: Mapping[str, Any]) -> None:
        """Keep what the gate said about an adapter.

        Args:
            name: the adapter.
            verdict: `Verdict.to_json()`.

        Raises:
            AdapterMissing: there is no such adapter.
        """
        record = self.show(name)
        with self._changing():
            kept = {"adapter": record.files.get(FILE, ""), "verdict": dict(verdict)}
            write_json(self.folder / name / VERDICT, kept)

    def verdict(self, name: str) -> dict[str, Any] | None:
        """What the gate said about an adapter as it is; None when it was not asked."""
        record = self.show(name)
        try:
            kept = json.loads((self.folder / name / VERDICT).read_text(encoding="utf-8"))
            return dict(kept["verdict"]) if kept["adapter"] == record.files.get(FILE) else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AdapterInvalid(f"The gate's verdict on {name} cannot be read.", fix="Evaluate it again.") from error

    def promote(
        self, name: str, *, force: bool = False, reason: str = "", since: tuple[int, int] | None = None
    ) -> AdapterRecord:
        """Serve an adapter with its base model from now on; programs that run take it with their next question.

        Args:
            name: the adapter.
            force: without, or against, the gate's verdict; recorded for ever.
            reason: why, for the record.
            since: `served_version` when it was checked what it would replace.

        Raises:
            AdapterMissing, AdapterInvalid: there is no such adapter, or it is damaged.
            EvaluationError: another program has changed what is served since.
            GateRefused: the gate has not passed it.
            ExportError: llama.cpp cannot serve it; it has to be merged.
        """
        record = self.verify(name)
        if FILE not in record.files:
            raise ExportError(
                f"{name} cannot be served as an adapter (DoRA or embeddings).", fix="Merge and serve that."
            )
        verdict = self.verdict(name)
        passed = bool(verdict and verdict.get("promoted") is True)
        if not passed and not force:
            reasons = [one["text"].rstrip(".") for one in (verdict or {}).get("reasons", ())]
            why = "; ".join(reasons) or "the gate has not seen it"
            raise GateRefused(f"{name} is not promoted: {why}.", kept="What is served stays.", fix="Evaluate it first.")
        with self._changing():
            if since not in (None, served_version(self.folder)):
                raise EvaluationError(
                    "What is served has changed at this moment.", kept="It stays.", fix="Look at it, then try again."
                )
            state = served_entries(self.folder)
            entries = state["served"].setdefault(record.base, [])
            before = entries[-1]["name"] if entries else ""
            if before != name:
                entries.append({"name": name, "sha256": record.files[FILE]})
                self._point(state, "promote", record.base, name, before, forced=not passed, reason=reason)
        return record

    def roll_back(self, base: str = "", reason: str = "") -> str:
        """Serve what was served before, one step; again and again until no adapter is left.

        Args:
            base: SHA-256 of a base model; default: that of the latest change, for where only one is used.
            reason: why, for the record.

        Returns:
            The adapter that is served now; "" for none.

        Raises:
            AdapterMissing: there is nothing to roll back.
            AdapterInvalid: what was served before is damaged; nothing is changed.
        """
        with self._changing():
            state = served_entries(self.folder)
            latest = state.get("history") or [{"base": ""}]
            base = base or str(latest[-1]["base"])
            entries = state["served"].get(base) or []
            if not entries:
                raise AdapterMissing("No promoted adapter is served, so there is nothing to roll back.")
            before = entries.pop()["name"]
            while entries and not (self.folder / entries[-1]["name"]).is_dir():
                entries.pop()  # deleted by hand
            now = str(entries[-1]["name"]) if entries else ""
            if now:
                self.verify(now)
            self._point(state, "roll_back", base, now, before, reason=reason)
        return now

    def served(self) -> dict[str, str]:
        """Base model's SHA-256 → the adapter that is promoted for it."""
        state = served_entries(self.folder)
        return {base: str(entries[-1]["name"]) for base, entries in state["served"].items() if entries}

    def history(self) -> list[dict[str, Any]]:
        """Every promotion, roll-back and removal, oldest first."""
        return list(served_entries(self.folder).get("history", ()))

    def lineage(self) -> list[tuple[int, AdapterRecord]]:
        """All adapters as a tree: each with its depth, children after their parent, oldest first."""
        records = self.records()
        known = {record.name for record in records}

        def below(parent: str, depth: int) -> Iterator[tuple[int, AdapterRecord]]:
            for record in records:
                # Children of a parent that was removed stand at the root.
                if (record.provenance.parent if record.provenance.parent in known else "") == parent:
                    yield depth, record
                    yield from below(record.name, depth + 1)

        return list(below("", 0))

    def remove(self, name: str) -> None:
        """Delete an adapter that is not served; a roll-back passes over it from then on.

        Raises:
            AdapterMissing: there is none of that name.
            AdapterInvalid: it is served.
        """
        if not NAME.fullmatch(name) or not (self.folder / name).is_dir():
            self.show(name)
        with self._changing():
            state = served_entries(self.folder)
            if name in self.served().values():
                raise AdapterInvalid(f"{name} is being served.", kept="It stays.", fix="Roll back, then remove it.")
            for base, entries in state["served"].items():
                if any(entry["name"] == name for entry in entries):
                    state["served"][base] = _without(entries, name)
                    self._point(state, "remove", base, name, name)
            with tempfile.TemporaryDirectory(prefix=_GONE, dir=self.folder, ignore_cleanup_errors=True) as gone:
                (self.folder / name).rename(Path(gone) / name)

    def _point(self, state: dict[str, Any], action: str, base: str, name: str, before: str, **more: Any) -> None:
        event = {"at": datetime.now(UTC).isoformat(), "action": action, "base": base, "name": name, "before": before}
        state["history"] = [*state.get("history", ()), event | {key: value for key, value in more.items() if value}]
        write_json(self.folder / POINTER, state)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Alone among the programs that change the store, with what killed ones left swept away."""
        from filelock import FileLock

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock"):
                for left in [*self.folder.glob(f"{_NEW}*"), *self.folder.glob(f"{_GONE}*")]:
                    shutil.rmtree(left, ignore_errors=True)
                for left in self.folder.glob(f".{POINTER}.*.new"):
                    left.unlink(missing_ok=True)
                yield
        except OSError as error:
            raise StorageError(
                f"The adapters in {self.folder} cannot be changed: {(error.strerror or str(error)).lower()}.",
                kept="What was there stays as it is.",
                fix="Free some space, or set `home` to a folder you may write to.",
            ) from error


def _without(entries: list[Any], name: str) -> list[Any]:
    """The stack without an adapter, and without serving another twice in a row."""
    kept: list[Any] = []
    for entry in entries:
        if entry["name"] != name and (not kept or kept[-1]["name"] != entry["name"]):
            kept.append(entry)
    return kept
