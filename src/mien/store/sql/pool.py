"""Connections to PostgreSQL, made when they are needed and kept for the next who needs one."""

import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import Connection
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from mien.errors import Unavailable

_T = TypeVar("_T")

DOWN_SECONDS = 0.5
"""How long nobody tries again after the database could not be reached."""


class Silent(Unavailable):
    """The database took a statement and says nothing."""


class ListeningConnection(Connection[Any]):
    """Is closed, and raises Silent, when the server says nothing for `patience` seconds; 0 is for ever.

    A server keeps to its own time-outs. One that was stopped, or a network that swallows everything, does not.
    """

    patience = 0.0

    def wait(self, gen: PQGen[_T], *arguments: Any, **more: Any) -> _T:
        """See Connection."""
        return super().wait(self._heard(gen) if self.patience else gen, *arguments, **more)

    def _heard(self, gen: PQGen[_T]) -> PQGen[_T]:
        """Go through what is waited for; the driver looks up ten times a second when nothing comes."""
        last = time.monotonic()
        try:
            awaited = next(gen)
            while True:
                ready = yield awaited
                if ready:
                    last = time.monotonic()
                elif time.monotonic() - last > self.patience:
                    self.close()
                    raise Silent
                awaited = gen.send(ready)
        except StopIteration as end:
            result: _T = end.value
            return result


class Pool:
    """Lends each connection to one thread at a time, at most `size` of them; waits `wait` seconds for a free one.

    Whoever needs a new connection makes it, and so is told at once why there is none. Without threads of its own a
    pool does nothing by itself: after an outage the next who asks finds the database back.
    """

    def __init__(self, connect: Callable[[], Connection[Any]], *, size: int, wait: float) -> None:
        self._wait = wait
        self._room = threading.BoundedSemaphore(size)
        self._idle: deque[Connection[Any]] = deque()
        self._gate = _Gate(connect)

    @contextmanager
    def lend(self) -> Iterator[Connection[Any]]:
        """Lend a connection; raise Unavailable when there is none."""
        if not self._room.acquire(timeout=self._wait):
            raise Unavailable("All connections to the database are in use.")
        try:
            connection = self._kept() or self._gate.connection()
            try:
                yield connection
            except Silent as error:
                self._gate.shut(str(error))
                raise
            finally:
                self._take_back(connection)
        finally:
            self._room.release()

    def _kept(self) -> Connection[Any] | None:
        """Return the connection that was used last, and end those that died meanwhile."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if not _has_news(connection):
                return connection
            connection.close()

    def _take_back(self, connection: Connection[Any]) -> None:
        if connection.closed:
            self.close()  # what became of this one may have become of the others
        elif connection.pgconn.transaction_status == TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """End the connections that nobody uses."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


class _Gate:
    """The way to new connections. While the database cannot be reached one tries now and then, and others do not."""

    def __init__(self, connect: Callable[[], Connection[Any]]) -> None:
        self._connect = connect
        self._trying = threading.Lock()
        self._reason = ""
        self._shut_until = 0.0

    def connection(self) -> Connection[Any]:
        """Return a new connection; raise Unavailable."""
        if not self._reason:
            return self._try()
        if time.monotonic() < self._shut_until or not self._trying.acquire(blocking=False):
            raise _unreachable(self._reason)
        try:
            return self._try()
        finally:
            self._trying.release()

    def _try(self) -> Connection[Any]:
        try:
            connection = self._connect()
        except psycopg.Error as error:
            # The driver's own words: hosts and names, never a password.
            self.shut(str(error).partition("\n")[0])
            raise _unreachable(self._reason) from None
        self._reason = ""
        return connection

    def shut(self, reason: str) -> None:
        """Let nobody try for a moment."""
        self._reason, self._shut_until = reason, time.monotonic() + DOWN_SECONDS


def _unreachable(reason: str) -> Unavailable:
    return Unavailable("The database cannot be reached.", detail=reason)


def _has_news(connection: Connection[Any]) -> bool:
    """Say whether the server sent something unasked: it does so before it ends a connection, and by ending it."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
