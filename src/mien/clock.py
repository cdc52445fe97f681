"""The time, read at the edge: everything below is handed it."""

import secrets
import time
from collections.abc import Iterator

from mien.core.message import ORDER_BITS, order_of


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
    """Yield ids for new profiles: growing, and in the order of time.

    The low bits are drawn once for each maker of ids, so that two hardly ever make the same; if they do, one of them
    makes another.
    """
    own = secrets.randbelow(1 << ORDER_BITS)
    last = 0
    while True:
        last = max(order_of(now(), own), last + (1 << ORDER_BITS))
        yield last
