"""New definitions are evaluated for everybody who is there, in the background, and shown at one moment."""

import json

from mien.core.definition import State
from mien.core.message import Identifier
from mien.core.space import Space
from mien.services import lookup
from mien.services.pace import Pace
from mien.services.preparation import advance
from mien.services.spaces import read_catalog
from mien.services.sweep import sweep
from mien.store.sql import SqlStore
from tests.factories import NOW, defined, message, take_in, user

PEOPLE = [user("user_id", f"u{n}") for n in range(5)]
OLD = """{audiences: {big: {query: "event('E').count() >= 1"}}}"""
NEW = """{audiences: {big: {query: "event('E').count() >= 2"}},
    computed_traits: {n: {query: "event('E').count()"}}}"""


def seen(store: SqlStore, name: Identifier, space: Space | None = None) -> dict[str, object]:
    tenant = space or read_catalog(store).spaces["acme"]
    members = lookup.one(store, tenant, [name], now=NOW).sheet.members()
    return {key: json.loads(bytes(text)) for key, text in members.items()}


def step(store: SqlStore, limit: int = 2) -> bool:
    return advance(store, read_catalog(store).spaces, now=NOW, pace=Pace(limit))


def finish(store: SqlStore) -> None:
    while step(store) or sweep(store, read_catalog(store).spaces, now=NOW).profiles:
        pass


def people(store: SqlStore) -> None:
    """The n-th did it n times."""
    tenant = defined(store, OLD)
    for n, name in enumerate(PEOPLE):
        take_in(store, message(name, traits={"name": n}), tenant=tenant)
        for _ in range(n):
            take_in(store, message(name, event="E"), tenant=tenant)


def test_until_everybody_is_evaluated_readers_see_what_was_and_then_all_see_the_new(store: SqlStore) -> None:
    people(store)
    old = [{"name": n, **({"big": True} if n else {})} for n in range(5)]
    new = [{"name": n, **({"n": n} if n else {}), **({"big": n >= 2} if n >= 2 else {})} for n in range(5)]
    assert [seen(store, name) for name in PEOPLE] == old
    defined(store, NEW)
    while any(r.definition.state is State.PREPARING for r in store.definitions()):
        assert [seen(store, name) for name in PEOPLE] == old
        assert step(store)
    assert [seen(store, name) for name in PEOPLE] == new
    while step(store):
        assert [seen(store, name) for name in PEOPLE] == new
    number = next(r.definition.number for r in store.definitions() if r.definition.key == "big")
    assert store.count_members("acme", number) == 3
    assert [r.definition.state for r in store.definitions()] == [State.LIVE] * 2


def test_a_node_that_has_not_heard_yet_goes_on_as_before(store: SqlStore) -> None:
    people(store)
    before = read_catalog(store).spaces["acme"]
    defined(store, NEW)
    finish(store)
    assert [seen(store, name, before)["name"] for name in PEOPLE] == [0, 1, 2, 3, 4]
    assert all("n" not in seen(store, name, before) for name in PEOPLE)


def test_what_comes_in_meanwhile_counts_once(store: SqlStore) -> None:
    people(store)
    tenant = defined(store, NEW)
    step(store)
    for name in PEOPLE:
        take_in(store, message(name, event="E"), tenant=tenant)
    take_in(store, message(user("user_id", "new"), event="E"), tenant=tenant)
    step(store)
    take_in(store, message(PEOPLE[0], PEOPLE[0], event="E"), tenant=tenant)
    finish(store)
    assert [seen(store, name)["n"] for name in PEOPLE] == [2, 2, 3, 4, 5]
    assert seen(store, user("user_id", "new"))["n"] == 1


def test_somebody_who_merges_meanwhile_is_looked_at_whole(store: SqlStore) -> None:
    tenant = defined(store, OLD)
    one, other = user("user_id", "m1"), user("anonymous_id", "m2")
    for name in (one, other, other):
        take_in(store, message(name, event="E"), tenant=tenant)
    tenant = defined(store, NEW)
    step(store, limit=1)
    take_in(store, message(one, other), tenant=tenant)
    finish(store)
    assert seen(store, one) == {"big": True, "n": 3}


def test_it_goes_on_where_it_was(store: SqlStore) -> None:
    people(store)
    defined(store, NEW)
    step(store)
    cursor = store.evaluations()["acme"].cursor
    assert cursor
    assert (store.evaluations()["acme"].done, store.evaluations()["acme"].total) == (2, 5)
    defined(store, NEW)
    assert store.evaluations()["acme"].cursor == cursor


def test_a_definition_that_goes_is_seen_by_nobody_at_once(store: SqlStore) -> None:
    people(store)
    defined(store, "{audiences: {}}")
    assert [seen(store, name) for name in PEOPLE] == [{"name": n} for n in range(5)]
    finish(store)
    assert [seen(store, name) for name in PEOPLE] == [{"name": n} for n in range(5)]
    assert store.changes("acme", beyond=None, limit=99)[-1].changes[0].now == b""


def test_since_when_somebody_is_in_an_audience_stays_when_its_query_changes(store: SqlStore) -> None:
    people(store)
    before = store.members("acme", 1, beyond=0, limit=9)[-1]
    defined(store, NEW)
    finish(store)
    number = next(r.definition.number for r in store.definitions() if r.definition.key == "big")
    after = store.members("acme", number, beyond=0, limit=9)[-1]
    assert (after.profile, after.since, after.cause) == (before.profile, before.since, before.cause)


def test_what_was_replaced_is_never_due_again(store: SqlStore) -> None:
    """Else every sweep would take the profile up once more, for ever."""
    tenant = defined(store, """{audiences: {recent: {query: "event('E').within(1 day).count() >= 1"}}}""")
    take_in(store, message(PEOPLE[0], event="E"), tenant=tenant)
    defined(store, """{audiences: {recent: {query: "event('E').count() >= 1"}}}""")
    finish(store)
    later = NOW + 30 * 86_400_000_000
    sweep(store, read_catalog(store).spaces, now=later)
    assert store.due(now=later, limit=10) == []


def test_all_definitions_may_go_at_the_moment_somebody_changed(store: SqlStore) -> None:
    tenant = defined(store, OLD)
    take_in(store, message(PEOPLE[1], event="E"), tenant=tenant)
    defined(store, "{audiences: {}}")
    finish(store)
    assert seen(store, PEOPLE[1]) == {}
