"""Who is in an audience, where somebody has been, and one definition at a time."""

import pytest

from mien.core.computed import How
from mien.core.definition import Kind, State
from mien.core.space import DAY, Space
from mien.errors import DefinitionNotFound, SettingsRefused, SpaceNotFound
from mien.services.close_up import defined, named
from mien.services.define import create, remove
from mien.services.lookup import head
from mien.services.members import Membership, changed, listing, members, sizes, visits
from mien.services.pulse import Watch
from mien.services.spaces import read_catalog
from mien.services.sweep import sweep
from mien.store.base import Store
from mien.store.sql import SqlStore
from tests.defining import U1, defining, order
from tests.factories import NOW, message, take_in, user

RECENT = "event('Order').within(7 days).count() >= 1"


def all_members(store: Store, space: Space, key: str, limit: int, now: int = NOW) -> list[Membership]:
    audience = named(defined(store, space), Kind.AUDIENCE, key)
    found: list[Membership] = []
    beyond: int | None = 0
    while beyond is not None:
        page = members(store, space, audience, beyond=beyond, limit=limit, now=now)
        assert len(page.members) <= limit
        found += page.members
        beyond = page.next
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_members_hold_each_once_under_their_best_name(store: SqlStore, limit: int) -> None:
    space = defining(store, audiences={"recent": {"query": RECENT, "anonymous": True}})
    names = [user("user_id", f"u{n}") for n in range(5)]
    for n, name in enumerate(names):
        beside = [user("email", "z@x.c")] if n == 0 else []
        take_in(store, order(NOW, name, *beside, id=f"order-{n}"), tenant=space)
    take_in(store, order(NOW, user("anonymous_id", "a1")), message(user("user_id", "none")), tenant=space)
    found = all_members(store, space, "recent", limit)
    assert [row.name for row in found] == [*names, user("anonymous_id", "a1")]
    assert [row.cause for row in found[:5]] == [(How.MESSAGE, f"order-{n}") for n in range(5)]
    assert {row.since for row in found} == {NOW}


def test_where_somebody_has_been_and_why(store: SqlStore) -> None:
    space = defining(store, audiences={"recent": RECENT})
    take_in(store, order(id="first"), tenant=space)
    sweep(store, {"acme": space}, now=NOW + 8 * DAY)
    take_in(store, order(NOW + 9 * DAY, id="second"), tenant=space, now=NOW + 9 * DAY)
    profile = store.owner("acme", U1)
    assert profile is not None
    now = NOW + 9 * DAY
    found = visits(store, space, head(store, space, profile, now=now), limit=10)
    assert [(key, stay.since, stay.until) for key, stay in found] == [
        ("recent", now, None),
        ("recent", NOW, NOW + 7 * DAY),
    ]
    assert [stay.entered.message for _, stay in found] == ["second", "first"]
    assert found[1].stay.left == (How.TIME, "")


@pytest.mark.parametrize("ready", [False, True])
def test_a_query_that_changed_does_not_repeat_where_somebody_has_been(store: SqlStore, ready: bool) -> None:
    space = defining(store, audiences={"recent": RECENT})
    take_in(store, order(), tenant=space)
    space = defining(store, ready=ready, audiences={"recent": f"{RECENT} AND NOT trait('x').exists()"})
    profile = store.owner("acme", U1)
    assert profile is not None
    [visit] = visits(store, space, head(store, space, profile, now=NOW), limit=10)
    assert (visit.key, visit.stay.since, visit.stay.until) == ("recent", NOW, None)


def test_the_size_of_an_audience_is_known_for_every_day(store: SqlStore) -> None:
    space = defining(store, audiences={"recent": RECENT})
    for n in range(3):
        at = NOW + n * DAY
        take_in(store, order(at, user("user_id", f"u{n}")), tenant=space, now=at)
    now = NOW + 8 * DAY
    sweep(store, {"acme": space}, now=now)
    audience = named(defined(store, space), Kind.AUDIENCE, "recent")
    rows = sizes(store, space, audience, days=30, now=now)
    assert [(row.size, row.entered, row.left) for row in rows] == [
        *((1, 1, 0), (2, 1, 0), (3, 1, 0)),
        *[(3, 0, 0)] * 4,
        *((2, 0, 1), (1, 0, 1)),
    ]
    assert [row.size for row in sizes(store, space, audience, days=3, now=now)] == [3, 2, 1]
    assert rows[0].day == NOW - NOW % DAY


