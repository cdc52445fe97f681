"""Several nodes over one store: what one computes while another changes something, and by clocks that differ."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import count

import pytest

from mien.app import SECTIONS
from mien.core.message import ACCOUNTS, Identifier, Kind, order_of
from mien.errors import Busy
from mien.services.credentials import create_credential, create_source
from mien.services.identifiers import remove
from mien.services.spaces import apply
from mien.services.sweep import sweep
from mien.services.unmerge import unmerge
from mien.store.base import Head
from mien.store.computed import Stay
from mien.store.sql import Limits, SqlStore, open_store
from tests import nodes
from tests.defining import U1, defining
from tests.factories import NOW, message, sheet_of, take_in, user
from tests.postgres import new_schema
from tests.tripping import Tripping

SECOND, DAY = 1_000_000, 86_400_000_000
A1, EMAIL = user("anonymous_id", "a1"), user("email", "u1@example.com")
SOME = {"some": {"query": "trait('plan') = 'pro'", "anonymous": True}}
FILE = "spaces: {acme: {}}"
IDS = count(order_of(NOW + DAY))
Happening = Callable[[SqlStore, Identifier, Identifier], object]


def stays(store: SqlStore, *names: Identifier) -> Iterator[Stay]:
    """Yield when those of these names were in audiences, the earliest first."""
    for owner in [store.owner("acme", name) or 0 for name in names]:
        head = store.head(owner)
        assert head is not None
        yield from reversed(store.memberships(head, limit=99))


def due(store: SqlStore, *, now: int) -> list[tuple[int, int]]:
    """Return who is still due once everybody was swept."""
    while sweep(store, nodes.spaces(store), now=now).profiles:
        pass
    return store.due(now=now, limit=9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("skew", [0, 5 * SECOND])
def test_what_several_nodes_compute_at_once_is_what_the_whole_history_says(url: str, seed: int, skew: int) -> None:
    """While definitions come and go, profiles become one and are taken apart, and two nodes do the upkeep."""
    nodes.Nodes(url, seed, skew=skew).work(writers=3, batches=10, upkeeps=2)


def become_one(store: SqlStore, one: Identifier, other: Identifier) -> None:
    take_in(store, message(one, other), tenant=nodes.spaces(store)["acme"])


def come_apart(store: SqlStore, one: Identifier, other: Identifier) -> None:
    head = store.head(store.owner("acme", one) or 0)
    assert head is not None
    unmerge(store, nodes.spaces(store)["acme"], head.members[0], forever=True, now=NOW, ids=IDS)


@pytest.mark.parametrize(("before", "meanwhile"), [(None, become_one), (become_one, come_apart)])
def test_an_account_that_becomes_another_while_a_user_changes_follows_them(
    postgres: str, before: Happening | None, meanwhile: Happening
) -> None:
    """Just before each statement of the transaction in turn; where it must wait for that, it comes to nothing."""
    url = new_schema(postgres)
    query = "ANY event('Login').count() >= 1"
    with open_store(url) as store, open_store(url, Limits(lock=0.01)) as other:
        tenant, real = defining(store, audiences={"busy": {"query": query, "collection": ACCOUNTS}}), store.db
        for nth in count(1):
            who = user("user_id", f"u{nth}")
            old, young = (Identifier(ACCOUNTS, "domain", f"{name}{nth}.example") for name in ("old", "young"))
            take_in(store, message(old), tenant=tenant)
            take_in(store, message(who, young, kind=Kind.GROUP, subject=ACCOUNTS), tenant=tenant)
            if before is not None:
                before(store, old, young)
            assert not due(store, now=NOW)

            def trip(old: Identifier = old, young: Identifier = young) -> None:
                with suppress(Busy):
                    meanwhile(other, old, young)

            store.db = tripping = Tripping(real, nth, trip, once=True)  # type: ignore[assignment]
            take_in(store, message(who, event="Login"), tenant=tenant)
            store.db = real
            assert not due(store, now=NOW)
            members = {member.profile for member in store.members("acme", 1, beyond=0, limit=999)}
            assert members & {store.owner("acme", old), store.owner("acme", young)} == {store.owner("acme", young)}
            if not tripping.tripped:
                return


@pytest.mark.parametrize(
    "change",
    [
        lambda store: apply(store, FILE, (), {}, now=NOW),
        lambda store: create_source(store, "acme", "web", None, now=NOW),
        lambda store: create_credential(store, "acme", SECTIONS[0], "crm", now=NOW),
    ],
    ids=["a file", "a source", "a token"],
)
def test_a_space_is_changed_though_a_batch_takes_longer_than_a_lock_is_waited_for(
    postgres: str, change: Callable[[SqlStore], object]
) -> None:
    url = new_schema(postgres)
    with open_store(url, Limits(lock=0.05)) as store, open_store(url) as other, ExitStack() as batch:

        def begin_or_end() -> None:
            if tripping.tripped == 1:
                batch.enter_context(other.begin())
            else:
                batch.close()

        apply(store, FILE, (), {}, now=NOW)
        store.db = tripping = Tripping(store.db, 1, begin_or_end)  # type: ignore[assignment]
        change(store)
        assert tripping.tripped == 2


def test_two_that_become_one_on_two_nodes_are_counted_once(url: str) -> None:
    """Each brings an event, and names both."""
    with open_store(url) as one, open_store(url) as other:
        tenant = defining(one, computed_traits={"n": "event('E').count()"})
        take_in(one, message(U1, event="E"), message(A1, event="E"), tenant=tenant)
        threads = [
            threading.Thread(target=take_in, args=(store, message(U1, A1, event="E")), kwargs={"tenant": tenant})
            for store in (one, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sheet = sheet_of(one, U1)
        assert sheet is not None
        assert sheet.text == b'"n":4'


def test_a_merge_is_undone_by_the_definitions_of_now_whatever_the_node_knows(store: SqlStore) -> None:
    old = defining(store, computed_traits={"n": "event('E').count()"})
    take_in(store, message(U1, event="E"), message(A1, event="E"), tenant=old)
    take_in(store, message(U1, A1, event="E"), tenant=old)
    defining(store, computed_traits={"n": "event('E').within(7 days).count()", "m": "event('E').count()"})
    head = store.head(store.owner("acme", U1) or 0)
    assert head is not None
    unmerge(store, old, head.members[0], forever=True, now=NOW, ids=IDS)
    assert not due(store, now=NOW)
    assert sorted(sheet.text for name in (U1, A1) if (sheet := sheet_of(store, name))) == [
        b'"m":1,"n":1',
        b'"m":2,"n":2',
    ]


def test_who_is_not_known_any_more_leaves_audiences_that_the_node_does_not_know_yet(store: SqlStore) -> None:
    old = defining(store, computed_traits={"n": "event('F').count()"})
    take_in(store, message(EMAIL, A1, event="E"), tenant=old)
    defining(store, audiences={"some": "event('E').count() >= 1"})
    remove(store, old, store.owner("acme", A1) or 0, EMAIL, now=NOW)
    sheet = sheet_of(store, A1)
    assert sheet is not None
    assert sheet.text == b'"some":false'


def test_nobody_leaves_an_audience_before_they_entered_it(store: SqlStore) -> None:
    """Though the clock of the node that says so is behind; then they are in it again, and later for good."""
    tenant = defining(store, audiences=SOME)
    told = ((NOW + 5 * SECOND, "pro"), (NOW, "free"), (NOW + SECOND, "pro"), (NOW + DAY, "free"))
    for nth, (now, plan) in enumerate(told):
        take_in(store, message(A1, traits={"plan": plan}, at=NOW + nth), tenant=tenant, now=now)
    assert all(stay.until is not None and stay.since <= stay.until for stay in stays(store, A1))
    rows = store.changes("acme", beyond=None, limit=99)
    assert [row.at for row in rows] == sorted({row.at for row in rows})
    assert [change.now for row in rows for change in row.changes] == [b"true", b"false", b"true", b"false"]
    assert [row.changes[0].at - NOW for row in rows] == [5 * SECOND, 5 * SECOND, 5 * SECOND, DAY]
    assert [(size.size, size.left) for size in store.sizes("acme", 1)][-1] == (0, 1)


def test_who_is_absorbed_by_a_clock_that_is_behind_leaves_when_they_entered(store: SqlStore) -> None:
    tenant = defining(store, audiences=SOME)
    take_in(store, message(U1), tenant=tenant)
    ahead = NOW + 5 * SECOND
    take_in(store, message(A1, traits={"plan": "pro"}), tenant=tenant, now=ahead)
    absorbed = store.owner("acme", A1) or 0
    take_in(store, message(U1, A1), tenant=tenant, now=NOW)
    then = store.memberships(Head(absorbed, "users", *[(NOW, "", "")] * 2, ()), limit=9)  # type: ignore[arg-type]
    assert [(stay.since, stay.until) for stay in then] == [(ahead, ahead)]
    rows = [row for row in store.changes("acme", beyond=None, limit=9) if row.profile == absorbed]
    assert [(row.at - NOW, row.changes[0].at - NOW) for row in rows] == [
        (5 * SECOND, 5 * SECOND),
        (5 * SECOND + 1, 5 * SECOND + 1),
    ]


@pytest.mark.parametrize("skew", [-5 * SECOND, 5 * SECOND])
def test_what_leaves_a_window_by_one_clock_has_left_by_all_in_the_end(store: SqlStore, skew: int) -> None:
    """The sweeper's clock is not that of the node that takes messages in."""
    tenant = defining(
        store,
        computed_traits={"n": "event('E').within(1 day).count()", "now": "event('E').expires_after(1 day).count()"},
        audiences={"some": {"query": "event('E').within(1 day).count() >= 2", "anonymous": True}},
    )
    take_in(store, message(A1, event="E"), message(A1, event="E", at=NOW + 1), tenant=tenant)
    for at in range(NOW + DAY - 10 * SECOND, NOW + DAY + 10 * SECOND, SECOND):
        take_in(store, message(A1, traits={"seen": at}, order=order_of(at)), tenant=tenant, now=at)
        assert not due(store, now=at + skew)
    end = NOW + DAY + 10 * SECOND
    assert not due(store, now=end)
    sheet = sheet_of(store, A1)
    assert sheet is not None
    assert {key: bytes(value) for key, value in sheet.members().items()} == {
        "some": b"false",
        "seen": b"%d" % (end - SECOND),
    }
    assert [(stay.since - NOW, (stay.until or 0) - NOW) for stay in stays(store, A1)] == [(0, DAY)]
