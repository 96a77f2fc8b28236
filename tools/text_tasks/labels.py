"""What a text says of its feeling, its names and its purpose, as an answer by schema that is then checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tools.text_tasks.reading import MOST_PARTS, Reader

SENTIMENTS = ("positive", "negative", "neutral")
INTENT = "intent"
MOST_KINDS = 12
LONGEST_KIND = 40  # characters
MOST_FOUND = 60  # of one part
_SENTIMENT = 'Is the feeling of this text positive, negative or neutral?\n\n"{text}"'
_SHOWN = (
    ("The hotel was dirty and loud.", "negative"),
    ("A lovely evening, we laughed a lot.", "positive"),
    ("The library is on the second floor.", "neutral"),
    ("My order never came and nobody helped.", "negative"),
    ("Great value, I am delighted.", "positive"),
    ("The bus stops here twice a day.", "neutral"),
)
_GUESSED = "(a guess: this model is small, and right in about two of three cases)"
_FIND = (
    "Copy every {kinds} that this text names, each exactly as it is written there. "
    "List nothing that does not stand in the text.\n\n{text}"
)
_PURPOSE = "Say in two to five words what the writer of this text wants.\n\n{text}"


def sentiment(reader: Reader, text: str) -> str:
    """The feeling of a text: one of `SENTIMENTS`, of its parts the most frequent.

    Raises:
        ToolException: the user asked to stop, or the model cannot keep to a schema.
        ModelError: the model failed.
    """
    parts = reader.parts(text)
    read = parts[:MOST_PARTS]
    chosen = [_feeling(reader, part) for part in read]
    counts = {name: chosen.count(name) for name in SENTIMENTS}
    answer = max(counts, key=lambda name: counts[name])
    if len(parts) > 1:
        each = ", ".join(f"{name} {count}" for name, count in counts.items())
        answer += f" ({each}; {len(read)} of {len(parts)} parts read)"
    return f"{answer} {_GUESSED}" if reader.small else answer


def _feeling(reader: Reader, text: str) -> str:
    schema = _object("sentiment", {"sentiment": {"type": "string", "enum": list(SENTIMENTS)}})
    if not reader.small:
        return str(reader.choose(_SENTIMENT.format(text=text), schema).get("sentiment"))
    examples = [(f"Sentiment of: {said}", json.dumps({"sentiment": name})) for said, name in _SHOWN]
    answer = reader.imitate(examples, f"Sentiment of: {text}", schema)
    return next((name for name in SENTIMENTS if f'"{name}"' in answer), "neutral")


def extracted(reader: Reader, text: str, kinds: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """What was found, as JSON with remarks, and a table of kind and text; what does not stand in the text is dropped.

    Raises:
        ToolException: the kinds are not usable, the user asked to stop, or the model is too small for it.
        ModelError: the model failed.
    """
    wanted = _kinds(kinds)
    if reader.small:
        from langchain_core.tools import ToolException

        raise ToolException("The model in use is too small to extract names reliably; choose a larger one.")
    answer: dict[str, Any] = {}
    dropped = 0
    parts = reader.parts(text)
    entities = [kind for kind in wanted if kind != INTENT]
    rows: list[tuple[str, str]] = []
    for part in parts[:MOST_PARTS] if entities else ():
        found, lost = _found(reader, part, entities)
        rows += [row for row in found if row not in rows]
        dropped += lost
    answer |= {kind: [said for name, said in rows if name == kind] for kind in entities}
    if INTENT in wanted:
        schema = _object(INTENT, {INTENT: {"type": "string", "maxLength": 80}})
        answer[INTENT] = str(reader.choose(_PURPOSE.format(text=parts[0]), schema).get(INTENT, "")).strip()
    remarks = [f"({dropped} that do not stand in the text were dropped.)"] if dropped else []
    if len(parts) > MOST_PARTS:
        remarks.append(f"(Read the first {MOST_PARTS} of {len(parts)} parts; the others were left out.)")
    shown = "\n".join([json.dumps(answer, ensure_ascii=False), *remarks])
    table = {"columns": ["kind", "text"], "rows": [list(row) for row in rows[:200]]}
    return shown, {"table": table} if rows else {}


def _found(reader: Reader, text: str, kinds: Sequence[str]) -> tuple[list[tuple[str, str]], int]:
    """(kind, text) of each that stands in the text, in order, and how many do not."""
    item = _object("entity", {"kind": {"type": "string", "enum": list(kinds)}, "text": {"type": "string"}})
    schema = _object("entities", {"entities": {"type": "array", "maxItems": MOST_FOUND, "items": item}})
    answer = reader.choose(_FIND.format(kinds=" or ".join(kinds), text=text), schema)
    listed = answer.get("entities")
    rows: list[tuple[str, str]] = []
    dropped = 0
    for entry in listed if isinstance(listed, list) else ():
        match entry:
            case {"kind": str(kind), "text": str(said)} if kind in kinds and said.strip() and said in text:
                if (kind, said.strip()) not in rows:
                    rows.append((kind, said.strip()))
            case _:
                dropped += 1
    return rows, dropped


def _kinds(kinds: Sequence[str]) -> list[str]:
    from langchain_core.tools import ToolException

    wanted = list(dict.fromkeys(kind.strip().lower() for kind in kinds if kind.strip()))
    if not wanted or len(wanted) > MOST_KINDS or any(len(kind) > LONGEST_KIND for kind in wanted):
        raise ToolException(
            f'Name 1 to {MOST_KINDS} short kinds, such as ["person", "place", "date"], or ["{INTENT}"].'
        )
    return wanted


def _object(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": title,
        "description": f"The {title} of a text.",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