def test_definitions_are_listed_with_sizes_and_progress(store: SqlStore) -> None:
    space = defining(store, audiences={"recent": RECENT}, computed_traits={"n": "event('Order').count()"})
    take_in(store, order(), tenant=space)
    create(store, "acme", Kind.AUDIENCE, "recent", {"query": "event('Order').count() >= 1"}, now=NOW, over=True)
    found = listing(store, space, Kind.AUDIENCE)
    rows = [(row.definition.key, row.definition.state, row.size) for row in found.definitions]
    assert rows == [("recent", State.LIVE, 1), ("recent", State.PREPARING, 0)]
    assert (found.evaluation.done, found.evaluation.total) == (0, 1)
    [row] = listing(store, space, Kind.COMPUTED_TRAIT).definitions
    assert (row.definition.key, row.size) == ("n", None)


def test_one_definition_is_made_and_removed_beside_others(store: SqlStore) -> None:
    space = defining(store, audiences={"recent": RECENT, "old": {"query": "NOT trait('recent') = true", "id": 7}})
    made = create(store, "acme", Kind.AUDIENCE, "new", {"query": "trait('recent') = true"}, now=NOW)
    assert made is not None
    assert (made.id, made.state) == (9, State.LIVE)
    assert create(store, "acme", Kind.AUDIENCE, "new", {"query": made.query}, now=NOW + 1, over=True) is None
    with pytest.raises(SettingsRefused, match=r"audiences\.new: is there already"):
        create(store, "acme", Kind.AUDIENCE, "new", {"query": RECENT}, now=NOW)
    with pytest.raises(SettingsRefused, match=r"audiences\.bad\.query: line 1, column 2"):
        create(store, "acme", Kind.AUDIENCE, "bad", {"query": "5"}, now=NOW)
    with pytest.raises(SettingsRefused, match="refers to itself"):
        create(store, "acme", Kind.AUDIENCE, "me", {"query": "trait('me') = true"}, now=NOW)
    assert remove(store, "acme", Kind.AUDIENCE, "recent", now=NOW) == ["new", "old"]
    assert {d.key for d in defined(store, space)} == {"new", "old"}
    with pytest.raises(DefinitionNotFound):
        remove(store, "acme", Kind.COMPUTED_TRAIT, "new", now=NOW)
    with pytest.raises(SpaceNotFound):
        create(store, "nowhere", Kind.AUDIENCE, "new", {"query": RECENT}, now=NOW)


def test_pages_of_changes_hold_each_once(store: SqlStore) -> None:
    space = defining(store, audiences={"recent": RECENT})
    for n in range(5):
        take_in(store, order(NOW, user("user_id", f"u{n}")), tenant=space)
    seen, place = [], None
    while True:
        page = changed(store, space, beyond=place, limit=2)
        seen += [row.profile for row in page.rows]
        place = page.next
        if place is None:
            break
    assert len(seen) == len(set(seen)) == 5


def test_the_pulse_says_how_late_the_sweeper_is(store: SqlStore) -> None:
    watch = Watch()
    assert watch.look(store, now=NOW).lag == 0
    space = defining(store, audiences={"recent": RECENT})
    take_in(store, order(NOW - DAY), order(NOW, user("user_id", "u2")), tenant=space)
    pulse = watch.look(store, now=NOW)
    assert (pulse.lag, pulse.at_once, pulse.definitions[State.LIVE], pulse.progress) == (0, 0, 1, {})
    assert watch.look(store, now=NOW + 6 * DAY + 1_000_000).lag == 1_000_000
    assert watch.look(store, now=NOW + 8 * DAY).lag == 2 * DAY
    profile = store.owner("acme", U1)
    assert profile is not None
    with store.begin() as unit:
        unit.look_again([profile])
    pulse = watch.look(store, now=NOW + 8 * DAY)
    assert (pulse.at_once, pulse.lag) == (1, DAY)
    sweep(store, read_catalog(store).spaces, now=NOW + 8 * DAY)
    assert watch.look(store, now=NOW + 8 * DAY).lag == 0
    defining(store, ready=False, audiences={"recent": RECENT, "other": RECENT})
    pulse = watch.look(store, now=NOW + 8 * DAY)
    assert pulse.definitions[State.PREPARING] == 1
    assert pulse.progress == {"acme": 0.0}
