"""Gradio makes an event loop for each of its locks where none is running, and leaves it open; so one is running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within_loop(make: Callable[[], T]) -> T:
    """What `make` returns, called while an event loop is running on this thread."""

    async def call() -> T:
        return make()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(call())
    return make()
