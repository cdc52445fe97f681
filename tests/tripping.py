"""An engine on which something happens just before a statement of our choice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mien.store.sql.engine import Engine

STATEMENTS = {"value", "rows", "among", "each", "change", "lock"}


class Tripping:
    """A real engine that calls `trip` before the n-th statement of every transaction; its commit is the last.

    With `once` only in the first transaction that has so many.
    """

    def __init__(self, db: Engine, nth: int, trip: Callable[[], Any], *, once: bool = False) -> None:
        self._db = db
        self._nth = nth
        self._trip = trip
        self._once = once
        self._count: int | None = None
        self.tripped = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._db, name)
        if name not in STATEMENTS:
            return real

        def counted(*arguments: Any, **more: Any) -> Any:
            self._step()
            return real(*arguments, **more)

        return counted

    @contextmanager
    def transaction(self) -> Iterator[None]:
        try:
            with self._db.transaction():
                self._count = 0
                yield
                self._step()
        finally:
            self._count = None

    def _step(self) -> None:
        if self._count is None:
            return
        self._count += 1
        if self._count == self._nth and not (self._once and self.tripped):
            self.tripped += 1
            self._trip()
