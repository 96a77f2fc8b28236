"""Text that a server wrote, made fit to be shown: nothing invisible in it, and not endless."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection
from typing import Any

LONGEST_NAME = 64  # characters that every model provider takes
LONGEST_DESCRIPTION = 1000
LONGEST_NOTE = 300  # characters of a description within a schema, of an error, of a reason
DEEPEST_SCHEMA = 12
# Controls, marks of direction, zero-width characters and the tags that hide a text within a text.
_INVISIBLE = {"Cc", "Cf", "Co", "Cs", "Cn"}
_HARMFUL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_TEXT_KEYS = ("description", "title", "$comment")


def visible(text: str) -> str:
    """The text without characters that a person would not see; line breaks and tabs stay."""
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in _INVISIBLE)


def harmless(text: str) -> str:
    """The text without control characters, marks that reverse its direction, and hidden tags; else as it is.

    For results, where the joiners that `visible` takes out belong to the words of some languages.
    """
    return _HARMFUL.sub("", text)


def bounded(text: str, most: int) -> str:
    """At most `most` characters of a visible text, on one line of thought; says when it was cut."""
    seen = visible(text).strip()
    return seen if len(seen) <= most else f"{seen[:most].rstrip()} … ({len(seen):,} characters)"


def one_line(text: str, most: int = LONGEST_NOTE) -> str:
    """As `bounded`, with all white space made single spaces."""
    return bounded(" ".join(visible(text).split()), most)


def tool_name(server: str, tool: str, taken: Collection[str]) -> str:
    """`server_tool` in letters that every model provider takes; told apart by a hash where that loses something."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", f"{server}_{tool}")
    if len(plain) <= LONGEST_NAME and plain not in taken:
        return plain
    mark = hashlib.sha256(f"{server}\n{tool}".encode("utf-8", "replace")).hexdigest()[:8]
    return f"{plain[: LONGEST_NAME - 9]}_{mark}"


def shown_schema(schema: Any, depth: int = 0) -> Any:
    """A JSON Schema whose texts are visible and bounded; what lies deeper than `DEEPEST_SCHEMA` admits anything."""
    if depth > DEEPEST_SCHEMA:
        return {} if isinstance(schema, dict) else []
    if isinstance(schema, list):
        return [shown_schema(item, depth + 1) for item in schema]
    if isinstance(schema, dict):
        return {
            visible(key): one_line(value)
            if key in _TEXT_KEYS and isinstance(value, str)
            # A property may be called "description", and is a schema then.
            else shown_schema(value, depth + 1)
            for key, value in schema.items()
        }
    return visible(schema) if isinstance(schema, str) else schema
