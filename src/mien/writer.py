"""The writer: a process of its own that takes in what the serving process hands it.

Folding is CPU work, and an interpreter has one lock: beside it, reads would wait. Requests that arrived together
are committed together, so that a small one does not pay a whole sync to disk while others wait beside it.
"""

import gc
import multiprocessing
import signal
import socket
import threading
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

import structlog
from msgspec.structs import replace

from mien import clock, logs
from mien.errors import Busy, CatalogChanged, MienError, Unavailable
from mien.logs import Trouble
from mien.services.ingest import Receipt, settle
from mien.services.spaces import Catalogs
from mien.store.base import Store
from mien.store.sql import Limits, SqlStore, open_store
from mien.web.link import GREETING, Answer, Inbox, Request, frame
from mien.worker import Worker

log = structlog.get_logger("mien.writer")

GROUP_MESSAGES = 1000
"""How many messages are committed together at most; a single larger request is committed whole."""
OPEN_SECONDS = 0.5
"""How long to wait before trying again to open the store."""


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
    # A group is many thousand small values, all alive until its end: looking among them for garbage took a quarter.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    # Ctrl-C reaches the whole process group; the writer ends after the server has let go of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    inbox = Inbox(link)
    try:
        stores = _open(link, inbox, url, replace(limits, connections=1))
        if stores is not None:
            _work(link, inbox, *stores)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server is gone: what it was not told is what its clients will send again


def _open(link: socket.socket, inbox: Inbox, url: str, limits: Limits) -> tuple[SqlStore, SqlStore] | None:
    """Open the store, for the writer and for its upkeep; None when the link ended before that worked.

    Until it works, whoever asks is put off at once.
    """
    trouble = Trouble(log, "the writer cannot open the store")
    while True:
        try:
            stores = _open_twice(url, limits)
        except MienError as error:
            trouble.met(error)
        else:
            trouble.over()
            return stores
        until = time.monotonic() + OPEN_SECONDS
        while (left := until - time.monotonic()) > 0 and inbox.ready(left):
            requests = inbox.take()
            if requests is None:
                return None
            for request in requests:
                link.sendall(frame(Answer(request.number, "unavailable")))


def _open_twice(url: str, limits: Limits) -> tuple[SqlStore, SqlStore]:
    store = open_store(url, limits)
    try:
        return store, open_store(url, limits)
    except MienError:
        store.close()
        raise


def _work(link: socket.socket, inbox: Inbox, store: SqlStore, beside: SqlStore) -> None:
    """Write what comes over the link until it ends."""
    stop = threading.Event()
    with store, beside:
        upkeep = threading.Thread(target=Worker(beside).run, args=(stop,), name="mien-upkeep", daemon=True)
        upkeep.start()
        try:
            link.sendall(frame(Answer(GREETING, "taken")))
            Writer(store).serve(link, inbox)
        finally:
            stop.set()
            upkeep.join()


class Writer:
    """Takes groups of submissions in, one transaction each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids = clock.profile_ids()
        self._catalogs = Catalogs()
        self._left: list[Request] = []
        self._trouble = Trouble(log, "the store takes nothing in; clients are told to send again")

    def serve(self, link: socket.socket, inbox: Inbox) -> None:
        """Answer everything that comes over the link until it is closed."""
        while True:
            while not self._left or inbox.ready():
                requests = inbox.take()
                if requests is None:
                    return
                self._left += requests
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
            receipt = self._settle(group)
            self._trouble.over()
        except CatalogChanged:
            return self.take_in(group)
        except Busy:
            return [Answer(request.number, "busy") for request in group]
        except Unavailable as error:
            self._trouble.met(error)
            return [Answer(request.number, "unavailable") for request in group]
        except Exception as error:  # noqa: BLE001 (a bug met by one request must not stop the writer)
            if len(group) > 1:
                return [answer for request in group for answer in self.take_in([request])]
            log.error("batch failed", error=logs.trace(error))
            return [Answer(request.number, "failed") for request in group]
        # One receipt counts the whole group; it goes to the first, and the sum over all answers is right.
        first, *others = group
        return [Answer(first.number, "taken", receipt), *(Answer(r.number, "taken") for r in others)]

    def _settle(self, group: Sequence[Request]) -> Receipt:
        catalog = self._catalogs.current(self._store)
        return settle(
            self._store,
            [request.submission for request in group],
            catalog.spaces,
            now=clock.now(),
            ids=self._ids,
            revision=catalog.revision,
        )
