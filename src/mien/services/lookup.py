"""Find a profile and read a part of it."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from mien.core.computed import ABSENT, Cause, How, Result
from mien.core.definition import Definition
from mien.core.message import Identifier
from mien.core.profile import Profile
from mien.core.space import Space
from mien.errors import ProfileNotFound
from mien.services.evaluation import bring
from mien.store.base import Event, EventQuery, Head, HeldIdentifier, LinkRow, Look, Place, Recent, Store
from mien.store.sheet import TraitSheet, read_members

_encode = msgspec.json.Encoder().encode


def find(store: Store, space: Space, names: Sequence[Identifier], *, now: int) -> int:
    """Return the id of the profile that the first of these names finds; raise ProfileNotFound when none does.

    A profile whose time is over is not found, even before it is purged.
    """
    for name in names:
        profile = store.owner(space.slug, space.policy.rules.canonical(name))
        if profile is not None:
            break
    else:
        raise ProfileNotFound
    if space.retention.profiles is not None:
        head(store, space, profile, now=now)
    return profile


def one(store: Store, space: Space, names: Sequence[Identifier], *, now: int) -> Look:
    """Return the profile that the first of these names finds; raise ProfileNotFound as `find` does.

    What is computed of it is as it is at this instant.
    """
    for name in names:
        look = store.look(space.slug, space.policy.rules.canonical(name))
        if look is not None:
            if space.retention.profiles is not None:
                head(store, space, look.id, now=now)
            return _current(store, space, name.collection, look, now)
    raise ProfileNotFound


def many(store: Store, space: Space, names: Sequence[Identifier], *, now: int) -> list[Look | None]:
    """Return for each of these names, in their order, the profile it finds, or None where `find` would raise.

    Two looks, or three where profiles have their time, however many names there are: hold a state around them.
    """
    canonical = [space.policy.rules.canonical(name) for name in names]
    owners = store.owners(space.slug, canonical)
    profiles = set(owners.values())
    if space.retention.profiles is not None:
        heads = store.heads(profiles).values()
        profiles = {head.id for head in heads if not space.is_over(head.last.at, now=now)}
    looks = store.looks(profiles)
    found = {
        name: _current(store, space, name.collection, looks[profile], now)
        for name, profile in owners.items()
        if profile in looks
    }
    return [found.get(name) for name in canonical]


def _current(store: Store, space: Space, collection: str, look: Look, now: int) -> Look:
    """Return a profile as it is at an instant: as it was stored, unless something of it is due or shown otherwise."""
    if look.due is None and not look.sheet.epoch:
        return look
    plan = space.policy.plans.get(collection)
    if (look.due is None or look.due > now) and plan is not None and look.sheet.epoch in {0, plan.epoch}:
        return look
    return Look(look.id, store.sheet(current(store, space, look.id, now=now)))


def current(store: Store, space: Space, profile: int, *, now: int) -> Profile:
    """Return a profile whole, as it is at an instant; raise ProfileNotFound when it is gone.

    If it was absorbed since somebody found it, that is the one that absorbed it.
    """
    stored = store.profile(profile)
    while stored is not None and stored.merged_into is not None:
        stored = store.profile(stored.merged_into)
    if stored is None:
        raise ProfileNotFound
    cause = Cause(How.TIME)
    return bring(store, space, stored, now=now, cause=cause, members=stored.computed.stale).profile


Results = Mapping[str, tuple[Definition, Result]]
"""What is computed of a profile, by key: each value with its definition."""


class Explained(NamedTuple):
    """A profile and what is computed of it, of one state."""

    look: Look
    computed: Results


def explained(store: Store, space: Space, found: Look, *, now: int) -> Explained:
    """Return a profile that was found, as it is at an instant, with what is known of its computed values."""
    if not found.sheet.kinds:
        return Explained(found, {})
    profile = current(store, space, found.id, now=now)
    plan, results = space.policy.plans.get(profile.collection), profile.computed.results
    visible = {} if plan is None else plan.visible
    computed = {
        visible[slot].key: (visible[slot], result)
        for slot, result in results.items()
        if slot in visible and result.text != ABSENT
    }
    return Explained(Look(profile.id, store.sheet(profile)), computed)


def head(store: Store, space: Space, profile: int, *, now: int) -> Head:
    """Return what a profile is; raise ProfileNotFound when it is gone or its time is over."""
    found = store.head(profile)
    if found is None or space.is_over(found.last.at, now=now):
        raise ProfileNotFound
    return found


class TraitPage(NamedTuple):
    """Some traits of a profile, as the inside of a JSON object, and the key that begins the next page, or nothing."""

    text: bytes
    next: str


def page_of_traits(
    sheet: TraitSheet, *, hidden: str, kind: int | None, include: Sequence[str] | None, start: str, limit: int
) -> TraitPage:
    """Return up to `limit` traits from the key `start` on, without those whose key begins with `hidden`.

    `kind` is one of CUSTOM, COMPUTED and AUDIENCE, or None for all.
    """
    if kind is None and include is None and not start and hidden.encode() not in sheet.text:
        return TraitPage(sheet.slice(0, limit), _first_key(sheet.slice(limit, limit + 1)))
    members = sheet.members() if kind is None else sheet.members_of(kind)
    wanted = members if include is None else sorted(members.keys() & set(include))
    keys = [key for key in wanted if not key.startswith(hidden)]
    first = bisect_left(keys, start)
    chosen = {key: members[key] for key in keys[first : first + limit]}
    return TraitPage(_encode(chosen)[1:-1], "".join(keys[first + limit : first + limit + 1]))


def _first_key(text: bytes) -> str:
    return next(iter(read_members(text))) if text else ""


def events(
    store: Store, space: Space, profile: Head, query: EventQuery, *, past: tuple[int, str] | None, now: int
) -> list[Event]:
    """Return events from the window the space serves, beyond the event of a time and a message id.

    When that event is gone, everything at its time is passed over: a page never repeats.
    """
    beyond = None
    if past is not None:
        timestamp, message = past
        beyond = store.place(space.slug, profile, timestamp, message)
        beyond = beyond or Place(timestamp, 2**63 - 1 if query.ascending else -(2**63), b"")
    after, window = query.after, space.retention.served_events
    if window is not None:
        after = now - window if after is None else max(after, now - window)
    return store.events(profile, replace(query, after=after, beyond=beyond))


def links(
    store: Store, space: Space, profile: Head, *, beyond: tuple[int, int] | None, limit: int, now: int
) -> list[tuple[LinkRow, list[HeldIdentifier]]]:
    """Return links with the identifiers of the linked profiles, of which those whose time is over have none."""
    found = []
    for row in store.links(space.slug, profile, beyond=beyond, limit=limit):
        linked = store.head(row.today)
        over = linked is None or space.is_over(linked.last.at, now=now)
        found.append((row, [] if over else store.identifiers(row.today)))
    return found


def recent(
    store: Store, space: Space, collection: str, *, beyond: Recent | None, offset: int, limit: int, now: int
) -> list[Recent]:
    """Return profiles by their last activity, newest first, without those whose time is over."""
    rows = store.recent(space.slug, collection, beyond=beyond, offset=offset, limit=limit)
    return [row for row in rows if not space.is_over(row.last_at, now=now)]
