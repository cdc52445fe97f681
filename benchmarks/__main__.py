"""`python -m benchmarks`: measure, and print ratios against a reference in the same run."""

import argparse
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec

from benchmarks import dataset, definitions, load, postgresql, servers
from benchmarks.report import console, in_turn, row, table
from benchmarks.requests import get, post
from mien import clock
from mien.core.message import Identifier, Kind, Message, Submission, order_of
from mien.services.ingest import settle
from mien.services.spaces import read_catalog
from mien.store.sql import open_store

PORT, OTHER_PORT = 18_800, 18_801
CONNECTIONS = 16


def reads(folder: Path, count: int, seconds: float) -> None:
    """GET traits against the same server answering a fixed body."""
    url = dataset.build(folder / f"profiles-{count}.db", count, events_each=10)
    with servers.mien(url, PORT), servers.fixed(_size(count), OTHER_PORT):
        ours, theirs = in_turn(
            lambda: load.run(PORT, get(count), seconds=seconds, connections=CONNECTIONS),
            lambda: load.run(OTHER_PORT, get(count), seconds=seconds, connections=CONNECTIONS),
        )
    figure = f"{ours.rate:,.0f}/s, p50 {ours.p50:.2f} ms, p99 {ours.p99:.2f} ms"
    reference = f"{theirs.rate:,.0f}/s, p50 {theirs.p50:.2f} ms, p99 {theirs.p99:.2f} ms"
    row(f"GET traits, {count:,} profiles", figure, reference, ours.rate / theirs.rate, "≥ 0.6")


def _size(count: int) -> int:
    return load.run(PORT, get(count), seconds=0.2, connections=1).size


def sizes(folder: Path, small: int, large: int, seconds: float) -> None:
    """The same GET in a small and in a large store."""
    few = dataset.build(folder / f"profiles-{small}-bare.db", small, events_each=0)
    many = dataset.build(folder / f"profiles-{large}-bare.db", large, events_each=0)
    with servers.mien(few, PORT), servers.mien(many, OTHER_PORT):
        ours, theirs = in_turn(
            lambda: load.run(OTHER_PORT, get(large), seconds=seconds, connections=CONNECTIONS),
            lambda: load.run(PORT, get(small), seconds=seconds, connections=CONNECTIONS),
        )
    measure = f"GET traits, {large:,} profiles against {small:,}"
    row(measure, f"{ours.rate:,.0f}/s", f"{theirs.rate:,.0f}/s", ours.rate / theirs.rate, "≥ 0.8")


def histories(folder: Path, count: int, seconds: float) -> None:
    """The same GET of a profile with 10 events and of one with 100,000."""
    path = folder / f"profiles-{count}-busy.db"
    fresh = not path.exists()
    url = dataset.build(path, count, events_each=10)
    if fresh:
        dataset.add_events(url, 1, 100_000)
    with servers.mien(url, PORT):
        ours, theirs = in_turn(
            lambda: load.run(PORT, get(count, only=1), seconds=seconds, connections=CONNECTIONS),
            lambda: load.run(PORT, get(count, only=2), seconds=seconds, connections=CONNECTIONS),
        )
    figures = f"{ours.rate:,.0f}/s", f"{theirs.rate:,.0f}/s"
    row("GET traits, 100,000 events against 10", *figures, ours.rate / theirs.rate, "≥ 0.9")


def writes(folder: Path, count: int, seconds: float) -> None:
    """POST batches of 100 against the same rows written by bare SQLite in transactions of 100."""
    base = dataset.build(folder / f"profiles-{count}.db", count, events_each=10)
    path = Path(base.removeprefix("sqlite:///"))
    ratios = []
    for _ in range(3):
        copy = folder / "writes.db"
        _copy(path, copy)
        with servers.mien(f"sqlite:///{copy}", PORT):
            ours = load.run(PORT, post(count), seconds=seconds, connections=8).rate * 100
        _copy(path, copy)
        theirs = _bare(copy, count, seconds)
        ratios.append((ours / theirs, ours, theirs))
        _remove(copy)
    ratio, ours, theirs = sorted(ratios)[1]
    row("POST batch of 100, durable", f"{ours:,.0f} events/s", f"{theirs:,.0f} events/s", ratio, "≥ 0.3")


def _copy(path: Path, copy: Path) -> None:
    _remove(copy)
    source, target = apsw.Connection(str(path)), apsw.Connection(str(copy))
    with target.backup("main", source, "main") as backup:
        backup.step()
    source.close()
    target.close()


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)


