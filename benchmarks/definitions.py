"""What computed traits and audiences cost: taking messages in, reading, preparing new ones, and time that passes."""

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw

from benchmarks import dataset, load, servers
from benchmarks.dataset import EVENTS
from benchmarks.report import in_turn, row
from benchmarks.requests import get, get_entity, post
from mien import clock
from mien.core.message import Identifier, Kind, Message, Submission, order_of
from mien.core.space import DAY
from mien.services.ingest import settle
from mien.services.preparation import advance
from mien.services.spaces import apply, read_catalog
from mien.store.sql import SqlStore, open_store

PORT, OTHER_PORT = 18_820, 18_821
REDUCERS = (
    "count()",
    "sum(property('revenue'))",
    "avg(property('revenue'))",
    "max(property('revenue'))",
    "last(property('sku'))",
    "unique(property('sku'))",
)
TRANSITIONS = 20_000
PER_SECOND = 1000


def forty(events: Sequence[str] = EVENTS) -> str:
    """Return 20 computed traits and 20 audiences as YAML, half of them windowed, that these events feed in turn."""
    named = [events[n % len(events)] for n in range(20)]
    return _sections(list(map(_trait, range(20), named)), list(map(_audience, range(20), named)))


def five(others: int) -> str:
    """Return 5 definitions for each event of the data as YAML, and so many more that no event of it touches."""
    events = [EVENTS[n % 10] for n in range(50)] + [f"Another Event {n}" for n in range(others)]
    return _sections([_trait(n, event) for n, event in enumerate(events)], [])


def _sections(traits: list[str], audiences: list[str]) -> str:
    return "\n".join(["    computed_traits:", *traits, "    audiences:" if audiences else "", *audiences]) + "\n"


def _trait(n: int, event: str) -> str:
    return f"      computed_{n:03}: {{query: \"event('{event}'){_window(n)}.{REDUCERS[n % len(REDUCERS)]}\"}}"


def _audience(n: int, event: str) -> str:
    test = f"count() >= {1 + n % 3}"
    if n % 2:
        test = f"where(property('revenue') >= 10).sum(property('revenue')) >= {10 * n}"
    return f"      audience_{n:03}: {{query: \"event('{event}'){_window(n)}.{test}\"}}"


def _window(n: int) -> str:
    return f".within({7 + n} days)" if n // 10 % 2 else ""


def with_definitions(base: str, copy: Path, definitions: str) -> str:
    """Copy a store, and give its space definitions for which everybody is evaluated; return its URL."""
    _copy(Path(base.removeprefix("sqlite:///")), copy)
    with open_store(f"sqlite:///{copy}") as store:
        apply(store, f"{dataset.FILE.rstrip()}\n{definitions}", _settings(), {}, now=clock.now())
        for step in itertools.count():
            if not advance(store, read_catalog(store).spaces, now=clock.now()):
                break
            if step % 20 == 0:
                store.tend()
    return f"sqlite:///{copy}"


def _settings() -> tuple[object, ...]:
    from mien.app import SECTIONS  # noqa: PLC0415 (the servers under test import this module, and not the app)

    return SECTIONS


def _copy(path: Path, copy: Path) -> None:
    for end in ("", "-wal", "-shm"):
        Path(f"{copy}{end}").unlink(missing_ok=True)
    source, target = apsw.Connection(str(path)), apsw.Connection(str(copy))
    with target.backup("main", source, "main") as backup:
        backup.step()
    source.close()
    target.close()


def served(folder: Path, count: int, seconds: float) -> None:
    """Ingest, GET traits and GET entity with forty definitions, against the same without."""
    base = dataset.build(folder / f"profiles-{count}.db", count, events_each=10)
    bare = with_definitions(base, folder / "bare.db", "")
    full = with_definitions(base, folder / "forty.db", forty())
    with servers.mien(full, PORT), servers.mien(bare, OTHER_PORT):
        ours, theirs = _both(get(count), seconds, 16)
        figures = f"{ours.rate:,.0f}/s", f"{theirs.rate:,.0f}/s"
        row("GET traits, 40 definitions against none", *figures, ours.rate / theirs.rate, "≥ 0.9")
        entity, traits = in_turn(
            lambda: load.run(PORT, get_entity(count), seconds=seconds, connections=16),
            lambda: load.run(PORT, get(count, "?limit=200"), seconds=seconds, connections=16),
        )
        figures = f"{entity.rate:,.0f}/s", f"{traits.rate:,.0f}/s"
        row("GET entity against GET traits, 40 definitions", *figures, entity.rate / traits.rate, "≥ 0.9")
        _posted("POST batch of 100, 40 definitions against none", post(count), seconds)
    full = with_definitions(base, folder / "forty.db", forty(EVENTS[:1]))
    with servers.mien(full, PORT), servers.mien(bare, OTHER_PORT):
        requests = post(count, events=EVENTS[:1])
        _posted("POST batch of 100, each event feeding all 40, against none", requests, seconds)


def _posted(measure: str, make: Callable[[], bytes], seconds: float) -> None:
    ours, theirs = _both(make, seconds, 8)
    figures = f"{ours.rate * 100:,.0f} events/s", f"{theirs.rate * 100:,.0f} events/s"
    row(measure, *figures, ours.rate / theirs.rate, "≥ 0.5")


