"""The worker: does what is due beside the writer, in small steps between which the writer gets its turns."""

import threading
import time
from collections.abc import Callable

import structlog

from mien import clock, logs
from mien.errors import Busy, Contended, MienError, Unavailable
from mien.logs import Trouble
from mien.services import preparation
from mien.services.pace import FIRST, MOMENT, Pace
from mien.services.preparation import advance
from mien.services.retention import purge
from mien.services.spaces import Catalogs
from mien.services.sweep import STEP, put_off, sweep
from mien.store.base import Store

log = structlog.get_logger("mien.worker")

TURN_SECONDS = 0.1
"""How often it is looked what is due."""
TEND_SECONDS = 0.25
PURGE_SECONDS = 60.0


class Worker:
    """Checkpoints, profiles whose time has come, new definitions, and letting go of what is kept no longer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._catalogs = Catalogs()
        self._preparing, self._sweeping = Pace(FIRST, preparation.STEP), Pace(FIRST, STEP)
        # Each kind of work fails by itself: one that cannot be done must not keep the others from it.
        self._jobs = [
            _Job("checkpoints", TEND_SECONDS, self._tend),
            _Job("sweeping", TURN_SECONDS, self._sweep),
            _Job("preparing definitions", TURN_SECONDS, self._prepare),
            _Job("purging", PURGE_SECONDS, self._purge),
        ]

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        trouble = Trouble(log, "upkeep waits for the store")
        while not stop.wait(0.0 if any(job.more for job in self._jobs) else TURN_SECONDS):
            try:
                for job in self._jobs:
                    job.turn()
                trouble.over()
            except Unavailable as error:
                trouble.met(error)

    def _tend(self) -> bool:
        self._store.tend()
        return False

    def _sweep(self) -> bool:
        def step() -> bool:
            many = self._sweeping.many
            return self._sweep_some(self._sweeping) == many

        return _for_a_moment(step)

    def _sweep_some(self, pace: Pace) -> int:
        catalog, many = self._catalogs.current(self._store), pace.many
        try:
            return sweep(self._store, catalog.spaces, now=clock.now(), pace=pace, revision=catalog.revision).profiles
        except MienError:
            raise
        except Exception as error:  # noqa: BLE001 (one who cannot be evaluated must not keep all others waiting)
            if many > 1:
                return sum(self._sweep_some(Pace(1)) for _ in range(many))
            log.error("a profile cannot be evaluated; it is put off", error=logs.trace(error))
            put_off(self._store, now=clock.now())
            return 0

    def _prepare(self) -> bool:
        def step() -> bool:
            catalog = self._catalogs.current(self._store)
            return advance(
                self._store, catalog.spaces, now=clock.now(), pace=self._preparing, revision=catalog.revision
            )

        return _for_a_moment(step)

    def _purge(self) -> bool:
        spaces = list(self._catalogs.current(self._store).spaces.values())
        return _for_a_moment(lambda: purge(self._store, spaces, now=clock.now()) > 0)


class _Job:
    """A kind of work, done when its time has come; `more` says that there was more than one turn could do."""

    def __init__(self, name: str, every: float, work: Callable[[], bool]) -> None:
        self._work = work
        self._every = every
        self._next = 0.0
        self._name = name
        self.more = False

    def turn(self) -> None:
        """Work if it is time to; raise Unavailable when the store is."""
        if not self.more and time.monotonic() < self._next:
            return
        self.more = False
        try:
            self.more = self._work()
        except (Busy, Contended):
            pass  # another node is at it
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 (what failed once is tried again; the others go on)
            log.warning(f"{self._name} failed", error=logs.trace(error))
        self._next = time.monotonic() + self._every


def _for_a_moment(step: Callable[[], bool]) -> bool:
    """Repeat a step while there is more to do, but not for longer than a moment; say whether there is more."""
    until = time.monotonic() + MOMENT
    while step():
        if time.monotonic() > until:
            return True
    return False
