"""Letting go of what is kept no longer."""

from mien.core.message import order_of
from mien.core.space import DAY, Retention
from mien.services.retention import STEP, purge
from mien.store.base import EventQuery
from mien.store.sql import SqlStore
from tests.factories import NOW, message, space, take_in, user


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