def _both(make: Callable[[], bytes], seconds: float, connections: int) -> tuple[load.Result, load.Result]:
    return in_turn(
        lambda: load.run(PORT, make, seconds=seconds, connections=connections),
        lambda: load.run(OTHER_PORT, make, seconds=seconds, connections=connections),
    )


def many(folder: Path, count: int, seconds: float) -> None:
    """Ingest where an event touches 5 of 500 definitions, against 5 of 50."""
    base = dataset.build(folder / f"profiles-{count}.db", count, events_each=10)
    more = with_definitions(base, folder / "five-of-500.db", five(450))
    alone = with_definitions(base, folder / "five.db", five(0))
    with servers.mien(more, PORT), servers.mien(alone, OTHER_PORT):
        ours, theirs = _both(post(count), seconds, 8)
    figures = f"{ours.rate * 100:,.0f} events/s", f"{theirs.rate * 100:,.0f} events/s"
    row("POST, 500 definitions, 5 touched, against these 5", *figures, ours.rate / theirs.rate, "≥ 0.83")


def preparing(folder: Path, count: int) -> None:
    """Evaluate a new audience for everybody, against decoding everybody."""
    base = dataset.build(folder / f"profiles-{count}.db", count, events_each=10)
    for name, query in (
        ("nobody is in", "event('Event Number 1').where(property('revenue') > 100).count() >= 1"),
        ("everybody is in", "event('Event Number 1').count() >= 1"),
    ):
        copy = folder / "preparing.db"
        _copy(Path(base.removeprefix("sqlite:///")), copy)
        with open_store(f"sqlite:///{copy}") as store:
            scanned = _scan(store)
            prepared = _prepare(store, query)
        figures = f"{prepared:,.0f} profiles/s", f"{scanned:,.0f} profiles/s"
        row(f"a new audience that {name}, against a bare scan", *figures, prepared / scanned, "≥ 0.3")


def _scan(store: SqlStore) -> float:
    """Return how many profiles a second are read and decoded."""
    started, count, last = time.perf_counter(), 0, 0
    while profiles := store.profiles_beyond("bench", last, limit=200, computed=False):
        for profile in profiles:
            dict(profile.traits.items())
        count, last = count + len(profiles), profiles[-1].id
    return count / (time.perf_counter() - started)


def _prepare(store: SqlStore, query: str) -> float:
    """Return how many profiles a second are evaluated for a new audience, until it is live."""
    text = f'{dataset.FILE.rstrip()}\n    audiences: {{new: {{query: "{query}"}}}}\n'
    apply(store, text, _settings(), {}, now=clock.now())
    count, started = store.count_profiles("bench"), time.perf_counter()
    for step in itertools.count():
        advance(store, read_catalog(store).spaces, now=clock.now())
        if store.evaluations()["bench"].settled:
            return count / (time.perf_counter() - started)
        if step % 50 == 0:
            store.tend()
    raise AssertionError


def sweeping(folder: Path) -> None:
    """How late lists are when a thousand profiles a second leave a window."""
    path = folder / "sweeping.db"
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    url = f"sqlite:///{path}"
    with open_store(url) as store:
        window = "    audiences: {recent: {query: \"event('Seen').within(1 day).count() >= 1\"}}\n"
        apply(store, f"{dataset.FILE.rstrip()}\n{window}", _settings(), {}, now=clock.now())
        begin = clock.now() + 15_000_000
        _fill(store, begin)
        with servers.mien(url, PORT):
            lags = _watch(store, begin)
        left = store.count_members("bench", 1)
    worst = max(lags)
    console_figure = f"{worst:.2f} s at worst, {sorted(lags)[len(lags) // 2]:.2f} s in the middle; {left} left behind"
    row(f"sweeper, {PER_SECOND:,} transitions a second", console_figure, "1 s", worst, "< 1")


def _fill(store: SqlStore, begin: int) -> None:
    """Let so many profiles have done something that leaves the window one after another, from `begin` on."""
    spaces, ids, now = read_catalog(store).spaces, clock.profile_ids(), clock.now()
    for first in range(0, TRANSITIONS, 500):
        messages = tuple(
            Message(
                space="bench",
                source="0123456789",
                id=f"seen-{n}",
                kind=Kind.TRACK,
                timestamp=begin - DAY + n * 1_000_000 // PER_SECOND,
                order=order_of(now, n % 500),
                identifiers=(Identifier("users", "user_id", f"user-{n}"),),
                event="Seen",
            )
            for n in range(first, first + 500)
        )
        settle(store, [Submission(messages)], spaces, now=clock.now(), ids=ids)


def _watch(store: SqlStore, begin: int) -> list[float]:
    """Return by how many seconds the one waiting longest was late, ten times a second, until all have left."""
    time.sleep(max(begin - clock.now(), 0) / 1e6)
    lags, until = [], time.monotonic() + TRANSITIONS / PER_SECOND
    while time.monotonic() < until:
        due = store.due(now=clock.now(), limit=1)
        lags.append((clock.now() - due[0][0]) / 1e6 if due else 0.0)
        time.sleep(0.1)
    time.sleep(2)
    return lags
