"""One transaction, tried again on fresh state when another writer got there first."""

from collections.abc import Callable
from typing import TypeVar

from mien.errors import Busy, Contended
from mien.store.base import Store, Unit

_T = TypeVar("_T")

ATTEMPTS = 5
"""How often it is tried before the caller is told to come again."""
SHARED_ATTEMPTS = 3
"""How many of these let others write at the same time."""


def transact(store: Store, work: Callable[[Unit], _T], *, alone: bool = False) -> _T:
    """Do all of some work or none of it, durable on return; raise Busy after too many attempts."""
    for attempt in range(ATTEMPTS):
        try:
            with store.begin(alone=alone or attempt >= SHARED_ATTEMPTS) as unit:
                return work(unit)
        except Contended:
            continue
    raise Busy
