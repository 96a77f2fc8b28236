"""An iterator of events, read on a worker thread and handed to the event loop as they come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


async def on_a_thread(events: Callable[[threading.Event], Iterator[T]]) -> AsyncGenerator[T, None]:
    """The items of an iterator without blocking the event loop; what it raises is raised here.

    Args:
        events: makes the iterator; it is given an event of its own, which is set when the reader leaves.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[T | None, BaseException | None]] = asyncio.Queue()
    cancelled = threading.Event()  # this reader's own: another one may be there by the time it leaves

    def pump() -> None:
        try:
            for event in events(cancelled):
                loop.call_soon_threadsafe(queue.put_nowait, (event, None))
            loop.call_soon_threadsafe(queue.put_nowait, (None, None))
        except BaseException as error:  # raised again where the events are read
            loop.call_soon_threadsafe(queue.put_nowait, (None, error))

    worker = asyncio.create_task(asyncio.to_thread(pump))
    try:
        while True:
            item, error = await queue.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        cancelled.set()
        await asyncio.shield(worker)
