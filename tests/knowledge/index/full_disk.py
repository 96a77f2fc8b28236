"""A disk that is full at one step."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def full_at(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> Iterator[list[str]]:
    """Meanwhile the function `name` of `os` refuses its call of that number; yields the calls made so far."""
    real: Callable[..., Any] = getattr(os, name)
    calls: list[str] = []

    def refuse(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, name, refuse)
        yield calls
