"""Documents and searches as HTML; names and texts of documents are escaped here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from agent.phrasing import counted, one_line, shown_path
from knowledge.index import FileEntry
from knowledge.index.entries import DOCUMENT
from knowledge.schema import FileFailure, IngestReport
from ui.escape import attribute, escaped
from ui.library import address_of
from ui.search_ranks import DEPTH, SearchRanks, Standing
from ui.tables import table_html

EXCERPT = 140  # characters of a passage that are shown before it is opened
MOST_FAILURES = 200


def name_of(source: str) -> str:
    """What a person knows a document by: its address, or the shortest way to write its path."""
    if source.startswith(DOCUMENT):
        return f"text {source.removeprefix(DOCUMENT)}, added by a program"
    return address_of(source) or shown_path(source)


def status_of(entry: FileEntry) -> str:
    """Whether a file can be found in, and if not, why."""
    if entry.failure:
        return f"Cannot be read: {entry.failure}"
    return counted(entry.passages, "passage") if entry.passages else "No text in it"


def files_html(entries: Sequence[FileEntry]) -> str:
    """A table of files: name, status, size, last change."""
    rows = [(name_of(entry.source), status_of(entry), size_of(entry.size), _day(entry.mtime_ns)) for entry in entries]
    return table_html("Files of the collection", ("File", "Status", "Size", "Changed"), rows)


def size_of(size: int) -> str:
    """A size in bytes, for people."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return counted(size, "byte")


def failures_html(failures: Sequence[FileFailure]) -> str:
    """A table of what could not be read, with the reasons; empty for none."""
    if not failures:
        return ""
    rows = [(name_of(each.source), each.reason) for each in failures[:MOST_FAILURES]]
    if len(failures) > MOST_FAILURES:
        rows.append((f"and {len(failures) - MOST_FAILURES:,} more", "The list of files has them all."))
    return table_html("What could not be read", ("File", "Why"), rows)


def report_text(report: IngestReport) -> str:
    """What was done, in a line."""
    names = ("added", "updated", "moved", "removed", "unchanged")
    counts = [f"{getattr(report, name):,} {name}" for name in names if getattr(report, name)]
    counts += [f"{len(report.failed):,} could not be read"] if report.failed else []
    counts += [f"{report.skipped:,} of kinds that cannot be read"] if report.skipped else []
    done = " · ".join(counts) or "No documents were found there"
    return f"{done} · {counted(report.passages, 'passage')} in the collection · {report.seconds:.1f} s"


def ranks_html(ranks: SearchRanks, standings: Sequence[Standing]) -> str:
    """Passages with their places by meaning, by words and by both, side by side; each opens to its exact text."""
    words = [re.escape(word) for word in re.findall(r"\w+", ranks.query) if len(word) > 2]
    spotted = re.compile(rf"\b(?:{'|'.join(words)})\w*", re.IGNORECASE) if words else None
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Passage", "Meaning", "Words", "Together"))
    rows = "".join(_row(each, spotted) for each in standings)
    name = 'aria-label="Places of the passages"'
    opened = f'<div class="r r-md"><div class="r-scroll" tabindex="0" role="group" {name}><table {name}>'
    return f"{opened}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></div>"


def _row(each: Standing, spotted: re.Pattern[str] | None) -> str:
    passage = each.passage
    chip = ' <span class="r-chip">given to the model</span>' if each.shown else ""
    where = " · ".join(filter(None, (passage.heading.rsplit(" › ", 1)[-1], passage.locator)))
    first = (
        f'<details class="r-source"><summary><span class="r-file" dir="auto">{escaped(name_of(passage.source))}</span> '
        f'<span class="r-where" dir="auto">{escaped(where)}</span>{chip}</summary><div class="r-inside">'
        f'<div class="r-passage" dir="auto">{_marked(passage.text, spotted)}</div></div></details>'
        f'<div dir="auto">{_marked(one_line(passage.text, EXCERPT), spotted)}</div>'
    )
    places = ((each.meaning, f"{each.cosine:.2f}"), (each.words, f"{each.bm25:.1f}"), (each.fused, f"{each.score:.2f}"))
    cells = "".join(f"<td>{_place(place, score)}</td>" for place, score in places)
    return f"<tr><td>{first}</td>{cells}</tr>"


def _place(place: int | None, score: str) -> str:
    if place is None:
        missing = attribute(f"not among the first {DEPTH}")
        return f'<span title="{missing}" aria-label="{missing}" role="img">–</span>'
    return f'<strong>{place}</strong> <span class="r-where">({score})</span>'


def _marked(text: str, spotted: re.Pattern[str] | None) -> str:
    """Escaped text with the words of the query standing out."""
    if spotted is None:
        return escaped(text)
    written, end = [], 0
    for found in spotted.finditer(text):
        written += [escaped(text[end : found.start()]), f"<mark>{escaped(found.group())}</mark>"]
        end = found.end()
    return "".join(written) + escaped(text[end:])


def _day(mtime_ns: int) -> str:
    if not mtime_ns:
        return ""
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d")
    except (OverflowError, OSError, ValueError):  # a time that no calendar has
        return ""
