"""Mien over PostgreSQL, against what somebody would write by hand over the same database.

Nothing is kept to one core here: server, writer, database and load share the machine as the scheduler divides it, and
the reference has the same machine. All that is written is committed durably, on both sides. Only where two nodes are
compared with one has each node, server and writer, a core of its own, as if that were its machine; the database and
the load take what they need of both.
"""

import itertools
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import psycopg

from benchmarks import databases, dataset, load, servers
from benchmarks.report import in_turn, row
from benchmarks.requests import get, post
from mien.core.message import Identifier
from mien.core.space import Space
from mien.errors import ProfileNotFound
from mien.services import lookup
from mien.services.spaces import read_catalog
from mien.store.base import Store
from mien.store.sql import open_store

Ask = Callable[[Sequence[Identifier]], object]

PORT, OTHER_PORT = 18_810, 18_811
READERS, WRITERS = 16, 8
ROUNDS = 3
BATCH = 100
_SEEN = "INSERT INTO seen (key) VALUES (%b)"
_PROFILE = (
    "UPDATE profiles SET version = version + 1, last_at = %b, head = %b, traits = %b, identifiers = %b,"
    " activity = %b WHERE profile_id = %b"
)
_MESSAGE = (
    "INSERT INTO messages (profile_id, shown, timestamp, received_order, key, space, aged_at, event, body)"
    " VALUES (%b, %b, %b, %b, %b, 'bench', %b, 'Event Number 1', %b)"
)


def reads(url: str, count: int, seconds: float) -> None:
    """GET traits against one statement behind the same server, on as many threads and connections."""
    with servers.mien(url, PORT, core=None):
        size = load.run(PORT, get(count), seconds=0.2, connections=1).size
        with servers.point_reads(url, size, OTHER_PORT):
            ours, theirs = in_turn(
                lambda: load.run(PORT, get(count), seconds=seconds, connections=READERS),
                lambda: load.run(OTHER_PORT, get(count), seconds=seconds, connections=READERS),
            )
    figure = f"{ours.rate:,.0f}/s, p50 {ours.p50:.2f} ms, p99 {ours.p99:.2f} ms"
    reference = f"{theirs.rate:,.0f}/s, p50 {theirs.p50:.2f} ms, p99 {theirs.p99:.2f} ms"
    row(f"PostgreSQL: GET traits, {count:,} profiles", figure, reference, ours.rate / theirs.rate, "≥ 0.6")


def writes(url: str, count: int, seconds: float) -> None:
    """POST batches of 100 against the same rows written by bare psycopg in transactions of 100."""
    pairs = []
    with servers.mien(url, PORT, core=None):
        for _ in range(ROUNDS):
            ours = load.run(PORT, post(count), seconds=seconds, connections=WRITERS).rate * BATCH
            pairs.append((ours, _bare(url, seconds)))
    ours, theirs = _median(pairs)
    figures = f"{ours:,.0f} events/s", f"{theirs:,.0f} events/s"
    row("PostgreSQL: POST batch of 100, durable", *figures, ours / theirs, "≥ 0.4")


def nodes(url: str, count: int, seconds: float) -> None:
    """Two nodes, each with half of the profiles and half of the clients, against one with all of them."""
    pairs = []
    with servers.mien(url, PORT, core=0), servers.mien(url, OTHER_PORT, core=1):
        for _ in range(ROUNDS):
            halves = [(port, post(count, part=n, parts=2)) for n, port in enumerate((PORT, OTHER_PORT))]
            both = load.run_beside(halves, seconds=seconds, connections=WRITERS) * BATCH
            one = load.run(PORT, post(count), seconds=seconds, connections=2 * WRITERS).rate * BATCH
            pairs.append((both, one))
    both, one = _median(pairs)
    row("PostgreSQL: two nodes against one", f"{both:,.0f} events/s", f"{one:,.0f} events/s", both / one, "≥ 1.4")


