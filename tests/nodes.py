"""Several nodes at work over one store, each a thread with a connection and a clock of its own."""

import json
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Any

from mien.core.message import ACCOUNTS, USERS, Identifier, Kind, Message, Submission, order_of
from mien.core.space import Space
from mien.errors import Busy, CannotUnmerge, CatalogChanged, NotMerged, SettingsRefused
from mien.services.forget import forget
from mien.services.ingest import settle
from mien.services.pace import Pace
from mien.services.preparation import advance
from mien.services.spaces import Catalogs, apply, read_catalog
from mien.services.sweep import sweep
from mien.services.unmerge import unmerge
from mien.store.base import Store
from mien.store.sql import SqlStore, open_store
from tests.factories import NOW, user
from tests.histories import DAY, HOUR
from tests.services.test_computed_machine import KEYS, QUERIES, TRAITS, Machine

SECOND = 1_000_000
ATTEMPTS = 200
PAUSE = 0.005
"""Seconds that the upkeep waits when there is nothing to do."""


def spaces(store: Store) -> Mapping[str, Space]:
    """Return the spaces as they are now."""
    return read_catalog(store).spaces


class Nodes:
    """Nodes that take messages in, undo merges, forget people and change definitions; and nodes that do the upkeep.

    What each of them sends follows from the seed, what meets what does not.
    """

    def __init__(self, url: str, seed: int, *, skew: int) -> None:
        class Here(Machine):
            pass

        Here.url = url
        self._machine = Here()
        self._file = self._machine.file
        self._url, self._seed, self._skew = url, seed, skew
        self._now = NOW
        self._serial = count()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._trouble: list[BaseException] = []

    def work(self, *, writers: int, batches: int, upkeeps: int) -> None:
        """Let all of them work; then everything is what the whole history says, now and later."""
        upkeep = [self._thread(self._keep_up, n) for n in range(upkeeps)]
        writing = [self._thread(lambda n: self._write(n, batches), n) for n in range(writers)]
        for thread in writing:
            thread.join()
        self._done.set()
        for thread in upkeep:
            thread.join()
        if self._trouble:
            raise self._trouble[0]
        self._check()

    def _check(self) -> None:
        machine = self._machine
        machine.now = self._now + self._skew
        machine.prepare_all()
        for later in (0, DAY + HOUR, 30 * DAY):
            machine.now += later
            machine.check(machine.now)
            machine.sweep()
            machine.check(machine.now)
        machine.store.close()

    def _thread(self, work: Callable[[int], None], number: int) -> threading.Thread:
        def run() -> None:
            try:
                work(number)
            except BaseException as error:  # noqa: BLE001 (it is raised once all have ended)
                self._trouble.append(error)
                self._done.set()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def _keep_up(self, number: int) -> None:
        skew = self._skew if number % 2 else 0
        with open_store(self._url) as store:
            catalogs = Catalogs()
            while not self._done.is_set():
                catalog, more = catalogs.current(store), False
                with suppress(Busy):
                    now, revision = self._now + skew, catalog.revision
                    more = advance(store, catalog.spaces, now=now, pace=Pace(2), revision=revision)
                    more |= sweep(store, catalog.spaces, now=now, pace=Pace(3), revision=revision).profiles > 0
                if not more:
                    self._done.wait(PAUSE)

    def _write(self, number: int, batches: int) -> None:
        chance = random.Random(f"{self._seed}/{number}")
        skew = chance.choice([-self._skew, self._skew])
        ids, catalogs = count(order_of(NOW, number * 500_000)), Catalogs()
        with open_store(self._url) as store:
            for _ in range(batches):
                now = self._later(chance.choice([0, 1, SECOND, 2 * HOUR, 5 * HOUR])) + skew
                with suppress(Busy):
                    if chance.random() < 0.15:
                        self._define(store, chance, now)
                    if chance.random() < 0.1:
                        self._take_apart(store, chance, now, ids)
                    if chance.random() < 0.03:
                        names, deletion = [user("email", f"v{chance.randint(1, 6)}")], f"d{next(self._serial)}"
                        forget(store, spaces(store)["acme"], names, deletion=deletion, suppress=False, now=now)
                batch = Submission(tuple(self._told(chance, now) for _ in range(chance.randint(1, 4))))
                for _ in range(ATTEMPTS):
                    catalog = catalogs.current(store)
                    with suppress(Busy, CatalogChanged):
                        settle(store, [batch], catalog.spaces, now=now, ids=ids, revision=catalog.revision)
                        break
                else:
                    raise AssertionError("it is never taken in")

    def _later(self, by: int) -> int:
        with self._lock:
            self._now += by
            return self._now

    def _define(self, store: SqlStore, chance: random.Random, now: int) -> None:
        with self._lock:
            before, key = dict(self._file), chance.choice(sorted(KEYS))
            if self._file.pop(key, None) is None or chance.random() < 0.7:
                self._file[key] = _body(chance, key)
            sections: dict[str, Any] = {"computed_traits": {}, "audiences": {}}
            for own, (section, body) in self._file.items():
                sections[section][own] = {"collection": KEYS[own], **body}
            try:
                apply(store, json.dumps({"spaces": {"acme": sections}}), (), {}, now=now)
            except (SettingsRefused, Busy):
                self._file.clear()
                self._file.update(before)

    def _take_apart(self, store: SqlStore, chance: random.Random, now: int, ids: Any) -> None:
        absorbed = store.db.rows("SELECT profile_id FROM profiles WHERE merged_into IS NOT NULL ORDER BY profile_id")
        with suppress(NotMerged, CannotUnmerge):
            for (one,) in chance.sample(absorbed, min(1, len(absorbed))):
                unmerge(store, spaces(store)["acme"], one, forever=chance.random() < 0.5, now=now, ids=ids)

    def _told(self, chance: random.Random, now: int) -> Message:
        """Return an event or traits of users, of accounts, or that a user belongs to an account."""
        who = {user(chance.choice(["email", "anonymous_id"]), f"v{chance.randint(1, 5)}") for _ in range(2)}
        where = {Identifier(ACCOUNTS, "domain", f"g{chance.randint(1, 3)}") for _ in range(chance.choice([1, 1, 2]))}
        kind, subject, roll = Kind.TRACK, USERS, chance.random()
        if roll < 0.2:
            kind, subject = Kind.GROUP, ACCOUNTS
        elif roll < 0.4:
            kind = Kind.IDENTIFY
        named = (
            who | where if kind == Kind.GROUP else where if roll > 0.9 else {sorted(who)[0]} if roll < 0.8 else who
        )
        edge = chance.choice([0, 0, 1, 2, 3]) * DAY + chance.randint(-8, 8) * SECOND
        serial = next(self._serial)
        tracks = kind == Kind.TRACK
        return Message(
            space="acme",
            source="web",
            id=f"m{serial}",
            kind=kind,
            subject=subject,
            timestamp=now - chance.choice([edge, chance.randint(0, 5 * 24) * HOUR]),
            order=order_of(now, serial),
            identifiers=tuple(sorted(named)),
            traits={} if tracks else {chance.choice(["plan", "age"]): chance.choice([b"1", b"2", b"true", b'"x"'])},
            event="Login" if tracks else None,
            properties=b'{"price":%d,"brand":"b"}' % chance.randint(-1, 3) if tracks else b"{}",
        )


def _body(chance: random.Random, key: str) -> tuple[str, dict[str, Any]]:
    """Return a definition as a file has it, and the section it stands in."""
    if chance.random() < 0.5:
        return "computed_traits", {"query": chance.choice(TRAITS)}
    return "audiences", {"query": chance.choice(QUERIES[KEYS[key]]), "anonymous": chance.random() < 0.5}
