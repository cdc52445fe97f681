"""One transaction, tried again on fresh state when another writer got there first, or the connection was lost."""

from collections.abc import Callable
from typing import TypeVar

from mien.errors import Busy, ConnectionLost, Contended
from mien.store.base import Store, Unit

_T = TypeVar("_T")

ATTEMPTS = 5
"""How often it is tried before the caller is told to come again."""
SHARED_ATTEMPTS = 3
"""How many of these let others write at the same time."""


def transact(store: Store, work: Callable[[Unit], _T], *, repeatable: bool = False, alone: bool = False) -> _T:
    """Do all of some work or none of it, durable on return; raise Busy after too many attempts.

    With `alone` nobody else writes meanwhile.

    When the connection is lost it may have been committed or not. Work that is `repeatable`, which changes nothing
    when it is done again, is then done once more; other work, or when that is lost too, raises ConnectionLost.
    """
    for attempt in range(ATTEMPTS):
        try:
            with store.begin(alone=alone or attempt >= SHARED_ATTEMPTS) as unit:
                return work(unit)
        except Contended:
            continue
        except ConnectionLost:
            if not repeatable:
                raise
            repeatable = False
    raise Busy
