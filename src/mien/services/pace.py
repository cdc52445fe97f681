"""How much to do in one transaction: as much as does not keep others waiting."""

from collections.abc import Callable
from time import monotonic

MOMENT = 0.1
"""For how long one transaction may keep others waiting, in seconds."""
_FIRST = 16


class Pace:
    """How many profiles one transaction takes: fewer after one that took long, more after a short one.

    It cannot be known before how much there is to look at in a profile: one may have a hundred thousand events.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.many = min(_FIRST, most)

    def step(self, work: Callable[[int], bool]) -> bool:
        """Do a step of the size it now is; return what that returned."""
        started = monotonic()
        done = work(self.many)
        took = monotonic() - started
        if took > MOMENT:
            self.many = max(1, self.many // 2)
        elif took < MOMENT / 4:
            self.many = min(self.most, 2 * self.many)
        return done
