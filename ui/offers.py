"""What a page can offer: models, adapters, first questions, and room for more documents."""

from __future__ import annotations

import concurrent.futures
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from agent.adapters import FILE, NONE
from agent.config import Settings
from agent.errors import DocumentError, RatchetError

if TYPE_CHECKING:
    from knowledge.embedders import Embedder
    from knowledge.schema import IngestProgress, IngestReport

_FRESH = 60.0  # seconds that a list of models is good for: making it asks a server
_MOST_QUESTIONS = 12
LONGEST_LOOK = 0.5  # seconds that a page waits for first questions

_log = logging.getLogger(__name__)


class Offers:
    """Thread-safe; everything is found when it is first asked for.

    Args:
        settings: of the server.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looking, self._asking, self._adding = threading.Lock(), threading.Lock(), threading.Lock()
        self._opening = threading.Lock()
        self._models: Future[list[str]] = Future()
        self._models_at = -math.inf
        self._known_models: list[str] = []
        self._pointer = ""
        self._questions: Future[list[str]] = Future()
        self._embedder: Embedder | None = None

    def models(self, patience: float | None = None) -> list[str]:
        """Specs of the models that could answer, the configured one first.

        Args:
            patience: seconds to wait for the servers that are asked; None for as long as it takes. Until they have
                answered, those that were known before are listed.

        Raises:
            Exception: looking failed, and somebody waits for it as long as it takes.
        """
        with self._looking:
            if time.monotonic() - self._models_at > _FRESH:
                self._models_at, self._models = time.monotonic(), Future()
                threading.Thread(target=self._look, args=(self._models,), name="models", daemon=True).start()
            looked = self._models
        configured = [self._settings.model.name, "local:default"]
        concurrent.futures.wait([looked], patience)
        if patience is None:
            looked.result()
        return list(dict.fromkeys([*configured, *self._known_models]))

    def _look(self, looked: Future[list[str]]) -> None:
        from agent.cli.models import available

        try:
            found = available(self._settings)
        except Exception as error:
            _log.warning("The models on offer could not be looked up: %s", error)
            self._models_at = -math.inf
            looked.set_exception(error)
            return
        self._known_models = [model.spec for model in found if model.ready and "NAME" not in model.spec]
        looked.set_result(self._known_models)

    def adapters(self) -> list[str]:
        """The names of adapters; "" stands for the promoted one, "none" for the bare model."""
        folder = self._settings.adapters_folder
        kept = sorted(path.parent.name for path in folder.glob(f"*/{FILE}") if not path.parent.name.startswith("."))
        return list(dict.fromkeys(["", NONE, *kept, *filter(None, [self._settings.model.adapter])]))

    def questions(self, limit: int) -> list[str]:
        """First questions, from the documents as they are now; none where the index cannot be used.

        A large index takes a while to open: until then, there are none, rather than a page that hangs.
        """
        from knowledge.index.generations import read_pointer

        with self._asking:
            try:
                pointer = read_pointer(self._settings.index_folder)
            except RatchetError:  # whoever asks a question is told what is wrong
                return []
            if pointer != self._pointer:
                self._pointer, self._questions = pointer, Future()
                maker = partial(self._make_up, self._questions)
                threading.Thread(target=maker, name="first-questions", daemon=True).start()
            made = self._questions
        try:
            return made.result(LONGEST_LOOK)[:limit]
        except TimeoutError:
            return []

    def _make_up(self, questions: Future[list[str]]) -> None:
        from agent.suggestions import first_questions
        from knowledge.index import KnowledgeIndex

        found: list[str] = []
        try:
            index = KnowledgeIndex.open(self._settings.index_folder, self._embeddings().fingerprint)
            try:
                found = first_questions(index, _MOST_QUESTIONS)
            finally:
                index.close()
        except RatchetError as error:
            _log.info("no first questions: %s", error)
        finally:
            questions.set_result(found)

    def add_files(
        self, uploads: Sequence[tuple[str, bytes]], on_progress: Callable[[IngestProgress], None] | None
    ) -> IngestReport:
        """Keep files and ingest them, one call after the other."""
        from agent.documents import add, file_endings
        from ui.uploads import FOLDER, refusal, save

        endings = file_endings(self._settings)
        looked_at = [(upload, refusal(*upload, endings)) for upload in uploads]
        refused = [why for _, why in looked_at if why is not None]
        taken = [upload for upload, why in looked_at if why is None]
        if not taken:
            what = f"{refused[0].source}: {refused[0].reason}" if refused else "There is no file to add."
            raise DocumentError(what, kept="Nothing was changed.", fix="Choose files such as .pdf, .docx, .md or .csv.")
        with self._adding:
            paths = [save(self._settings.home / FOLDER, name, content) for name, content in taken]
            report = add(self._settings, self._embeddings(), paths, retry=True, on_progress=on_progress)
        return replace(report, failed=(*report.failed, *refused))

    def _embeddings(self) -> Embedder:
        from agent.documents import open_embeddings

        with self._opening:
            if self._embedder is None:
                self._embedder = open_embeddings(self._settings)
            return self._embedder

    def close(self) -> None:
        """Free the embedder; safe to call twice."""
        with self._opening:
            if self._embedder is not None:
                self._embedder.close()
                self._embedder = None
