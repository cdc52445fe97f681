"""The way to the writer, with a writer that this test plays itself over the real socket."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from mien.core.message import Discard, Submission
from mien.errors import Busy, MienError, Unavailable
from mien.services.ingest import Receipt
from mien.web.link import GREETING, Answer, Request, frame, read_request, take_frames
from mien.web.metrics import Metrics
from mien.web.queue import IngestQueue, WriterFailed

SMALL = Submission(discards=(Discard("acme", "web", "m", "track", "bad_request", "why", 1),))


class Played:
    """The other end of the link."""

    def __init__(self) -> None:
        self.links: list[socket.socket] = []
        self.metrics = Metrics()
        self._buffer = bytearray()

    def spawn(self, link: socket.socket) -> "Played":
        self.links.append(link.dup())
        return self

    def join(self, timeout: float | None = None) -> None: ...

    def kill(self) -> None: ...

    def take(self) -> Request:
        while True:
            self._buffer += self.links[-1].recv(65536)
            bodies = take_frames(self._buffer)
            if bodies:
                assert len(bodies) == 1
                return read_request(bodies[0])

    def answer(self, answer: Answer) -> None:
        data = frame(answer)
        self.links[-1].sendall(data[:3])
        self.links[-1].sendall(data[3:])


def play(script: Callable[[IngestQueue, Played], Awaitable[None]], **limits: float) -> None:
    async def run() -> None:
        played = Played()
        given = {"max_bytes": 1 << 20, "patience": 5.0, **limits}
        queue = IngestQueue(played.spawn, played.metrics, **given)  # type: ignore[arg-type]
        await queue.start()
        try:
            await script(queue, played)
        finally:
            await queue.stop()

    asyncio.run(run())


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_submission_returns_when_it_was_taken() -> None:
    async def script(queue: IngestQueue, played: Played) -> None:
        sent = asyncio.create_task(queue.submit(SMALL))
        request = await asyncio.to_thread(played.take)
        assert request.submission == SMALL
        assert not sent.done()
        played.answer(Answer(request.number, "taken", Receipt(discarded=1)))
        await sent
        assert played.metrics.registry.get_sample_value("mien_messages_total", {"outcome": "discarded"}) == 1

    play(script)


@pytest.mark.parametrize(
    ("outcome", "error"), [("busy", Busy), ("unavailable", Unavailable), ("failed", WriterFailed)]
)
def test_a_submission_that_was_not_taken_raises(outcome: str, error: type[MienError]) -> None:
    async def script(queue: IngestQueue, played: Played) -> None:
        sent = asyncio.create_task(queue.submit(SMALL))
        request = await asyncio.to_thread(played.take)
        played.answer(Answer(request.number, outcome))  # type: ignore[arg-type]
        with pytest.raises(error):
            await sent

    play(script)


def test_it_is_ready_when_the_writer_said_so() -> None:
    async def script(queue: IngestQueue, played: Played) -> None:
        assert not queue.ready
        played.answer(Answer(GREETING, "taken"))
        await _until(lambda: queue.ready)

    play(script)


def test_room_is_freed_by_the_answer_and_not_by_giving_up() -> None:
    """A writer that hangs must not fill the memory with what nobody waits for any more."""

    async def script(queue: IngestQueue, played: Played) -> None:
        for _ in range(2):
            with pytest.raises(Unavailable):
                await queue.submit(SMALL)
        with pytest.raises(Busy):
            await queue.submit(SMALL)
        first = await asyncio.to_thread(played.links[-1].recv, 65536)
        [length] = struct.unpack(">I", first[:4])
        assert len(first) == 2 * (length + 4)
        played.answer(Answer(1, "taken"))
        played.answer(Answer(2, "taken"))
        await asyncio.sleep(0.05)
        with pytest.raises(Unavailable):
            await queue.submit(SMALL)

    play(script, max_bytes=int(2.5 * len(frame(Request(1, SMALL)))), patience=0.05)


def test_a_lost_writer_is_told_to_all_who_wait_and_begun_anew() -> None:
    async def script(queue: IngestQueue, played: Played) -> None:
        sent = [asyncio.create_task(queue.submit(SMALL)) for _ in range(3)]
        await asyncio.sleep(0.05)
        lost = played.links[-1]
        lost.shutdown(socket.SHUT_RDWR)
        for one in sent:
            with pytest.raises(Unavailable, match="lost"):
                await one
        with pytest.raises(Unavailable):
            await queue.submit(SMALL)
        await _until(lambda: len(played.links) == 2)
        played.answer(Answer(GREETING, "taken"))
        await _until(lambda: queue.ready)

    play(script)
