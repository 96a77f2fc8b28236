"""Every error Ratchet raises on purpose, in one place.

RatchetError                     what happened, what was kept, what to do
├── KnowledgeError
│   ├── DocumentError            a file that cannot be turned into text
│   ├── SourceMissing            a named file or folder does not exist
│   ├── EmbedderError            the embedder cannot be built or did not answer
│   ├── IndexMissing             nothing has been ingested yet
│   ├── IndexCorrupt             index files do not match their manifest
│   ├── IndexBusy                another process is writing the index
│   ├── EmbedderMismatch         the index was made with another embedder
│   ├── QuestionSetError         test questions or judgments that are not of the expected form
│   ├── AdapterDamaged           the bytes of a query adapter are not what was written
│   ├── RerankerError            the reranker cannot be built or did not answer
│   └── StorageError             the disk refused a write
├── ConfigError                  ratchet.toml, RATCHET_* or a flag is wrong
├── ModelError
│   ├── ModelNotFound            unknown prefix, model or file
│   ├── ModelFileInvalid         a file that is not a usable GGUF
│   ├── MissingKey               a hosted model without an API key
│   ├── ServerUnreachable        no answer at the model's address
│   ├── ModelTimeout             no token within the time limit
│   └── ContextOverflow          the prompt does not fit the model's context
├── DatabaseError                ratchet.db is locked, read-only, damaged or from a newer version
├── FactError                    a fact that cannot be remembered, or that does not exist
├── RecordError                  no such turn or thread, or feedback that makes no sense
├── QuestionError                a question that cannot be asked: empty, or too long
├── ApprovalError                a decision about a tool call that cannot be taken: unknown, taken before, or another's
└── SessionBusy                  the session is still answering another question
"""  # noqa: D208 - the indentation draws the tree

from knowledge.errors import (
    DocumentError,
    EmbedderError,
    EmbedderMismatch,
    IndexBusy,
    IndexCorrupt,
    IndexMissing,
    KnowledgeError,
    QuestionSetError,
    RatchetError,
    RerankerError,
    SourceMissing,
    StorageError,
)

__all__ = [
    "ApprovalError",
    "ConfigError",
    "ContextOverflow",
    "DatabaseError",
    "DocumentError",
    "EmbedderError",
    "EmbedderMismatch",
    "FactError",
    "IndexBusy",
    "IndexCorrupt",
    "IndexMissing",
    "KnowledgeError",
    "MissingKey",
    "ModelError",
    "ModelFileInvalid",
    "ModelNotFound",
    "ModelTimeout",
    "QuestionError",
    "QuestionSetError",
    "RatchetError",
    "RecordError",
    "RerankerError",
    "ServerUnreachable",
    "SessionBusy",
    "SourceMissing",
    "StorageError",
]


class ConfigError(RatchetError):
    """A setting is unknown, malformed or out of range."""

    exit_code = 2


class ModelError(RatchetError):
    """The model cannot be built or did not answer."""

    exit_code = 4


class ModelNotFound(ModelError):
    """Unknown provider prefix, model name or model file."""


class ModelFileInvalid(ModelError):
    """The file is not a GGUF that llama.cpp can load."""


class MissingKey(ModelError):
    """A hosted model was named without an API key."""


class ServerUnreachable(ModelError):
    """Nothing answers at the model's address."""


class ModelTimeout(ModelError):
    """The model gave no answer within the time limit."""


class ContextOverflow(ModelError):
    """The prompt does not fit the model's context."""


class DatabaseError(RatchetError):
    """The database is locked, read-only, damaged, or from a newer version."""

    exit_code = 5


class FactError(RatchetError):
    """A fact that is empty, too long or unknown."""

    exit_code = 2


class RecordError(RatchetError):
    """No such turn or thread, or feedback that makes no sense."""

    exit_code = 3


class QuestionError(RatchetError):
    """The question is empty, or longer than the model can read."""

    exit_code = 2


class ApprovalError(RatchetError):
    """A decision about a tool call that cannot be taken."""

    exit_code = 2


class SessionBusy(RatchetError):
    """One session answers one question at a time."""