def lookups(name: str, url: str, count: int, seconds: float, target: str) -> None:
    """100 profiles by names of several types: one call of the service, against a call of it for each name.

    And against the quickest single look there is, which returns the traits and not whose they are.
    """
    with open_store(url) as store:
        space = read_catalog(store).spaces["bench"]
        names = _names(count)
        asks = [_at_once(store, space), _one_by_one(store, space), _traits_of_each(store, space)]
        rounds = [[_rate(ask, names, seconds / 5) for ask in asks] for _ in range(3 * ROUNDS)]
    for k, reference, aim in ((1, "singly", target), (2, "traits singly", "none")):
        ours, theirs = _median([(rates[0], rates[k]) for rates in rounds])
        row(f"{name}: 100 profiles in one call", f"{ours:,.0f}/s", f"{theirs:,.0f}/s {reference}", ours / theirs, aim)


def _median(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return sorted(pairs, key=lambda pair: pair[0] / pair[1])[len(pairs) // 2]


def _names(count: int) -> Callable[[], list[Identifier]]:
    """Return a maker of 100 names: of five types, one in ten unknown, one in ten another name of the one before."""
    chance = random.Random(17)

    def make() -> list[Identifier]:
        names: list[Identifier] = []
        n = 0
        for k in range(BATCH):
            n = n if k % 10 == 9 else chance.randrange(count)
            kind, value = dataset.identifiers(n)[k % 5]
            names.append(Identifier("users", kind, f"{value}-unknown" if k % 10 == 4 else value))
        return names

    return make


def _rate(
    ask: Callable[[Sequence[Identifier]], None], names: Callable[[], list[Identifier]], seconds: float
) -> float:
    """Return how many names a second are looked up; making them does not count."""
    taken, asked = 0.0, 0
    while taken < seconds:
        chosen = names()
        started = time.perf_counter()
        ask(chosen)
        taken += time.perf_counter() - started
        asked += len(chosen)
    return asked / taken


def _at_once(store: Store, space: Space) -> Ask:
    return lambda names: lookup.many(store, space, names, now=dataset.START)


def _one_by_one(store: Store, space: Space) -> Ask:
    return lambda names: [lookup.many(store, space, [name], now=dataset.START) for name in names]


def _traits_of_each(store: Store, space: Space) -> Ask:
    def ask(names: Sequence[Identifier]) -> None:
        for name in names:
            with suppress(ProfileNotFound):
                lookup.one(store, space, [name], now=dataset.START)

    return ask


def _bare(url: str, seconds: float) -> float:
    """Write what the batches write, the rows made beforehand, and return events a second.

    For each event: its id among those seen, its message, and the whole profile; pipelined, in transactions of 100.
    """
    chance = random.Random(time.time_ns())
    serial = itertools.count()
    with psycopg.connect(url, autocommit=True) as db:
        rows = db.execute(
            "SELECT profile_id, head, traits, identifiers, activity FROM profiles"
            " TABLESAMPLE SYSTEM (10) LIMIT 20000",
            binary=True,
        ).fetchall()
        [body] = db.execute("SELECT body FROM messages LIMIT 1", binary=True).fetchone() or (b"",)
        taken, done = 0.0, 0
        while taken < seconds:
            chosen = sorted(chance.sample(rows, BATCH))
            keys = [chance.randbytes(16) for _ in chosen]
            profiles = [(time.time_ns() // 1000, *rest, profile) for profile, *rest in chosen]
            messages = [
                (r[0], k % 2, 10**15, next(serial), key, 10**15, body)
                for k, (r, key) in enumerate(zip(chosen, keys, strict=True))
            ]
            started = time.perf_counter()
            with db.pipeline(), db.transaction(), db.cursor() as cursor:
                cursor.executemany(_SEEN, [(key,) for key in keys])
                cursor.executemany(_PROFILE, profiles)
                cursor.executemany(_MESSAGE, messages)
            taken += time.perf_counter() - started
            done += BATCH
    return done / taken


PARTS: dict[str, Callable[[str, int, float], None]] = {
    "postgresql-reads": reads,
    "postgresql-lookups": lambda url, count, seconds: lookups("PostgreSQL", url, count, seconds, "≥ 5"),
    "postgresql-writes": writes,
    "postgresql-nodes": nodes,
}


def measure(server: str | None, which: Sequence[str], count: int, seconds: float) -> None:
    """Measure what was asked for, over the server given or one of our own."""
    servers.unpin()
    with databases.server(server) as address:
        url = databases.copy_of(address, count, events_each=10)
        for name in which:
            databases.settle(url)
            PARTS[name](url, count, seconds)
