"""Find a profile and read a part of it."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from mien.core.message import Identifier
from mien.core.space import Space
from mien.errors import ProfileNotFound
from mien.store.base import Head, Store, TraitSheet


def find(store: Store, space: Space, names: Sequence[Identifier], *, now: int) -> int:
    """Return the id of the profile that the first of these names finds; raise ProfileNotFound when none does.

    A profile whose time is over is not found, even before it is purged.
    """
    for name in names:
        profile = store.owner(space.slug, name)
        if profile is not None:
            break
    else:
        raise ProfileNotFound
    if space.retention.profiles is not None:
        head(store, space, profile, now=now)
    return profile


def head(store: Store, space: Space, profile: int, *, now: int) -> Head:
    """Return what a profile is; raise ProfileNotFound when it is gone or its time is over."""
    found = store.head(profile)
    if found is None or (space.expires_at(found.last.at) or now) < now:
        raise ProfileNotFound
    return found


class TraitPage(NamedTuple):
    """Some traits of a profile, and the key with which the next page begins, empty when there is none."""

    keys: Sequence[str]
    values: Sequence[bytes]
    next: str


def page_of_traits(
    sheet: TraitSheet, *, hidden: str, include: Sequence[str] | None, start: str, limit: int
) -> TraitPage:
    """Return up to `limit` traits from the key `start` on, without those whose key begins with `hidden`."""
    keys, values = sheet.keys, sheet.values
    low = bisect_left(keys, hidden)
    high = bisect_left(keys, hidden + "\U0010ffff")
    if low < high:
        keys, values = keys[:low] + keys[high:], values[:low] + values[high:]
    if include is not None:
        places = [i for key in sorted(set(include)) if (i := bisect_left(keys, key)) < len(keys) and keys[i] == key]
        keys, values = [keys[i] for i in places], [values[i] for i in places]
    first = bisect_left(keys, start) if start else 0
    last = first + limit
    return TraitPage(keys[first:last], values[first:last], keys[last] if last < len(keys) else "")
