"""Let go of what is kept no longer, a little at a time."""

from collections.abc import Iterable
from functools import partial

from mien.core.space import DAY, Space
from mien.services.transact import transact
from mien.store.base import Store, Unit

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
        gone += transact(store, partial(_step, space=space, now=now))
    return gone + transact(store, lambda unit: unit.purge_discards(UNOWNED, before=now - 14 * DAY, limit=STEP))


def _step(unit: Unit, *, space: Space, now: int) -> int:
    keep, gone = space.retention, 0
    if keep.events is not None:
        gone += unit.purge_messages(space.slug, before=now - keep.events, limit=STEP)
        gone += unit.purge_discards(space.slug, before=now - keep.events, limit=STEP)
    if keep.changes is not None:
        gone += unit.purge_changes(space.slug, before=now - keep.changes, limit=STEP)
    if keep.memberships is not None:
        gone += unit.purge_memberships(space.slug, before=now - keep.memberships, limit=STEP)
    if keep.profiles is not None:
        gone += unit.purge_profiles(space.slug, before=now - keep.profiles, limit=PROFILES_STEP)
    return gone
