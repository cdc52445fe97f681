"""Find a profile and read a part of it."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from mien.core.message import Identifier
from mien.core.space import Space
from mien.errors import ProfileNotFound
from mien.store.base import Head, Store, TraitSheet, read_members

_encode = msgspec.json.Encoder().encode


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
    """Some traits of a profile, as the inside of a JSON object, and the key that begins the next page, or nothing."""

    text: bytes
    next: str


def page_of_traits(
    sheet: TraitSheet, *, hidden: str, include: Sequence[str] | None, start: str, limit: int
) -> TraitPage:
    """Return up to `limit` traits from the key `start` on, without those whose key begins with `hidden`."""
    if include is None and not start and hidden.encode() not in sheet.text:
        return TraitPage(sheet.slice(0, limit), _first_key(sheet.slice(limit, limit + 1)))
    members = sheet.members()
    wanted = members if include is None else sorted(members.keys() & set(include))
    keys = [key for key in wanted if not key.startswith(hidden)]
    first = bisect_left(keys, start)
    chosen = {key: members[key] for key in keys[first : first + limit]}
    return TraitPage(_encode(chosen)[1:-1], "".join(keys[first + limit : first + limit + 1]))


def _first_key(text: bytes) -> str:
    return next(iter(read_members(text))) if text else ""
