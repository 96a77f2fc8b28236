"""`ratchet search`: passages without a model."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exit_codes import examples
from agent.cli.ingest import Collection
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.schema import Retrieval, SearchFilter

Where = Annotated[
    list[str] | None, typer.Option("--in", metavar="GLOB", help="Only files that match, or lie in this folder.")
]

_NEAR_START = 80  # characters; a word within them is seen when the text is shown from its start
_BEFORE = 60  # characters shown before the word


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            'ratchet search "dependency injection"',
            "ratchet search warranty --k 10 --json",
            'ratchet search "water pump" --in manuals --in "*.pdf"',
        )
    )(search)


def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int | None, typer.Option("--k", "-k", min=1, max=50, help="How many passages.")] = None,
    where: Where = None,
    collection: Collection = None,
    as_json: Json = False,
) -> None:
    """Find passages without asking a model."""
    from agent.cli.output import print_json
    from agent.documents import narrowed

    settings = invocation(ctx).settings(knowledge={"collection": collection})
    found = search_documents(settings, query, k, narrowed(where))
    if as_json:
        print_json([passage.to_json() for passage in found.passages])
    else:
        print_found(found)


def search_documents(
    settings: Settings, query: str, k: int | None = None, where: SearchFilter | None = None
) -> Retrieval:
    """Search the collection; needs the embedder but no chat model.

    Raises:
        IndexMissing: nothing has been ingested.
        KnowledgeError: the index cannot be used.
    """
    from agent.documents import open_embeddings
    from knowledge.index import KnowledgeIndex
    from knowledge.retriever import HybridRetriever

    embeddings = open_embeddings(settings)
    with (
        closing(embeddings),
        closing(KnowledgeIndex.open(settings.index_folder, embeddings.fingerprint)) as index,
    ):
        retriever = HybridRetriever.over(index, embeddings, top_k=settings.knowledge.top_k)
        return retriever.search(query, k, where)


def print_found(found: Retrieval) -> None:
    """Passages, best first, with the words of the query standing out."""
    from rich.text import Text

    from agent.cli.output import foreign, out
    from agent.cli.render import indented
    from agent.phrasing import place

    console = out()
    if not found.passages:
        console.print("Nothing found.")
    for number, passage in enumerate(found.passages, 1):
        head = Text(f"{number:>2}. ", style="bold cyan")
        head += foreign(place(passage.source, passage.heading, passage.locator), "bold")
        console.print(head + Text(f"  {passage.score:.3f}", style="dim"))
        excerpt = foreign(excerpt_around(passage.text, found.query, max(60, console.width - 4) * 2 - 4))
        excerpt.highlight_words(query_words(found.query), "bold yellow", case_sensitive=False)
        console.print(indented(excerpt))
    if found.passages and not found.relevant:
        console.print(foreign("· None of these is close to the query.", "dim"))


def query_words(query: str) -> list[str]:
    """The words of a query worth highlighting."""
    return [word for word in re.findall(r"\w+", query) if len(word) > 2]


def excerpt_around(text: str, query: str, most: int) -> str:
    """The text from a little before the first word of the query that stands in it, on one line.

    Args:
        text: of a passage, in any script.
        query: whose words are looked for, as they are written.
        most: characters of the excerpt.
    """
    from agent.cli.output import one_line

    found = (re.search(re.escape(word), text, re.IGNORECASE) for word in re.findall(r"\w+", query) if _tells(word))
    start = min((match.start() for match in found if match), default=0)
    if start < _NEAR_START:
        return one_line(text, most)
    start -= _BEFORE
    blank = re.compile(r"\s").search(text, start, start + _BEFORE // 2)  # none in scripts that write without
    return one_line("…" + text[blank.end() if blank else start :], most)


def _tells(word: str) -> bool:
    """Whether it is worth showing where a word stands: short ones say little, except in scripts without an alphabet."""
    return len(word) > 3 or not word.isascii()
