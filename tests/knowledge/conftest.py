"""The real embedder, loaded once, and a small folder of real files of every type."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge.embedders import Embedder, build_embeddings
from tests.knowledge.pdf import write_pdf

GUIDE = """# Garden guide

Plant in spring.

## Watering { #watering }

Tomatoes need two litres of water every day in July. Water them in the morning.

```python
def water(plant):

    return plant.litres * 2
```

## Pruning

Cut the side shoots of tomatoes every week.
"""
PAGE = """<html><head><title>Bees</title><style>p {color: red}</style></head><body>
<h1>Keeping bees</h1><p>A hive holds up to <b>60,000</b> bees.</p><script>alert("x")</script>
<h2>Honey</h2><ul><li>Harvest in August.</li><li>Filter twice.</li></ul></body></html>"""


@pytest.fixture(scope="session")
def embeddings(models_folder: Path) -> Iterator[Embedder]:
    """The bundled all-MiniLM-L6-v2."""
    embedder = build_embeddings("local:all-MiniLM-L6-v2", models_folder)
    yield embedder
    embedder.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four documents about three things."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "garden.md").write_text(GUIDE, encoding="utf-8")
    (folder / "bees.html").write_text(PAGE, encoding="utf-8")
    (folder / "moon.txt").write_text("The moon is 384,400 km from the earth.\n", encoding="utf-8")
    write_pdf(folder / "boat.pdf", ["The boat sails at dawn.", "Its mast is eleven metres high."])
    return folder
