"""What a query would come to before anybody saves it: how many, and who for example. Nothing is stored."""

from collections.abc import Callable, Iterator
from itertools import islice
from math import sqrt
from random import Random
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import Struct

from mien.core import values
from mien.core.computed import ABSENT, TRUE
from mien.core.definition import Definition, Kind
from mien.core.message import USERS, Identifier
from mien.core.profile import Profile
from mien.core.space import Space
from mien.services.close_up import Aside, close_up
from mien.services.members import best_name
from mien.store.base import Recent, Store

_T = TypeVar("_T")

PAGE = 500
"""How many profiles are read at a time."""
IDS = 10_000
"""How many ids are read at a time where profiles are drawn."""
_SURE = 1.96
"""How many standard deviations hold 95 of 100 cases."""

Progress = Callable[[int], None]
"""Is told of each profile, and how many have been looked at."""


class Example(NamedTuple):
    """Somebody a query holds for, or who has a value: an identifier if they have one, and the value."""

    profile: int
    name: Identifier | None
    value: Any


class Preview(Struct, frozen=True, kw_only=True):
    """What a query comes to: of `profiles` there are, how many were `looked_at`, and for how many of these it holds.

    Of a computed trait: how many have a value. For all of them it is between `least` and `most`, in 95 of 100 cases;
    these are the same where all were looked at. `examples` are drawn by chance.
    """

    profiles: int
    looked_at: int
    matching: int
    least: int
    most: int
    examples: list[Example]


class Question(Struct, frozen=True, kw_only=True):
    """A query that is not saved."""

    kind: Kind
    query: str
    collection: str = USERS
    anonymous: bool = False


def preview(
    store: Store,
    space: Space,
    question: Question,
    *,
    now: int,
    chance: Random,
    examples: int = 10,
    draw: int | None = None,
    tell: Progress = lambda done: None,
) -> Preview:
    """Say what a query comes to at an instant; raise QueryRefused when it cannot be understood.

    All profiles are looked at, or with `draw` that many, drawn by chance.
    """
    close = close_up(store, space, _definition(question, now))
    aside = Aside(store, close, now=now)
    shown: Drawn[Example] = Drawn(examples, chance)
    looked_at = matching = there = 0
    for total, profile in _profiles(store, space, question.collection, draw, chance, now):
        looked_at, there = looked_at + 1, total
        result = aside.brought(profile).computed.results.get(close.definition.number)
        if result is not None and (result.text == TRUE if question.kind is Kind.AUDIENCE else result.text != ABSENT):
            matching += 1
            shown.offer(Example(profile.id, best_name(space, profile), values.read(result.text)))
        tell(looked_at)
    profiles = max(there, looked_at)
    least, most = between(matching, looked_at, profiles)
    return Preview(
        profiles=profiles, looked_at=looked_at, matching=matching, least=least, most=most, examples=shown.kept
    )


def _definition(question: Question, now: int) -> Definition:
    return Definition(
        number=0,
        kind=question.kind,
        key="",
        name="",
        collection=question.collection,
        query=question.query,
        anonymous=question.anonymous,
        created_at=now,
        updated_at=now,
    )


def _profiles(
    store: Store, space: Space, collection: str, draw: int | None, chance: Random, now: int
) -> Iterator[tuple[int, Profile]]:
    """Yield profiles of a collection, each with how many there are of which these were drawn; 0 where it is all."""
    if draw is None:
        yield from ((0, profile) for profile in _all(store, space, collection, now))
        return
    drawn: Drawn[int] = Drawn(draw, chance)
    for profile in _ids(store, space, collection, now):
        drawn.offer(profile)
    waiting = iter(drawn.kept)
    while page := list(islice(waiting, PAGE)):
        yield from ((drawn.offered, profile) for profile in store.profiles(page).values())


def _all(store: Store, space: Space, collection: str, now: int) -> Iterator[Profile]:
    beyond = 0
    while page := store.profiles_beyond(space.slug, beyond, limit=PAGE, computed=False):
        beyond = page[-1].id
        yield from (p for p in page if p.collection == collection and not space.is_over(p.last.at, now=now))


def _ids(store: Store, space: Space, collection: str, now: int) -> Iterator[int]:
    beyond: Recent | None = None
    while page := store.recent(space.slug, collection, beyond=beyond, offset=0, limit=IDS):
        beyond = page[-1]
        yield from (row.id for row in page if not space.is_over(row.last_at, now=now))


class Drawn(Generic[_T]):
    """Up to so many of what is offered; each has the same chance to be `kept`."""

    def __init__(self, size: int, chance: Random) -> None:
        self._size = size
        self._chance = chance
        self.kept: list[_T] = []
        self.offered = 0

    def offer(self, one: _T) -> None:
        """Take one in, perhaps in another's place."""
        self.offered += 1
        if len(self.kept) < self._size:
            self.kept.append(one)
        elif (place := self._chance.randrange(self.offered)) < self._size:
            self.kept[place] = one


def between(matching: int, looked_at: int, profiles: int) -> tuple[int, int]:
    """Return between what the number for all profiles lies in 95 of 100 cases (Wilson's interval)."""
    if looked_at in {0, profiles}:
        return matching, matching
    share, spread = matching / looked_at, _SURE**2 / looked_at
    middle = (share + spread / 2) / (1 + spread)
    half = _SURE * sqrt(share * (1 - share) / looked_at + spread / looked_at / 4) / (1 + spread)
    least, most = profiles * (middle - half), profiles * (middle + half)
    return max(matching, int(least)), min(profiles - looked_at + matching, int(most) + 1)
