"""What a document says, in its own words: quotations from every section, or the list of its headings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agent import prompts
from agent.comparison import Side
from agent.reciting import Piece, Quote, whole
from agent.sections import centrality_of, frequencies_of, key_sentence, outline_of, sections_of, spread
from knowledge.naming import title_of
from knowledge.schema import Passage

MOST_QUOTES = 12
MOST_HEADINGS = 60


def extract(side: Side) -> tuple[list[Piece], list[str]]:
    """A summary in the document's own words: quotations from every main section, and what was left out."""
    sections = sections_of(side.passages)
    chosen = spread(sections, centrality_of(side.vectors, sections), MOST_QUOTES)
    frequencies = frequencies_of(side.passages)
    section_of = {at: section for section in sections for at in section.positions}
    title = title_of(side.passages)
    pieces: list[Piece] = [f"**{title}** ({side.name})" if title else f"**{side.name}**", ", in its own words:"]
    before, quoted = None, 0
    shown: set[int] = set()  # sections, by their first passage
    used = set(chosen)
    for at in chosen:
        free = [other for other in section_of[at].positions if other == at or other not in used]
        quote = _key_quote(side, free, at, frequencies, used)
        if quote is None:
            continue
        section, quoted = section_of[at], quoted + 1
        shown.add(section.positions[0])
        if section is not before:
            named = section.title and section.title != title
            pieces.append(f"\n\n**{section.title}**: " if named else "\n\n")
        else:
            pieces.append(" ")
        before = section
        pieces.append(quote)
    if not quoted:
        pieces += ["\n\n", _opening(side.passages[0])]
    note = prompts.NOTE_QUOTED.format(
        quoted=max(quoted, 1), total=len(side.passages), shown=max(len(shown), 1), sections=len(sections)
    )
    return pieces, [note] if quoted < len(side.passages) else []


def _key_quote(
    side: Side, positions: Sequence[int], at: int, frequencies: Counter[str], used: set[int]
) -> Quote | None:
    """From the chosen passage, or where it holds no prose from the nearest free one of its section that does."""
    for near in sorted(positions, key=lambda other: abs(other - at)):
        passage = side.passages[near]
        if (span := key_sentence(passage, frequencies)) is not None:
            used.add(near)
            return Quote(passage, span.start, span.end)
    return None


def _opening(passage: Passage) -> Quote:
    quote = whole(passage)
    end = passage.text.find("\n", quote.start)
    return Quote(passage, quote.start, quote.end if end < 0 else min(end, quote.end))


def outline(side: Side) -> list[Piece]:
    """The headings as a list, with the place where each begins; pages or parts where there are no headings."""
    headings = outline_of(side.passages)
    if not headings:
        first, last = side.passages[0], side.passages[-1]
        count = len(side.passages)
        places = f"{first.locator} to {last.locator}" if count > 1 else first.locator
        sections = [section for section in sections_of(side.passages) if section.title]
        listed = "".join(f"\n- {section.title}" for section in sections[:MOST_HEADINGS])
        left = len(sections) - MOST_HEADINGS
        more = f"\n- and {left} more" if left > 0 else ""
        return [f"{side.name} has no headings; it has {count} passages, from {places}.", listed + more]
    pieces: list[Piece] = [f"{side.name} has {len(headings)} headings:\n"]
    for level, title, position in headings[:MOST_HEADINGS]:
        pieces.append(f"\n{'  ' * level}- {title} ({side.passages[position].locator})")
    if len(headings) > MOST_HEADINGS:
        pieces.append(f"\n- and {len(headings) - MOST_HEADINGS} more")
    return pieces
