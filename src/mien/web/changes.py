"""Changes that are asked for one by one, beside the stream of messages: each is a transaction of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mien.errors import Busy
from mien.store.base import Store

_T = TypeVar("_T")

MOST_WAITING = 100
"""How many changes may wait for their turn."""


class Changes:
    """Makes changes on a thread, one after another, over a store that nothing else uses.

    The store is opened when the first change comes. What was made is durable, and in the next read of every node.
    """

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open = open_store
        self._store: Store | None = None
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "mien-changes")

    async def make(self, change: Callable[[Store], _T]) -> _T:
        """Return what a change returns; raise Busy when too many wait."""
        if self._waiting >= MOST_WAITING:
            raise Busy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._make, change)
        finally:
            self._waiting -= 1

    def _make(self, change: Callable[[Store], _T]) -> _T:
        if self._store is None:
            self._store = self._open()
        return change(self._store)

    async def stop(self) -> None:
        """Finish what was begun, and let go of the store."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._store is not None:
            self._store.close()
