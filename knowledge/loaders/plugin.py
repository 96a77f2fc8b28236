"""Loaders from outside: any LangChain `BaseLoader`, named in the configuration or by an installed package.

A package offers one through an entry point of the group "ratchet.loaders", its name the suffix (".org"), its
value "module:Class". The class is called with the path; a function that takes the path and gives LangChain
documents will do as well.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from knowledge.errors import DocumentError, KnowledgeError
from knowledge.loaders.extract import File, Part, one_line

if TYPE_CHECKING:
    from langchain_core.documents import Document

GROUP = "ratchet.loaders"


def outside_loaders(configured: Mapping[str, str]) -> dict[str, str]:
    """Suffix → dotted name: what installed packages offer, then what the configuration says.

    Raises:
        KnowledgeError: a suffix without its dot, or a name that cannot be a class in a module.
    """
    from importlib.metadata import entry_points

    found = {point.name: point.value for point in entry_points(group=GROUP)} | dict(configured)
    for suffix, named in found.items():
        if not suffix.startswith(".") or not all(map(str.isidentifier, named.replace(":", ".").split("."))):
            raise KnowledgeError(
                f'The loader {suffix} = "{named}" cannot be one.', fix='Write it as ".suffix" = "package.module:Class".'
            )
    return {suffix.lower(): named for suffix, named in found.items()}


def load(named: str, file: File) -> Iterator[Part]:
    """What the named loader makes of a file: one part per page, or "part N" where there are no pages.

    Raises:
        DocumentError: the loader cannot be imported, or failed on this file.
    """
    make = _imported(named)
    try:
        made = make(str(file.path))
        documents: Iterable[Document] = made.lazy_load() if hasattr(made, "lazy_load") else made
        yield from _parts(documents)
    except (DocumentError, MemoryError, GeneratorExit):
        raise
    except ImportError as error:
        raise _missing(named, error) from error
    except Exception as error:  # anybody's code: what it raises is not ours to foresee
        raise DocumentError(f"{named} cannot read {file.name}: {one_line(error)}.") from error


def _imported(named: str) -> Callable[[str], Any]:
    module, _, name = named.replace(":", ".").rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
    except ImportError as error:
        raise _missing(named, error) from error
    except AttributeError as error:
        raise DocumentError(
            f"The module {module} has no loader {name}.", fix="Correct the setting knowledge.loaders."
        ) from error


def _missing(named: str, error: ImportError) -> DocumentError:
    package = (error.name or named.replace(":", ".")).partition(".")[0]
    fix = f"Install the package that provides {package}, or correct the setting knowledge.loaders."
    if package == "langchain_community":
        fix = 'Run `pip install "ratchet-agent[community]"`.'
    return DocumentError(f"The loader {named} cannot be imported: {one_line(error)}.", fix=fix)


def _parts(documents: Iterable[Document]) -> Iterator[Part]:
    pages: set[int | None] = set()
    earlier: Part | None = None
    for number, document in enumerate(documents, start=1):
        page = _page(document.metadata)
        alone = page is not None and page not in pages
        pages.add(page)
        if earlier is not None:
            yield earlier
        earlier = Part(document.page_content, page=page, part="" if alone else f"part {number}")
    if earlier is not None:
        # The only document of a file without pages is the file.
        yield earlier if len(pages) > 1 or earlier.part != "part 1" else Part(earlier.text)


def _page(metadata: Mapping[str, Any]) -> int | None:
    """1-based: LangChain's own loaders count `page` from 0, those that count from 1 say `page_number`."""
    for key, shift in (("page_number", 0), ("page", 1)):
        value = metadata.get(key)
        if isinstance(value, int) and value + shift > 0:
            return value + shift
    return None
