"""What a query would come to."""

from random import Random
from typing import Any

import msgspec
import pytest

from mien.core.definition import Kind
from mien.core.message import ACCOUNTS, Identifier
from mien.core.space import DAY, Retention
from mien.errors import QueryRefused
from mien.services.preview import Drawn, Preview, Question, between, preview
from mien.services.sweep import sweep
from mien.store.base import Store
from mien.store.sql import SqlStore
from tests.defining import defining, order
from tests.factories import NOW, message, take_in, user


def tried(store: Store, query: str, *, kind: Kind = Kind.AUDIENCE, **how: Any) -> Preview:
    space = how.pop("tenant", None) or defining(store)
    asked = {name: how.pop(name) for name in ("collection", "anonymous") if name in how}
    question = Question(kind=kind, query=query, **asked)
    return preview(store, space, question, **{"now": NOW, "chance": Random(7), **how})


def fill(store: Store, people: int = 20) -> None:
    """Let people order, each one more than the one before."""
    space = defining(store)
    for n in range(people):
        name = user("user_id", f"u{n}")
        take_in(store, message(name), *(order(NOW - m * DAY, name) for m in range(n)), tenant=space)


def test_all_are_counted_and_some_are_named(store: SqlStore) -> None:
    fill(store)
    found = tried(store, "event('Order').within(7 days).count() >= 5", examples=3)
    assert (found.profiles, found.looked_at, found.matching, found.least, found.most) == (20, 20, 15, 15, 15)
    names = {example.name for example in found.examples}
    assert len(names) == 3
    assert names <= {user("user_id", f"u{n}") for n in range(5, 20)}


def test_a_preview_is_what_comes_of_saving_it(store: SqlStore) -> None:
    """Also of a definition that refers to others, those of which another query is being prepared included."""
    fill(store)
    bodies = {"orders": "event('Order').within(10 days).count()"}
    audiences = {"many": "trait('orders') >= 5"}
    space = defining(store, computed_traits=bodies, audiences=audiences)
    query = "trait('many') = true AND NOT event('Order').within(10 days).count() >= 8"
    found = tried(store, query, tenant=space)
    saved = defining(store, computed_traits=bodies, audiences={**audiences, "some": query})
    number = saved.audiences["users", "some"].number
    assert found.matching == store.count_members("acme", number) == 3
    other = defining(store, ready=False, computed_traits={"orders": "event('Order').within(4 days).count()"})
    assert tried(store, query, tenant=other).matching == 0


def test_a_computed_trait_is_shown_with_its_values(store: SqlStore) -> None:
    fill(store, 4)
    query = "event('Order').sum(property('revenue'))"
    found = tried(store, query, kind=Kind.COMPUTED_TRAIT)
    assert (found.profiles, found.matching) == (4, 3)
    assert sorted(example.value for example in found.examples) == [10, 20, 30]


def test_nothing_is_stored(store: SqlStore) -> None:
    fill(store)
    before = store.profiles(store.owners("acme", [user("user_id", f"u{n}") for n in range(20)]).values())
    tried(store, "event('Order').count() >= 1")
    tried(store, "event('Order').count() >= 1", draw=5)
    assert store.profiles(before) == before
    assert store.definitions() == []
    assert store.count_members("acme", 1) == 0
    assert sweep(store, {}, now=NOW).profiles == 0


def test_people_who_are_not_known_count_only_if_asked_for(store: SqlStore) -> None:
    take_in(store, order(NOW, user("anonymous_id", "a1")), tenant=defining(store))
    query = "event('Order').count() >= 1"
    assert tried(store, query).matching == 0
    found = tried(store, query, anonymous=True)
    assert [example.name for example in found.examples] == [user("anonymous_id", "a1")]


def test_accounts_are_previewed_by_users_that_were_never_evaluated(store: SqlStore) -> None:
    account = Identifier(ACCOUNTS, "group_id", "g1")
    space = defining(store)
    name = user("user_id", "u1")
    take_in(store, message(name, account, kind="group", subject=ACCOUNTS), order(NOW, name), tenant=space)
    found = tried(store, "ANY event('Order').count() >= 1", collection=ACCOUNTS)
    assert (found.profiles, found.matching) == (1, 1)
    assert tried(store, "event('Order').count() >= 1").profiles == 1


@pytest.mark.parametrize("draw", [None, 10])
def test_profiles_whose_time_is_over_do_not_count(store: SqlStore, draw: int | None) -> None:
    fill(store, 3)
    late = msgspec.structs.replace(defining(store), retention=Retention(profiles=DAY))
    found = tried(store, "NOT trait('x').exists()", tenant=late, now=NOW + 3 * DAY, draw=draw)
    assert (found.profiles, found.looked_at, found.matching) == (0, 0, 0)


def test_an_estimate_says_between_what_the_number_lies(store: SqlStore) -> None:
    fill(store, 40)
    seen: list[int] = []
    for seed in range(5):
        found = tried(store, "event('Order').count() >= 20", draw=10, chance=Random(seed), tell=seen.append)
        assert (found.profiles, found.looked_at) == (40, 10)
        assert 0 <= found.least <= 20 <= found.most <= 40
    assert seen == [*range(1, 11)] * 5
    exact = tried(store, "event('Order').count() >= 20", draw=1000)
    assert (exact.looked_at, exact.least, exact.most) == (40, 20, 20)


def test_what_cannot_be_understood_is_refused_with_its_place(store: SqlStore) -> None:
    with pytest.raises(QueryRefused) as refused:
        tried(store, "event('Order').count() >=\n  maximum")
    assert (refused.value.line, refused.value.column) == (2, 3)
    with pytest.raises(QueryRefused):
        tried(store, "event('Order').count() >= 1", kind=Kind.COMPUTED_TRAIT)


def test_everything_has_the_same_chance_to_be_drawn() -> None:
    chance, times = Random(7), [0] * 10
    for _ in range(4000):
        drawn: Drawn[int] = Drawn(3, chance)
        for n in range(10):
            drawn.offer(n)
        for n in drawn.kept:
            times[n] += 1
    assert all(1050 < n < 1350 for n in times)
    assert Drawn(0, chance).kept == []


def test_the_interval_holds_the_truth_in_about_95_of_100_cases() -> None:
    chance, right = Random(7), 0
    for _ in range(500):
        matching = sum(chance.random() < 0.03 for _ in range(200))
        least, most = between(matching, 200, 100_000)
        right += least <= 3000 <= most
    assert right > 460
    assert between(0, 100, 1000) == (0, 37)
    assert between(0, 0, 0) == (0, 0)
