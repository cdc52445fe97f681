"""The way to the writer: bounded, in order, answered when the data is durable."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

from mien.core.message import Submission
from mien.errors import Busy, MienError, TooLarge, Unavailable
from mien.services.ingest import Receipt
from mien.web.link import GREETING, LENGTH, Request, frame, read_answer
from mien.web.metrics import Metrics

log = structlog.get_logger("mien.queue")

RESTART_SECONDS = 0.2


class WriterProcess(Protocol):
    """The writer, as far as the queue looks after it."""

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""

    def kill(self) -> None:
        """End it."""


Spawn = Callable[[socket.socket], WriterProcess]


class WriterFailed(MienError):
    """The batch could not be written because of a bug in Mien; it was logged."""


class IngestQueue:
    """Hands submissions to the writer process and waits for its answers; begins a dead writer anew.

    At most `max_bytes` wait to be answered. A submission that is not answered within `patience` seconds is
    reported as Unavailable; it may still be written, and the client's repetition of it then counts once.
    """

    def __init__(self, spawn: Spawn, metrics: Metrics, *, max_bytes: int, patience: float) -> None:
        self._spawn = spawn
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._patience = patience
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._sizes: dict[int, int] = {}
        self._bytes = 0
        self._number = 0
        self._out: asyncio.StreamWriter | None = None
        self._greeted = False
        self._keeper: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether the writer is there and has opened the store."""
        return self._greeted

    async def submit(self, submission: Submission) -> None:
        """Return when the submission is durable; raise Busy or Unavailable when it should be sent again."""
        if self._out is None:
            raise Unavailable
        number = self._number = self._number + 1
        data = frame(Request(number, submission))
        if len(data) > self._max_bytes:
            raise TooLarge("The request holds more than can ever wait to be written.")
        if self._bytes + len(data) > self._max_bytes:
            raise Busy
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        # Until the writer answers: what nobody waits for any more still takes room on its way.
        self._sizes[number] = len(data)
        self._bytes += len(data)
        try:
            self._out.write(data)
            async with asyncio.timeout(self._patience):
                await answer
        except TimeoutError:
            raise Unavailable("The writer did not answer in time.") from None
        finally:
            self._waiting.pop(number, None)

    async def start(self) -> None:
        """Begin the writer, and keep one running."""
        started = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep(started))
        await started.wait()

    async def stop(self) -> None:
        """Let the writer finish what it has, and end it; whoever still waits is told to send again."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper

    async def _keep(self, started: asyncio.Event) -> None:
        while True:
            try:
                await self._run_writer(started)
                log.error("writer ended; beginning a new one")
            except OSError as error:
                log.error("writer cannot be begun; trying again", error=type(error).__name__)
            self._metrics.restarts.inc()
            await asyncio.sleep(RESTART_SECONDS)

    async def _run_writer(self, started: asyncio.Event) -> None:
        """Begin a writer, and deliver its answers until it is gone."""
        ours, theirs = socket.socketpair()
        process = self._spawn(theirs)
        theirs.close()
        answers, self._out = await asyncio.open_connection(sock=ours)
        started.set()
        try:
            await self._listen(answers)
        finally:
            out, self._out, self._greeted = self._out, None, False
            out.close()
            self._give_up()
            await asyncio.to_thread(process.join, self._patience)
            process.kill()

    async def _listen(self, answers: asyncio.StreamReader) -> None:
        """Deliver answers until the writer is gone."""
        while True:
            try:
                length = int.from_bytes(await answers.readexactly(LENGTH), "big")
                answer = read_answer(await answers.readexactly(length))
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if answer.number == GREETING:
                self._greeted = True
            self._bytes -= self._sizes.pop(answer.number, 0)
            self._count(answer.receipt)
            waiting = self._waiting.get(answer.number)
            if waiting is None or waiting.done():
                continue
            match answer.outcome:
                case "taken":
                    waiting.set_result(None)
                case "busy":
                    waiting.set_exception(Busy())
                case "unavailable":
                    waiting.set_exception(Unavailable())
                case "failed":
                    waiting.set_exception(WriterFailed())

    def _count(self, receipt: Receipt) -> None:
        self._metrics.messages.labels("accepted").inc(receipt.accepted)
        self._metrics.messages.labels("duplicate").inc(receipt.duplicates)
        self._metrics.messages.labels("discarded").inc(receipt.discarded)

    def _give_up(self) -> None:
        self._sizes.clear()
        self._bytes = 0
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Unavailable("The writer was lost; send the request again."))
