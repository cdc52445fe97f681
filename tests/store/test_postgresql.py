"""What is particular to PostgreSQL: time-outs, lost connections, and others who are at it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count

import psycopg
import pytest
from structlog.testing import capture_logs

from mien.core.message import Message, order_of
from mien.core.space import DAY, Retention
from mien.errors import Busy, ConnectionLost, Contended, SettingsRefused, Unavailable
from mien.services import spaces
from mien.services.retention import purge
from mien.store.base import EventQuery
from mien.store.sql import Limits, SqlStore, open_store
from mien.store.sql.postgres import Postgres
from mien.worker import Worker
from tests.factories import NOW, message, space, take_in, user
from tests.postgres import Cluster, new_schema
from tests.proxy import Proxy
from tests.tripping import Tripping

U1 = user("user_id", "u1")
TENANT = space(retention=Retention(profiles=DAY))
DEADLINE = NOW + DAY
SECOND = 1_000_000


@pytest.fixture
def url(postgres: str) -> str:
    return new_schema(postgres)


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    between = Proxy(cluster, new_schema(cluster.url()))
    open_store(between.url).close()
    yield between
    between.close()


@contextmanager
def locked(url: str, table: str = "seen") -> Iterator[None]:
    """Hold a lock that every batch needs, from another connection."""
    with psycopg.connect(url) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def taking(at_least: float, at_most: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert at_least <= time.monotonic() - begun <= at_most


def times(store: SqlStore, event: str = "E") -> int:
    """Return how often something happened to somebody, counted twice."""
    profile = store.owner("acme", U1)
    assert profile is not None
    head = store.head(profile)
    assert head is not None
    kept = [found for found in store.events(head, EventQuery(limit=1000)) if found.name == event]
    assert store.activity(profile)[event].times == len(kept)
    return len(kept)


def test_a_statement_is_given_up_after_its_time(url: str) -> None:
    with open_store(url, Limits(statement=0.3, lock=0)) as store:
        with locked(url), taking(0.3, 1), pytest.raises(Unavailable, match="QueryCanceled"):
            take_in(store, message())
        take_in(store, message())


def test_a_node_that_hangs_in_a_transaction_does_not_hold_its_locks_for_long(url: str) -> None:
    """After a statement by itself as long as a statement may take; after several in one go three times as long."""
    with open_store(url, Limits(statement=0.3)) as store, open_store(url) as other:
        for nth, (nobody, at_most) in enumerate([(True, 0.6), (False, 1.2)]):

            def hang(nth: int = nth, nobody: bool = nobody, at_most: float = at_most) -> None:
                with store.begin() as unit:
                    unit.unseen([message(id=f"m{nth}")])
                    if nobody:
                        unit.load("acme", [U1])
                    with taking(0.2, at_most):
                        take_in(other, message(id=f"m{nth}"))
                    unit.unseen([message(id="more")])

            with pytest.raises(ConnectionLost):
                hang()
        with store.begin() as unit:
            assert unit.unseen([message(id="more")])


def test_a_lock_is_waited_for_so_long_and_the_batch_then_folded_again(url: str) -> None:
    with open_store(url, Limits(lock=0.1)) as store:
        with locked(url), taking(0.5, 1.5), pytest.raises(Busy):
            take_in(store, message())
        released = threading.Event()

        def hold() -> None:
            with locked(url):
                released.wait(0.25)

        holder = threading.Thread(target=hold)
        holder.start()
        time.sleep(0.05)
        assert take_in(store, message()).accepted == 1
        holder.join()


def test_a_free_connection_is_waited_for_so_long(url: str) -> None:
    with open_store(url, Limits(connections=1, wait=0.3)) as store:
        busy, done = threading.Event(), threading.Event()

        def hold() -> None:
            store.hold()
            busy.set()
            done.wait(5)
            store.release()

        holder = threading.Thread(target=hold)
        holder.start()
        busy.wait(5)
        with taking(0.3, 0.8), pytest.raises(Unavailable, match="in use"):
            store.revision()
        threading.Timer(0.1, done.set).start()
        with taking(0.05, 0.3):
            store.revision()
        holder.join()


def test_a_server_that_says_nothing_is_given_up_and_found_again(proxy: Proxy) -> None:
    """As when it was stopped, or a network swallows everything: its own time-outs are of no help.

    Then one at a time tries to connect, and the others are told at once: threads do not gather.
    """
    with open_store(proxy.url, Limits(statement=0.3, wait=2)) as store:
        take_in(store, message(event="E", id="m1"))
        proxy.freeze()
        with taking(1.3, 2), pytest.raises(Unavailable):
            take_in(store, message(event="E", id="m2"))
        with taking(0, 0.1), pytest.raises(Unavailable, match="reached"):
            store.revision()
        time.sleep(0.6)
        assert len([seconds for seconds in _waits_for_nothing(store, askers=8) if seconds > 0.3]) == 1
        proxy.thaw()
        time.sleep(0.6)
        take_in(store, message(event="E", id="m2"))
        assert times(store) == 2


def _waits_for_nothing(store: SqlStore, askers: int) -> list[float]:
    waits: list[float] = []

    def ask() -> None:
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            store.revision()
        waits.append(time.monotonic() - begun)

    threads = [threading.Thread(target=ask) for _ in range(askers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(waits) == askers
    return waits


def test_a_commit_whose_answer_was_lost_is_recognised(proxy: Proxy) -> None:
    with open_store(proxy.url) as store:
        proxy.cut_answers_to_commit(1)
        take_in(store, message(event="E", id="m1"), message(event="E", id="m2"))
        assert proxy.cuts_left == 0
        assert times(store) == 2
        proxy.cut_answers_to_commit(2)
        with pytest.raises(ConnectionLost):
            take_in(store, message(event="E", id="m3"))
        assert proxy.cuts_left == 0
        take_in(store, message(event="E", id="m3"))
        assert times(store) == 3


@pytest.mark.parametrize("way", [Cluster.stop, Cluster.crash])
def test_reads_and_writes_go_on_after_a_restart_as_if_nothing_had_been(
    cluster: Cluster, way: Callable[[Cluster], None]
) -> None:
    """Connections that died meanwhile are not used any more, by whatever asks first."""
    asks: list[Callable[[SqlStore], object]] = [
        lambda store: store.revision(),
        lambda store: (store.hold(), store.revision(), store.release()),
        lambda store: take_in(store, message()),
    ]
    with open_store(new_schema(cluster.url())) as store:
        for ask in asks:
            _use_all_connections(store)
            way(cluster)
            cluster.start()
            ask(store)


def _use_all_connections(store: SqlStore) -> None:
    together = threading.Barrier(8)

    def use() -> None:
        store.hold()
        together.wait(5)
        store.release()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_why_a_database_cannot_be_reached_is_said_once_at_the_start(cluster: Cluster) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        open_store("postgresql://nobody@/nowhere?host=/no/such/folder")
    with pytest.raises(Unavailable, match="does not exist"):
        open_store(cluster.url().replace("/postgres?", "/nowhere?"))
    with pytest.raises(SettingsRefused):
        open_store("postgresql://host?what=1")


def test_a_node_that_begins_while_another_migrates_comes_again(url: str) -> None:
    db = Postgres(url, Limits())
    with db.transaction():
        db.lock("schema")
        with pytest.raises(Unavailable, match="schema"):
            open_store(url, Limits(lock=0.1))
    open_store(url, Limits(lock=0.1)).close()
    db.close()


def test_what_is_touched_while_it_is_purged_is_kept(url: str) -> None:
    """Before each statement of a purge, somebody else takes in a message: just before the profile's time or after."""
    for received_at in (DEADLINE - SECOND, DEADLINE + SECOND):
        _touch_everywhere(url, received_at, lambda store: purge(store, [TENANT], now=DEADLINE + SECOND))


