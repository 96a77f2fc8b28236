"""Files are read in a process of their own, so that a hostile or broken one costs one sentence.

`Reader` starts it, keeps it for many files, ends it when a file takes too much, and starts another. Both
sides speak `wire` messages over pipes: settings and paths in; parts, then "done" or "error", out. Inside runs
`python -m knowledge.loaders.worker`, which sees none of the user's environment variables.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from knowledge.errors import DocumentError
from knowledge.loaders import wire

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from knowledge.loaders.process import Limits, WorkerProcess

    Outcome = list[Document] | DocumentError | OSError

_MOST_AHEAD = 64
_FLUSH_EVERY = 0.2  # seconds; so that a long file is seen to make progress


class Reader:
    """Reads files in a confined worker process; use it in a `with` statement.

    One thread reads with it: others take readers of their own.

    Args:
        limits: what one file may take.
        loaders: suffix → dotted name of a LangChain loader ("package.module:Class"), before those built in.
    """

    def __init__(self, limits: Limits | None = None, loaders: Mapping[str, str] | None = None) -> None:
        from knowledge.loaders.process import Limits

        self.limits = limits or Limits()
        self.loaders = dict(loaders or {})
        self._process: WorkerProcess | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker, from any thread, and with it what is being read; a later `read` starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def read(self, path: Path) -> list[Document]:
        """The documents of one file, as `lazy_load` gives them.

        Raises:
            DocumentError: it cannot be read, or reading it broke a limit or the worker.
            OSError: it cannot be opened.
        """
        ((_, outcome),) = self.read_many([path])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def read_many(self, paths: Iterable[Path]) -> Iterator[tuple[Path, Outcome]]:
        """The same for many files, in their order; the worker reads ahead while the caller works.

        Yields:
            Each path with its documents, or with what `read` would have raised.
        """
        source = iter(paths)
        ahead = deque(islice(source, _MOST_AHEAD))
        try:
            while ahead:
                process = self._running()
                for path in islice(ahead, process.asked, None):
                    if not process.ask(path):
                        break
                outcome = self._outcome(process, ahead[0])
                if outcome is None:
                    continue
                path = ahead.popleft()
                ahead.extend(islice(source, 1))
                yield path, outcome
        finally:
            if self._process is not None and self._process.asked:  # answers that nobody will take
                self.close()

    def _running(self) -> WorkerProcess:
        from knowledge.loaders.process import WorkerProcess

        if self._process is not None and not self._process.usable:
            self.close()
        if self._process is None:
            self._process = WorkerProcess(self.limits, self.loaders)
        return self._process

    def _outcome(self, process: WorkerProcess, path: Path) -> Outcome | None:
        """What came of a file; None when it deserves another try, in a fresh worker."""
        from langchain_core.documents import Document

        from knowledge.loaders.process import WorkerEnded, out_of_memory

        documents: list[Document] = []
        try:
            for message in process.answer(path.name):
                if "text" in message:
                    documents.append(Document(page_content=message["text"], metadata=message["metadata"]))
                elif "error" in message:
                    return _raised(message["error"])
                elif "memory" in message:
                    self.close()
                    # Earlier files may have left it little room.
                    return None if process.answered > 1 else out_of_memory(path.name, self.limits.memory_bytes)
        except WorkerEnded as ended:
            self.close()
            return ended
        return documents


def _raised(error: dict[str, Any]) -> DocumentError | OSError:
    if "errno" in error:
        return OSError(error["errno"], error["strerror"])
    return DocumentError(error["what"], kept=error["kept"], fix=error["fix"])


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """The worker's loop: until the reader closes its end, read what it names and send what is in it."""
    from knowledge.loaders.confinement import allow_processor, confine

    settings = wire.receive(requests)
    if settings is None:
        return
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    confine(settings["memory"])
    while request := wire.receive(requests):
        allow_processor(settings["seconds"])
        try:
            _answer(Path(request["path"]), settings["loaders"], answers)
        except DocumentError as error:
            wire.send(answers, {"error": {"what": error.what, "kept": error.kept, "fix": error.fix}})
        except OSError as error:
            wire.send(answers, {"error": {"errno": error.errno or 0, "strerror": error.strerror or str(error)}})
        except MemoryError:
            wire.send(answers, {"memory": True})
            return  # what the file has left behind is not worth sorting out


def _answer(path: Path, loaders: Mapping[str, str], answers: BinaryIO) -> None:
    from knowledge.loaders.reading import read_parts

    flushed = time.monotonic()
    for part in read_parts(path, loaders):
        late = time.monotonic() - flushed > _FLUSH_EVERY
        wire.send(answers, {"text": part.text, "metadata": part.metadata(path)}, flush=late)
        flushed = time.monotonic() if late else flushed
    wire.send(answers, {"done": True})


def _end_with(parent: int) -> None:
    """End this process soon after the reader's, whatever it is busy with."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def main() -> None:
    """Serve the process that started this one, over its standard input and output."""
    answers = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)  # what a loader prints must not reach the answers
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
