"""The suite "perplexity": how likely a model finds the second half of paragraphs that people wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from finetune.evaluation.items import EvaluationItem

_EACH = 40  # paragraphs of each kind of text
_SHORTEST, _LONGEST = 200, 700  # characters
_REQUEST = "Continue this text:\n{text}"
_MARKUP = re.compile(r"[`{}<>|#*\[\]]|/// |:::|^!")


def items(name: str, data: Path, seed: int) -> list[EvaluationItem]:
    """Paragraphs of a story, of verse, and of a documentation, their first half given; the same for every seed."""
    folder = data / "text"
    texts = {
        "verdict": (folder / "the-verdict.txt").read_text(encoding="utf-8"),
        "shakespeare": (folder / "tinyshakespeare.txt").read_text(encoding="utf-8"),
        "docs": "\n\n".join(
            path.read_text(encoding="utf-8") for path in sorted((folder / "fastapi_docs").rglob("*.md"))
        ),
    }
    found = []
    for kind, text in texts.items():
        paragraphs = list(_paragraphs(text))
        step = max(1, len(paragraphs) // _EACH)
        for number, paragraph in enumerate(paragraphs[::step][:_EACH], 1):
            first, second = _halves(paragraph)
            said = ({"role": "user", "content": _REQUEST.format(text=first)},)
            found.append(EvaluationItem(f"{name}-{kind}-{number}", name, said, (), {"text": second}))
    return found


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs without markup, of a length that is worth measuring."""
    for paragraph in re.split(r"\n\s*\n", text):
        if _SHORTEST <= len(paragraph) <= _LONGEST and not _MARKUP.search(paragraph):
            yield paragraph.strip()


def _halves(paragraph: str) -> tuple[str, str]:
    """The paragraph cut at the blank that is nearest to its middle."""
    middle = len(paragraph) // 2
    cut = min((match.start() for match in re.finditer(r"\s", paragraph)), key=lambda place: abs(place - middle))
    return paragraph[:cut], paragraph[cut:].strip()
