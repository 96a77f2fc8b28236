"""The root of every error Ratchet raises on purpose, and the errors of this room.

Each error carries three sentences: what happened, what was kept, what to do. A front end prints
them; it never prints a traceback for a `RatchetError`. The whole tree is drawn in `agent.errors`.
"""


class RatchetError(Exception):
    """Something the user can understand and act on.

    Args:
        what: what happened, one sentence.
        kept: what was saved or left untouched, one sentence; empty when nothing was at stake.
        fix: what to do next, one sentence, naming the command or setting.
    """

    exit_code = 1

    def __init__(self, what: str, *, kept: str = "", fix: str = "") -> None:
        super().__init__(" ".join(part for part in (what, kept, fix) if part))
        self.what = what
        self.kept = kept
        self.fix = fix


class KnowledgeError(RatchetError):
    """Documents, embeddings or the index."""


class DocumentError(KnowledgeError):
    """A file that cannot be turned into text: unreadable, empty, encrypted, binary, too long."""


class SourceMissing(KnowledgeError):
    """A file or folder named by the user does not exist."""

    exit_code = 3


class EmbedderError(KnowledgeError):
    """The embedder cannot be built or did not answer."""


class IndexMissing(KnowledgeError):
    """No index stands in the collection's folder yet."""

    exit_code = 3


class IndexCorrupt(KnowledgeError):
    """The files of the index do not match their manifest."""


class IndexBusy(KnowledgeError):
    """Another process is writing to the same index."""


class EmbedderMismatch(KnowledgeError):
    """The index was made with another embedder; its vectors mean nothing to this one."""


class QuestionSetError(KnowledgeError):
    """A file of test questions or judgments that is not of the expected form."""

    exit_code = 2


class AdapterDamaged(KnowledgeError):
    """The bytes of a collection's query adapter are not what was written."""


class RerankerError(KnowledgeError):
    """The reranker cannot be built or did not answer."""


class StorageError(KnowledgeError):
    """The disk refused a write: full, read-only, or no permission."""


class IngestInterrupted(KeyboardInterrupt):
    """Ctrl-C during an ingest, which has ended in order: no error, but told in the same three sentences.

    Whoever does not know of it sees the KeyboardInterrupt that it is.
    """

    def __init__(self, what: str, *, kept: str, fix: str) -> None:
        super().__init__(" ".join((what, kept, fix)))
        self.what = what
        self.kept = kept
        self.fix = fix