def _bare(path: Path, count: int, seconds: float) -> float:
    """Write what the batches write, the rows made beforehand, and return events a second.

    For each event: its id among those seen, its message, and the whole profile, in transactions of 100, each durable.
    """
    with open_store(f"sqlite:///{path}") as store:
        rows = store.db.rows(
            "SELECT profile_id, last_at, head, traits, identifiers, activity FROM profiles LIMIT 20000"
        )
        body = store.db.value("SELECT body FROM messages LIMIT 1")
    db = apsw.Connection(str(path))
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536", "mmap_size=68719476736"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    chance = random.Random(13)
    serial = itertools.count()
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        chosen = [chance.choice(rows) for _ in range(100)]
        keys = [chance.randbytes(16) for _ in chosen]
        made = time.perf_counter()
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO seen (key) VALUES (?)", [(key,) for key in keys])
        db.executemany(
            "UPDATE profiles SET version = version + 1, last_at = ?, head = ?, traits = ?, identifiers = ?,"
            " activity = ? WHERE profile_id = ?",
            [(time.time_ns() // 1000, *r[2:], r[0]) for r in chosen],
        )
        db.executemany(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?, 'bench', ?, 'Event Number 1', ?)",
            [
                (r[0], k % 2, 10**15, next(serial), key, 10**15, body)
                for k, (r, key) in enumerate(zip(chosen, keys, strict=True))
            ],
        )
        db.execute("COMMIT")
        done += 100
        del made
    db.close()
    return done / (time.perf_counter() - started)


def lookups(folder: Path, count: int, seconds: float) -> None:
    """100 profiles in one call of the service, against a call for each, over SQLite."""
    url = dataset.build(folder / f"profiles-{count}.db", count, events_each=10)
    postgresql.lookups("SQLite", url, count, seconds, "none")


def merges(folder: Path, count: int) -> None:
    """A merge of two profiles with 10 and with 100,000 events."""
    path = folder / f"profiles-{count}-busy.db"
    times: dict[str, float] = {}
    for name, first in (("100,000 events", 1), ("10 events", 3)):
        taken = []
        for _ in range(5):
            copy = folder / "merges.db"
            _copy(path, copy)
            taken.append(_merge(copy, first, first + 1))
            _remove(copy)
        times[name] = statistics.median(taken)
    ours, theirs = times["100,000 events"], times["10 events"]
    row(
        "merge, 100,000 events against 10", f"{ours * 1e3:.2f} ms", f"{theirs * 1e3:.2f} ms", ours / theirs, "about 1"
    )


def _merge(path: Path, one: int, other: int) -> float:
    """Return the seconds one message takes that names two profiles by identifiers without a limit of one."""
    with open_store(f"sqlite:///{path}") as store:
        spaces = read_catalog(store).spaces
        with store.begin() as unit:
            del unit  # the first transaction pays for opening the file
        now = clock.now()
        message = Message(
            space="bench",
            source="0123456789",
            id="merge",
            kind=Kind.IDENTIFY,
            timestamp=now,
            order=order_of(now),
            identifiers=tuple(Identifier("users", "anonymous_id", f"anonymous-{n:032x}") for n in (one, other)),
        )
        loose = {slug: _without_limits(space) for slug, space in spaces.items()}
        started = time.perf_counter()
        settle(store, [Submission((message,))], loose, now=now, ids=clock.profile_ids())
        return time.perf_counter() - started


def _without_limits(space: object) -> object:
    rules = space.policy.rules  # type: ignore[attr-defined]
    types = {name: msgspec.structs.replace(rule, limit=100) for name, rule in rules.types.items()}
    policy = msgspec.structs.replace(space.policy, rules=msgspec.structs.replace(rules, types=types))  # type: ignore[attr-defined]
    return msgspec.structs.replace(space, policy=policy)  # type: ignore[type-var]


def main() -> None:
    """Measure what was asked for, everything by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", help="what to measure; all by default")
    parser.add_argument("--profiles", type=int, default=200_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--postgresql", metavar="URL", help="a server to measure with; its data stay")
    parser.add_argument("--folder", type=Path, help="keep the data here, to measure again sooner")
    given = parser.parse_args()
    servers.pin(servers.LOAD_CORE)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        parts: dict[str, Callable[[], None]] = {
            "reads": lambda: reads(folder, given.profiles, given.seconds),
            "writes": lambda: writes(folder, given.profiles, given.seconds),
            "sizes": lambda: sizes(folder, 10_000, given.large, given.seconds),
            "histories": lambda: histories(folder, 10_000, given.seconds),
            "lookups": lambda: lookups(folder, given.profiles, given.seconds),
            "merges": lambda: merges(folder, 10_000),
            "definitions": lambda: definitions.served(folder, given.profiles, given.seconds),
            "many-definitions": lambda: definitions.many(folder, min(given.profiles, 50_000), given.seconds),
            "preparing": lambda: definitions.preparing(folder, given.profiles),
            "sweeping": lambda: definitions.sweeping(folder),
        }
        which = given.which or [*parts, *postgresql.PARTS]
        for name in which:
            if name in parts:
                parts[name]()
        served = [name for name in which if name in postgresql.PARTS]
        if served:
            postgresql.measure(given.postgresql, served, given.profiles, given.seconds)
    console.print(table)


if __name__ == "__main__":
    main()