def test_what_is_touched_while_it_begins_anew_is_kept(url: str) -> None:
    """The same, while another node finds the profile's time over and begins a new one."""
    at = DEADLINE + SECOND
    for received_at in (DEADLINE - SECOND, DEADLINE + SECOND):
        _touch_everywhere(url, received_at, lambda store: _take_in_at(store, at, message(event="Other", at=at)))


def _touch_everywhere(url: str, received_at: int, work: Callable[[SqlStore], object]) -> None:
    with open_store(url, Limits(lock=0.2)) as store, open_store(url, Limits(lock=0.01)) as other:
        for nth in count(1):
            _take_in_at(store, NOW, message(event="Old", order=order_of(NOW)))
            taken: list[str] = []

            def touch(taken: list[str] = taken) -> None:
                late = message(event="New", at=received_at, order=order_of(received_at))
                with suppress(Busy):  # whoever is told so sends again
                    _take_in_at(other, received_at, late)
                    taken.append(late.id)

            engine = Tripping(store.db, nth, touch, once=True)
            with suppress(Contended):
                work(SqlStore(engine))
            if taken:
                assert times(store, "New") == 1, nth
            with store.begin() as unit:
                unit.purge_profiles("acme", before=NOW + 10 * DAY, limit=100)
            assert store.db.value("SELECT count(*) FROM messages WHERE shown = 1") == 0, nth
            assert store.db.value("SELECT count(*) FROM identifiers") == 0, nth
            if not engine.tripped:
                return


