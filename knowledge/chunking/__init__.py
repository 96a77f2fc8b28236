"""Documents → passages: along their structure, never over the token budget, the document's own lines unchanged.

`structure` finds headings, paragraphs, code and tables; `packing` puts neighbours together within the budget;
`tokens` estimates what a text costs and cuts lines too long for one passage; `passages` makes the records.
"""

from knowledge.chunking.passages import BUDGET_TOKENS, embedded_text, moved_to, split
from knowledge.chunking.structure import HEADING_SEPARATOR
from knowledge.chunking.tokens import estimate_tokens

__all__ = ["BUDGET_TOKENS", "HEADING_SEPARATOR", "embedded_text", "estimate_tokens", "moved_to", "split"]
