"""Profiles to measure with: 50 traits, 5 identifiers, 10 event names each."""

import random
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from mien.core.activity import Activity
from mien.core.fold import Entry, Outcome
from mien.core.identity import Held
from mien.core.message import Identifier, Kind, Message, order_of
from mien.core.profile import Profile, Stamp, own_identifier
from mien.core.traits import Trait, Write
from mien.services.spaces import apply
from mien.store.sql import SqlStore, open_store

START = 1_790_000_000_000_000
"""Microseconds since 1970 at which the data begins."""
KEY, TOKEN = "wk_bench", "tok_bench_0123456789abcdef"
FILE = f"""
spaces:
  bench:
    sources: {{web: {{write_key: {KEY}}}}}
    segment: {{tokens: {{bench: {TOKEN}}}}}
    growthloop: {{keys: {{bench: {TOKEN}}}, entities: {{customers: {{attributes: "*"}}}}}}
    rate_limits: {{segment: unlimited}}
    retention: {{events: never, served_events: never}}
"""
EVENTS = [f"Event Number {n}" for n in range(10)]
TRAITS = [f"trait_number_{n:02}" for n in range(50)]
_WORDS = ["gold", "silver", "2026-05-04T10:20:30Z", "somewhere in a small town", "yes"]


def identifiers(n: int) -> list[tuple[str, str]]:
    """Return the identifiers of the n-th profile."""
    return [
        ("user_id", f"user-{n}"),
        ("email", f"user-{n}@example.com"),
        ("anonymous_id", f"anonymous-{n:032x}"),
        ("phone", f"+1555{n:08}"),
        ("crm_id", f"crm-{n:012}"),
    ]


def build(path: Path, count: int, *, events_each: int) -> str:
    """Fill a new file, or take the one already there; return its URL."""
    url = f"sqlite:///{path}"
    if not path.exists():
        fill(url, count, events_each=events_each)
    return url


def fill(url: str, count: int, *, events_each: int) -> None:
    """Fill an empty store of any engine."""
    with open_store(url) as store:
        apply(store, FILE, _sections(), {}, now=START)
        for chunk in _chunks(range(count), 1000):
            _write(store, chunk, events_each)
            store.tend()


def _sections() -> tuple[object, ...]:
    from mien.app import SECTIONS  # noqa: PLC0415 (the servers under test import this module, and not the app)

    return SECTIONS


def _write(store: SqlStore, numbers: Iterable[int], events_each: int) -> None:
    profiles, claims, entries = [], {}, []
    for n in numbers:
        profile = _profile(n)
        profiles.append(profile)
        claims.update(dict.fromkeys((Identifier("users", *held) for held in identifiers(n)), profile.id))
        claims[own_identifier("users", profile.id)] = profile.id
        entries += [_entry(profile, k) for k in range(events_each)]
    with store.begin() as unit:
        unit.unseen([entry.message for entry in entries])
        unit.write("bench", Outcome(profiles=profiles, claims=claims, entries=entries))


def _profile(n: int) -> Profile:
    chance = random.Random(n)
    at = START + n * 1000
    stamp = Stamp(at, f"message-{n}", "0123456789")
    writes = [Write(at + k, order_of(at + k), "0123456789", f"message-{n}-{k}") for k in range(5)]
    return Profile(
        id=order_of(at, n % 4096),
        space="bench",
        collection="users",
        first=stamp,
        last=stamp,
        identifiers={held: Held(at, "0123456789", f"message-{n}") for held in identifiers(n)},
        traits={key: Trait(_value(chance), writes[k % 5]) for k, key in enumerate(TRAITS)},
        activity={event: Activity(3, at - 1000, at) for event in EVENTS},
    )


def _value(chance: random.Random) -> bytes:
    value = chance.choice([chance.randrange(100_000), chance.random(), chance.choice(_WORDS), True])
    return msgspec.json.encode(value)


def _entry(profile: Profile, k: int) -> Entry:
    message = Message(
        space="bench",
        source="0123456789",
        id=f"event-{profile.id}-{k}",
        kind=Kind.TRACK,
        timestamp=profile.first.at + k,
        order=order_of(profile.first.at, k),
        identifiers=(Identifier("users", *next(iter(profile.identifiers))),),
        event=EVENTS[k % 10],
        properties=b'{"revenue":12.5,"quantity":2,"sku":"A-1234","name":"A thing that was bought"}',
        context=b'{"library":{"name":"analytics-python","version":"2.4.0"}}',
    )
    return Entry(profile.id, message, message.identifiers, ())


def add_events(url: str, n: int, count: int) -> None:
    """Give the n-th profile so many more events."""
    profile = _profile(n)
    with open_store(url) as store:
        for chunk in _chunks(range(1000, 1000 + count), 5000):
            entries = [_entry(profile, k) for k in chunk]
            with store.begin() as unit:
                unit.unseen([entry.message for entry in entries])
                unit.write("bench", Outcome(entries=entries))


def _chunks(numbers: Iterable[int], size: int) -> Iterator[list[int]]:
    rest = iter(numbers)
    while chunk := list(islice(rest, size)):
        yield chunk