def _take_in_at(store: SqlStore, now: int, *messages: Message) -> None:
    take_in(store, *messages, tenant=TENANT, now=now)


def test_nodes_that_purge_the_same_at_once_do_not_disturb_each_other(url: str) -> None:
    """Four of them, thousands of messages and profiles: each row goes, and the log has nothing to say."""
    with open_store(url) as store:
        spaces.apply(store, "spaces: {acme: {retention: {events: 1d, profiles: 1d}}}", (), {}, now=1)
        long_ago = NOW - 1000 * DAY
        people = [message(user("user_id", f"u{n}"), at=long_ago, order=order_of(long_ago, n)) for n in range(100)]
        again = [
            message(user("user_id", f"u{n % 50}"), at=long_ago, order=order_of(long_ago, n)) for n in range(3000)
        ]
        take_in(store, *people, *again, now=long_ago)
        stop = threading.Event()
        with capture_logs() as logs:
            nodes = [open_store(url, Limits(connections=1)) for _ in range(4)]
            threads = [threading.Thread(target=Worker(node).run, args=(stop,)) for node in nodes]
            for thread in threads:
                thread.start()
            deadline = time.monotonic() + 10
            while store.db.value("SELECT count(*) FROM profiles") and time.monotonic() < deadline:
                time.sleep(0.05)
            assert store.db.value("SELECT count(*) FROM profiles") == 0
            stop.set()
            for thread in threads:
                thread.join()
        for node in nodes:
            node.close()
        assert logs == []
        while purge(store, [space(retention=Retention(events=DAY))], now=NOW):
            pass  # what was left for the next minute
        for table in ("profiles", "identifiers", "messages", "seen"):
            assert store.db.value(f"SELECT count(*) FROM {table}") == 0, table


def test_upkeep_that_finds_another_at_it_says_nothing_and_upkeep_without_a_database_says_so_once(
    cluster: Cluster,
) -> None:
    url = new_schema(cluster.url())
    with open_store(url, Limits(lock=0.05)) as store:
        spaces.apply(store, "spaces: {acme: {}}", (), {}, now=1)
        with capture_logs() as logs, _tended(store), locked(url, "discards"):
            time.sleep(0.4)
        assert logs == []
        with capture_logs() as logs:
            cluster.stop()
            with _tended(store):
                time.sleep(0.6)
                cluster.start()
                time.sleep(0.9)
        assert [(line["log_level"], line["event"]) for line in logs] == [
            ("warning", "upkeep waits for the store"),
            ("warning", "over: upkeep waits for the store"),
        ]
        assert logs[0]["detail"]


@contextmanager
def _tended(store: SqlStore) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Worker(store).run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join()


def test_a_fat_profile_stays_in_its_row(url: str) -> None:
    """Rows that are written again and again would leave a copy of all that was moved out, each time."""
    with open_store(url) as store:
        take_in(store, message(U1, traits={f"trait_{n}": f"one of many values, the {n * n}th" for n in range(200)}))
        assert store.db.value("SELECT octet_length(traits) FROM profiles") > 8192
        moved = "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'profiles'::regclass"
        assert store.db.value(moved) == 0
