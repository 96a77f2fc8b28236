"""Loaders from outside: how they are named, and what installed packages offer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from knowledge.chunking import split
from knowledge.errors import KnowledgeError
from knowledge.loaders import lazy_load
from knowledge.loaders.plugin import outside_loaders
from knowledge.resolve import resolve


class Shouting(BaseLoader):
    """Every paragraph in capitals, as a document of its own."""

    def __init__(self, path: str) -> None:
        self.path = path

    def lazy_load(self) -> Iterator[Document]:
        for paragraph in Path(self.path).read_text().split("\n\n"):
            yield Document(page_content=paragraph.upper())


OURS = {".shout": f"{__name__}:Shouting", ".md": f"{__name__}.Shouting"}


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that offers a loader."""
    folder = tmp_path / "site" / "offers-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: offers\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[ratchet.loaders]\n.shout = {__name__}:Shouting\n.two = a.b:Two\n")
    monkeypatch.syspath_prepend(str(folder.parent))


def test_a_named_loader_goes_before_a_built_in_one(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("# one\n\ntwo\nthree")
    documents = list(lazy_load(path, outside_loaders(OURS)))
    assert [doc.page_content for doc in documents] == ["# ONE", "TWO\nTHREE"]
    for passage in split(documents, str(path)):
        assert resolve(passage, lambda file: lazy_load(file, OURS)) == passage.text


def test_packages_offer_loaders_and_the_configuration_goes_before_them(offered: None) -> None:
    found = outside_loaders({".TWO": "mine:Two"})
    assert found[".shout"] == f"{__name__}:Shouting"
    assert found[".two"] == "mine:Two"


@pytest.mark.parametrize(("suffix", "named"), [("org", "a:B"), (".org", "a b:C"), (".org", ""), (".org", "a:b:c()")])
def test_what_cannot_be_a_loader_is_refused(suffix: str, named: str) -> None:
    with pytest.raises(KnowledgeError) as caught:
        outside_loaders({suffix: named})
    assert suffix in caught.value.what
