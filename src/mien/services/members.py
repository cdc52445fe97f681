"""Who belongs to an audience, since when and why; where somebody has been; how an audience has grown."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mien.core.computed import Cause
from mien.core.definition import Definition, Kind, State
from mien.core.message import Identifier
from mien.core.profile import Profile
from mien.core.space import DAY, Space
from mien.services.close_up import defined
from mien.store.base import Head, Store
from mien.store.computed import ChangesRow, Evaluation, Size, Stay


class Membership(NamedTuple):
    """Somebody in an audience: an identifier if they have one, since when, and why."""

    profile: int
    name: Identifier | None
    since: int
    cause: Cause


class MemberPage(NamedTuple):
    """Some members in the order of their ids; `next` is where the next page begins, None after the last."""

    members: Sequence[Membership]
    next: int | None


class Listed(NamedTuple):
    """A definition, and the size of an audience."""

    definition: Definition
    size: int | None


class Listing(NamedTuple):
    """The definitions of a space, by key, and how far it is with evaluating profiles for them."""

    definitions: Sequence[Listed]
    evaluation: Evaluation


class Visit(NamedTuple):
    """A time that somebody was in an audience, and the key of the audience."""

    key: str
    stay: Stay


class ChangedPage(NamedTuple):
    """Some of what readers saw change, the oldest first; `next` is where the next page begins, None after it.

    `profiles` are those of the rows that are still there.
    """

    rows: Sequence[ChangesRow]
    profiles: Mapping[int, Profile]
    next: tuple[int, int] | None


def listing(store: Store, space: Space, kind: Kind) -> Listing:
    """Return the definitions of a kind, those that take another's place beside it, and the sizes of audiences."""
    found = sorted((d for d in defined(store, space) if d.kind is kind), key=lambda d: (d.key, d.number))
    audiences = kind is Kind.AUDIENCE
    rows = [Listed(d, store.count_members(space.slug, d.number) if audiences else None) for d in found]
    return Listing(rows, store.evaluations().get(space.slug, Evaluation()))


def members(store: Store, space: Space, definition: Definition, *, beyond: int, limit: int, now: int) -> MemberPage:
    """Return members of an audience beyond a profile, as they were when last evaluated; those who are over left out.

    Two looks, however many there are. A page may hold fewer than `limit`, and there be more.
    """
    rows = store.members(space.slug, definition.number, beyond=beyond, limit=limit)
    profiles = store.profiles(row.profile for row in rows)
    found = [
        Membership(row.profile, best_name(space, profiles[row.profile]), row.since, row.cause)
        for row in rows
        if row.profile in profiles and not space.is_over(profiles[row.profile].last.at, now=now)
    ]
    return MemberPage(found, rows[-1].profile if len(rows) == limit else None)


def visits(store: Store, space: Space, head: Head, *, limit: int) -> list[Visit]:
    """Return when a profile was in audiences, the latest first, those it absorbed included."""
    numbered = {r.definition.number: r.definition for r in store.definitions() if r.space == space.slug}
    stays = store.memberships(head, limit=limit)
    return [Visit(numbered[stay.number].key, stay) for stay in stays if _counts(stay, numbered.get(stay.number))]


def _counts(stay: Stay, definition: Definition | None) -> bool:
    """Say whether a stay is one, and not repeated under the number that takes or took the place of another."""
    if definition is None or definition.state is State.PREPARING:
        return False
    return definition.state is not State.RETIRED or stay.until is not None


def sizes(store: Store, space: Space, definition: Definition, *, days: int, now: int) -> list[Size]:
    """Return the size of an audience at the end of each of the last days, today included, the earliest first.

    Days before its first member are left out.
    """
    changed = store.sizes(space.slug, definition.number)
    today = now - now % DAY
    by_day = {size.day: size for size in changed}
    found: list[Size] = []
    before = [size for size in changed if size.day <= today - days * DAY]
    size = before[-1].size if before else 0
    for day in range(today - (days - 1) * DAY, today + DAY, DAY):
        row = by_day.get(day) or Size(day, size, 0, 0)
        size = row.size
        if before or found or day in by_day:
            found.append(row)
    return found


def changed(store: Store, space: Space, *, beyond: tuple[int, int] | None, limit: int) -> ChangedPage:
    """Return what readers saw change beyond the time and the profile of the last row had."""
    rows = store.changes(space.slug, beyond=beyond, limit=limit)
    profiles = store.profiles({row.profile for row in rows})
    return ChangedPage(rows, profiles, (rows[-1].at, rows[-1].profile) if len(rows) == limit else None)


def best_name(space: Space, profile: Profile) -> Identifier | None:
    """Return the identifier of a profile that ranks highest, None if it has none."""
    names = [Identifier(profile.collection, *held) for held in profile.identifiers]
    return min(names, key=space.policy.rules.rank, default=None)
