"""The time, read at the edge: everything below is handed it."""

import time
from collections.abc import Iterator

from mien.core.message import order_of


def now() -> int:
    """Return the time in microseconds since 1970, UTC."""
    return time.time_ns() // 1000


class ReceiptClock:
    """Gives each request a time of receipt that is later than that of any request before it."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """Return the time in microseconds since 1970; it never repeats or goes back."""
        self._last = max(now(), self._last + 1)
        return self._last


def profile_ids() -> Iterator[int]:
    """Yield ids for new profiles: growing, and in the order of time."""
    last = 0
    while True:
        last = max(order_of(now()), last + 1)
        yield last
