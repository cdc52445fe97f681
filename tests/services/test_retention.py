"""Letting go of what is kept no longer."""

from mien.core.definition import Kind
from mien.core.fold import Policy
from mien.core.message import order_of
from mien.core.plan import parse
from mien.core.presets import preset
from mien.core.space import DAY, Retention
from mien.services import lookup
from mien.services.retention import STEP, purge
from mien.store.base import EventQuery
from mien.store.sql import SqlStore
from tests import oracle
from tests.factories import NOW, message, space, take_in, user
from tests.somebody import definition, plans_of


def test_everything_old_goes_a_step_at_a_time(store: SqlStore) -> None:
    tenant = space(retention=Retention(events=DAY, profiles=30 * DAY))
    old, idle = user("user_id", "old"), user("user_id", "idle")
    then = NOW - 2 * DAY
    events = [message(old, event="E", at=then, order=order_of(then, n)) for n in range(STEP + 10)]
    take_in(store, *events, message(old, event="E", at=NOW), tenant=tenant)
    long_ago = NOW - 31 * DAY
    take_in(store, message(idle, at=long_ago, order=order_of(long_ago)), tenant=tenant, now=long_ago)
    steps = 0
    while purge(store, [tenant], now=NOW):
        steps += 1
    assert steps == 2
    assert store.owner("acme", idle) is None
    profile = store.owner("acme", old)
    assert profile is not None
    head = store.head(profile)
    assert head is not None
    assert len(store.events(head, EventQuery(limit=1000))) == 1


def test_what_is_kept_for_ever_stays(store: SqlStore) -> None:
    tenant = space(retention=Retention(events=None, profiles=None))
    take_in(store, message(at=1, order=order_of(2)), tenant=tenant)
    assert purge(store, [tenant], now=NOW + 10_000 * DAY) == 0


def test_messages_that_named_nobody_go_too(store: SqlStore) -> None:
    tenant = space(retention=Retention(events=DAY))
    then = NOW - 2 * DAY
    take_in(store, message(user("user_id", "null"), id="m1", at=then, order=order_of(then)), tenant=tenant)
    assert store.db.value("SELECT count(*) FROM seen") == 1
    while purge(store, [tenant], now=NOW):
        pass
    assert store.db.value("SELECT count(*) FROM seen") == 0


def test_what_is_computed_outlives_the_messages(store: SqlStore) -> None:
    """With or without a window, each event leaves when it is its time, though it is no longer kept."""
    queries = {
        "all": "event('Order').sum(property('total'))",
        "lately": "event('Order').within(60 days).sum(property('total'))",
        "before": "event('Order').between(20 days, 60 days).count()",
        "followed": "event('Order').where(event('Order').within(parent: 5 days).count() > 0).count()",
    }
    made = [
        definition(query, key=key, number=number, kind=Kind.COMPUTED_TRAIT)
        for number, (key, query) in enumerate(queries.items(), 1)
    ]
    policy = Policy(rules=preset("segment"), plans=plans_of(made))
    tenant = space(policy=policy, retention=Retention(events=DAY))
    somebody = user("user_id", "u1")
    orders = [
        message(somebody, event="Order", at=at, order=order_of(at), properties=b'{"total": %d}' % (1 << n))
        for n, at in enumerate(NOW + days * DAY for days in (0, 3, 30, 33, 50))
    ]
    for one in orders:
        take_in(store, one, tenant=tenant, now=one.timestamp)
    today = NOW + 55 * DAY
    while purge(store, [tenant], now=today):
        pass
    assert store.happened("acme", [store.owner("acme", somebody) or 0], ["Order"]) == []
    for at in [today, *(one.timestamp + 60 * DAY + off for one in orders for off in (-1, 0))]:
        found = lookup.one(store, tenant, [somebody], now=at).sheet.members()
        expected = {d.key: oracle.value(parse(d), oracle.Past(orders), now=at) for d in made}
        assert {key: bytes(text) for key, text in found.items()} == {k: v for k, v in expected.items() if v}
