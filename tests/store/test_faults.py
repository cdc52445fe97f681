"""A batch that fails somewhere on its way leaves nothing behind, and goes in whole when it is sent again."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import psycopg
import pytest

from mien.core.message import Discard, Identifier, Message, Submission, order_of
from mien.core.space import DAY, Retention
from mien.errors import ConnectionLost, Contended, Unavailable
from mien.services.ingest import settle
from mien.store.sql import SqlStore, open_store
from tests.factories import NOW, message, space, user
from tests.postgres import new_schema
from tests.tripping import Tripping

Tables = dict[str, list[Any]]
TENANT = space(retention=Retention(profiles=DAY))
LATER = NOW + 2 * DAY
ACCOUNT = Identifier("accounts", "group_id", "g")


def batch() -> Submission:
    """All that a batch can do at once: merge, link, begin anew, repeat, refuse, discard."""
    at = {"at": LATER + 1}
    return Submission(
        (
            message(
                user("user_id", "known"), user("anonymous_id", "visitor"), id="m1", **at, order=order_of(LATER, 11)
            ),
            message(user("user_id", "known"), ACCOUNT, id="m2", event="Paid", **at, order=order_of(LATER, 12)),
            message(user("user_id", "idle"), id="m3", traits={"back": True}, **at, order=order_of(LATER, 13)),
            message(user("user_id", "new"), user("email", "null"), id="m4", **at, order=order_of(LATER, 14)),
            message(user("user_id", "new"), id="m4", **at, order=order_of(LATER, 15)),
            message(user("user_id", "null"), id="m5", **at, order=order_of(LATER, 16)),
            message(user("user_id", "u"), id="m6", space="gone", **at, order=order_of(LATER, 17)),
        ),
        (Discard("acme", "web", "d", "track", "bad_request", "why", LATER),),
    )


class Ids:
    """Ids for new profiles; begun again, they are the same."""

    def __init__(self, now: int = LATER) -> None:
        self._first = order_of(now)
        self.begin_again()

    def begin_again(self) -> None:
        self._left = count(self._first)

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return next(self._left)


def take_in(store: SqlStore, *messages: Message, now: int = LATER) -> None:
    settle(store, [Submission(messages)], {"acme": TENANT}, now=now, ids=Ids(now))


def take_in_what_is_known(store: SqlStore) -> None:
    """A visitor, somebody who will be expired, and a user with an account."""
    take_in(store, message(user("user_id", "idle"), id="b1", order=order_of(NOW, 1)), now=NOW)
    take_in(
        store,
        message(user("anonymous_id", "visitor"), id="b2", event="Seen", at=LATER, order=order_of(LATER, 2)),
        message(user("user_id", "known"), ACCOUNT, id="b3", at=LATER, order=order_of(LATER, 3)),
    )


def take_in_batch(store: SqlStore, ids: Ids | None = None) -> None:
    settle(store, [batch()], {"acme": TENANT}, now=LATER, ids=ids or Ids(LATER + 1))


def contents(store: SqlStore) -> Tables:
    """Return every row there is, but for the number that tells a store from others."""
    rows = {table: sorted(store.db.rows(f"SELECT * FROM {table}"), key=repr) for table in store.db.tables()}
    return {**rows, "meta": [(name, value) for name, value in rows["meta"] if name != "store"]}


@pytest.fixture
def known(store: SqlStore) -> SqlStore:
    take_in_what_is_known(store)
    return store


@pytest.fixture(scope="module")
def whole() -> Tables:
    """What is there after the batch when nothing fails."""
    with open_store("sqlite:///:memory:") as store:
        take_in_what_is_known(store)
        take_in_batch(store)
        return contents(store)


def fail_everywhere(store: SqlStore, trip: Callable[[], None], expected: type[Exception]) -> int:
    """Let the batch fail before its first statement, its second, … until it passes; return how often it failed."""
    untouched = contents(store)
    for nth in count(1):
        engine = Tripping(store.db, nth, trip)
        try:
            take_in_batch(SqlStore(engine))
        except expected:
            assert contents(store) == untouched, nth
        else:
            assert not engine.tripped
            return nth - 1
    raise AssertionError


def test_a_statement_that_fails_anywhere_leaves_nothing_behind(known: SqlStore, whole: Tables) -> None:
    def unavailable() -> None:
        raise Unavailable

    assert fail_everywhere(known, unavailable, Unavailable) > 15
    assert contents(known) == whole


def fail_once(url: str, trip: Callable[[SqlStore], None]) -> Iterator[Tables]:
    """Yield what is there after a batch that failed once before its first statement, its second, …: a store each."""
    server = url.partition("options=")[0].rstrip("?&")
    for nth in count(1):
        fresh = "sqlite:///:memory:" if url.startswith("sqlite") else new_schema(server)
        ids = Ids(LATER + 1)
        with open_store(fresh) as store:
            take_in_what_is_known(store)
            engine = Tripping(store.db, nth, partial(_trip, trip, store, ids), once=True)
            take_in_batch(SqlStore(engine), ids)
            yield contents(store)
        if not engine.tripped:
            return


def _trip(trip: Callable[[SqlStore], None], store: SqlStore, ids: Ids) -> None:
    ids.begin_again()
    trip(store)


def test_a_batch_contended_anywhere_is_folded_again(url: str, whole: Tables) -> None:
    def contended(_: SqlStore) -> None:
        raise Contended

    for found in fail_once(url, contended):
        assert found == whole


@pytest.fixture
def killed(postgres: str) -> Iterator[Callable[[SqlStore], None]]:
    """Ends the connection on which a store has its transaction, and returns when it is gone."""
    with psycopg.connect(postgres, autocommit=True) as admin:

        def kill(store: SqlStore) -> None:
            backend = store.db.value("SELECT pg_backend_pid()")
            admin.execute("SELECT pg_terminate_backend(%s)", (backend,))
            while admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (backend,)).fetchone():
                time.sleep(0.001)

        yield kill


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_connection_killed_anywhere_leaves_nothing_behind(
    known: SqlStore, whole: Tables, killed: Callable[[SqlStore], None]
) -> None:
    """Killed again when the batch is repeated over a new connection."""
    assert fail_everywhere(known, lambda: killed(known), ConnectionLost) > 15
    assert contents(known) == whole


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_batch_whose_connection_is_killed_once_goes_in(
    url: str, whole: Tables, killed: Callable[[SqlStore], None]
) -> None:
    for found in fail_once(url, killed):
        assert found == whole


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_full_disk_leaves_nothing_behind(store: SqlStore) -> None:
    """Played by a limit of SQLite's, page by page until the batch fits."""
    untouched = contents(store)
    pages = store.db.value("PRAGMA page_count")
    large = message(traits={"a": "x" * 40_000}, at=LATER)
    failures = 0
    for limit in count(pages):
        store.db.value(f"PRAGMA max_page_count = {limit}")
        try:
            take_in(store, large)
            break
        except Unavailable:
            failures += 1
            assert contents(store) == untouched
    assert failures > 3
    assert store.owner("acme", user("user_id", "u1")) is not None
