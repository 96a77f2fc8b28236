"""File → documents. One module per format; all of them are named in `registry`.

Each LangChain `Document` holds sanitized text and the metadata `source` (path as given), `page` and `part`
(which lines are counted together), `unit` ("line" or "row"), `first` (number of the first line), `markup`
("plain", "markdown", "table" or "code") and, where there is one, `outline`.

`lazy_load` reads in this process; `knowledge.loaders.worker.Reader` in a confined one, which is the way for
files whose origin is not known. Documents from both are the same.
"""

from __future__ import annotations

from knowledge.loaders.extract import MB
from knowledge.loaders.reading import lazy_load
from knowledge.loaders.registry import LOADERS

MAX_FILE_BYTES = 256 * MB  # no loader takes a longer one

__all__ = ["LOADERS", "MAX_FILE_BYTES", "lazy_load"]
