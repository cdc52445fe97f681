"""How much to do in one transaction: as much as does not keep others waiting."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

MOMENT = 0.1
"""For how long one transaction may keep others waiting, in seconds."""
FIRST = 16
"""How many profiles the first transaction takes where nothing is known of them."""


class Pace:
    """How many profiles one transaction takes: fewer after one that took long, up to `most` after short ones.

    It cannot be known before how much there is to look at in a profile: one may have a hundred thousand events.
    """

    def __init__(self, many: int, most: int | None = None) -> None:
        self.many = many
        self._most = many if most is None else most

    @contextmanager
    def taking(self, count: int) -> Iterator[None]:
        """Measure what is done with so many profiles, once nobody else is waited for."""
        started = monotonic()
        yield
        took = monotonic() - started
        if took > MOMENT:
            self.many = max(1, self.many // 2)
        elif took < MOMENT / 4 and count >= self.many:
            self.many = min(self._most, 2 * self.many)
