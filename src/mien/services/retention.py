"""Let go of what is kept no longer, a little at a time."""

from collections.abc import Iterable

from mien.core.space import DAY, Space
from mien.store.base import Store

STEP = 500
"""How many rows one transaction deletes at most."""
PROFILES_STEP = 20
"""How many profiles, each with all its messages."""

UNOWNED = ""
"""The space under which discards are kept whose source is unknown."""


def purge(store: Store, spaces: Iterable[Space], *, now: int) -> int:
    """Delete expired messages, discards and profiles, a step of each per space; return how many went.

    Call again until it returns 0.
    """
    gone = 0
    for space in spaces:
        keep = space.retention
        with store.begin() as unit:
            if keep.events is not None:
                gone += unit.purge_messages(space.slug, before=now - keep.events, limit=STEP)
                gone += unit.purge_discards(space.slug, before=now - keep.events, limit=STEP)
            if keep.profiles is not None:
                gone += unit.purge_profiles(space.slug, before=now - keep.profiles, limit=PROFILES_STEP)
    with store.begin() as unit:
        gone += unit.purge_discards(UNOWNED, before=now - 14 * DAY, limit=STEP)
    return gone
