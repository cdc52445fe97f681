"""The writer: a process of its own that takes in what the serving process hands it.

Folding is CPU work, and an interpreter has one lock: beside it, reads would wait. Requests that arrived together
are committed together, so that a small one does not pay a whole sync to disk while others wait beside it.
"""

import multiprocessing
import select
import signal
import socket
import threading
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

import structlog
from msgspec.structs import replace

from mien import clock, logs
from mien.errors import Busy, Unavailable
from mien.services.ingest import settle
from mien.services.retention import purge
from mien.services.spaces import Catalog, read_catalog
from mien.store.base import Store
from mien.store.sql import Limits, open_store
from mien.web.link import GREETING, Answer, Request, frame, read_request, take_frames

log = structlog.get_logger("mien.writer")

GROUP_MESSAGES = 1000
"""How many messages are committed together at most; a single larger request is committed whole."""
RECEIVE_BYTES = 1024 * 1024
TEND_SECONDS = 0.25
PURGE_SECONDS = 60.0
PURGE_MOMENT = 0.1


def spawn(link: socket.socket, url: str, *, limits: Limits, log_json: bool) -> BaseProcess:
    """Start a writer at the other end of `link`; it ends when the link is closed."""
    process = multiprocessing.get_context("spawn").Process(
        target=run, args=(link, url, limits, log_json), daemon=True, name="mien-writer"
    )
    process.start()
    return process


def run(link: socket.socket, url: str, limits: Limits, log_json: bool) -> None:
    """Serve a link until it is closed."""
    logs.set_up(as_json=log_json)
    # Ctrl-C reaches the whole process group; the writer ends after the server has let go of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stop = threading.Event()
    one = replace(limits, connections=1)
    with open_store(url, one) as store, open_store(url, one) as beside:
        upkeep = threading.Thread(target=tend, args=(beside, stop), name="mien-upkeep", daemon=True)
        upkeep.start()
        try:
            link.sendall(frame(Answer(GREETING, "taken")))
            Writer(store).serve(link)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server is gone: what it was not told is what its clients will send again
        finally:
            stop.set()
            upkeep.join()


class Writer:
    """Takes groups of submissions in, one transaction each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids = clock.profile_ids()
        self._catalog: Catalog | None = None
        self._left: list[Request] = []

    def serve(self, link: socket.socket) -> None:
        """Answer everything that comes over the link until it is closed."""
        buffer = bytearray()
        while True:
            while not self._left or select.select([link], [], [], 0)[0]:
                data = link.recv(RECEIVE_BYTES)
                if not data:
                    return
                buffer += data
                self._left += [read_request(body) for body in take_frames(buffer)]
                if sum(len(r.submission.messages) for r in self._left) >= GROUP_MESSAGES:
                    break
            for answer in self.take_in(self._group()):
                link.sendall(frame(answer))

    def _group(self) -> list[Request]:
        """Return the requests that are committed together next."""
        size = count = 0
        for request in self._left:
            size += len(request.submission.messages)
            if count and size > GROUP_MESSAGES:
                break
            count += 1
        group, self._left = self._left[:count], self._left[count:]
        return group

    def take_in(self, group: Sequence[Request]) -> list[Answer]:
        """Commit a group; when that fails, each of it alone, so that one cannot spoil the others."""
        try:
            catalog = self._current()
            receipt = settle(
                self._store,
                [request.submission for request in group],
                catalog.spaces,
                now=clock.now(),
                ids=self._ids,
            )
        except Busy:
            return [Answer(request.number, "busy") for request in group]
        except Unavailable as error:
            log.warning("store unavailable", reason=str(error))
            return [Answer(request.number, "unavailable") for request in group]
        except Exception as error:  # noqa: BLE001 (a bug met by one request must not stop the writer)
            if len(group) > 1:
                return [answer for request in group for answer in self.take_in([request])]
            log.error("batch failed", error=logs.trace(error))
            return [Answer(request.number, "failed") for request in group]
        # One receipt counts the whole group; it goes to the first, and the sum over all answers is right.
        first, *others = group
        return [Answer(first.number, "taken", receipt), *(Answer(r.number, "taken") for r in others)]

    def _current(self) -> Catalog:
        if self._catalog is None or self._store.revision() != self._catalog.revision:
            self._catalog = read_catalog(self._store)
        return self._catalog


def tend(store: Store, stop: threading.Event) -> None:
    """Do what is due beside the writer: checkpoints, and letting go of what is kept no longer."""
    due = 0.0
    while not stop.wait(TEND_SECONDS):
        due -= TEND_SECONDS
        try:
            store.tend()
            if due <= 0:
                due = 0.0 if _purge_for_a_moment(store) else PURGE_SECONDS
        except Exception as error:  # noqa: BLE001 (what failed once is tried again; without it the log only grows)
            log.warning("upkeep failed", error=logs.trace(error))


def _purge_for_a_moment(store: Store) -> bool:
    """Purge in small steps, so that the writer gets its turns between them; say whether there is more."""
    spaces = list(read_catalog(store).spaces.values())
    until = time.monotonic() + PURGE_MOMENT
    while purge(store, spaces, now=clock.now()):
        if time.monotonic() > until:
            return True
    return False
