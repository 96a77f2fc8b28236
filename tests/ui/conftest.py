"""The pages hold desks, and a desk holds files; what a module of tests has left of them is released after it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def released() -> Iterator[None]:
    """Arrays over index files go with the last reference, which stands in cycles: 1,024 open files would be reached."""
    yield
    gc.collect()
