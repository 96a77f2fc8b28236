"""Files → passages → vectors → index: the only way into the index, and only for what has changed.

scan        what lies below the folders, from their listings alone
planning    what of that must be looked at: nothing whose size and time are as they were
places      which of the folders are there today
reading     bytes → passages, ahead of the embedder, in the confined reader
pipeline    passages → vectors → index; `ingest`
earlier     what a new index takes over from the one before
pace        how far it is and how long it will take
upkeep      `forget`, `reindex` and `compact`
"""

from knowledge.ingest.pipeline import ingest
from knowledge.ingest.upkeep import compact, forget, reindex

__all__ = ["compact", "forget", "ingest", "reindex"]
