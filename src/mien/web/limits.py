"""Rate limits: so many requests in a moving window, counted in this process."""

from functools import lru_cache

import limits
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from mien.errors import RateLimited


class RateLimits:
    """Counts requests against rates such as `100/second`."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def spend(self, rate: str | None, *key: str) -> None:
        """Count one request; raise RateLimited when the rate is used up. No rate is no limit."""
        if rate is None:
            return
        item = _parse(rate)
        if not self._limiter.hit(item, *key):
            wait = max(1, item.get_expiry() // max(item.amount, 1))
            raise RateLimited(retry_after=wait, amount=item.amount, window=item.get_expiry())


@lru_cache(128)
def _parse(rate: str) -> limits.RateLimitItem:
    return limits.parse(rate)
