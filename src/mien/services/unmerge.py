"""Undo a merge of two profiles."""

from collections.abc import Iterator

from mien.core import unmerge as core
from mien.core.space import Space
from mien.core.story import Unmerge
from mien.services.transact import transact
from mien.store.base import Store, Unit


def unmerge(store: Store, space: Space, absorbed: int, *, forever: bool, now: int, ids: Iterator[int]) -> Unmerge:
    """Make two profiles of one again, as they would be had `absorbed` not been absorbed; return the account of it.

    With `forever` they never become one again. Raise NotMerged when the profile was not absorbed, CannotUnmerge when
    what is needed was not kept.
    """

    def split(unit: Unit) -> Unmerge:
        family = unit.family(space.slug, absorbed)
        made = core.unmerge(family, space.policy, ids=ids, forever=forever)
        account = Unmerge(made.merge, now, forever, made.came, tuple(made.unkept))
        unit.write_split(space.slug, family, made, account)
        return account

    return transact(store, split)
