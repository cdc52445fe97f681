"""A load generator: raw HTTP/1.1 over kept-open connections, one request at a time on each."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import uvloop


class Result(NamedTuple):
    """Requests a second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float
    size: int


class _Client(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], samples: list[float], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._samples = samples
        self._done = done
        self._buffer = b""
        self.size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = buffer.find(b"content-length: ", 0, end)
        length = int(buffer[at + 16 : buffer.index(b"\r\n", at)])
        if len(buffer) < end + 4 + length:
            return
        if not buffer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(buffer[:500])
        self.size = length
        self._samples.append(time.perf_counter() - self._sent)
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


def run(port: int, make: Callable[[], bytes], *, seconds: float, connections: int) -> Result:
    """Send requests for so many seconds, after a fifth of that as warm-up, and return what was measured."""
    return uvloop.run(_run(port, make, seconds, connections))


def run_beside(targets: Sequence[tuple[int, Callable[[], bytes]]], *, seconds: float, connections: int) -> float:
    """Do so on several ports at once, each with its requests; return how many were answered a second in all."""

    async def beside() -> list[Result]:
        return await asyncio.gather(*(_run(port, make, seconds, connections) for port, make in targets))

    return sum(result.rate for result in uvloop.run(beside()))


async def _run(port: int, make: Callable[[], bytes], seconds: float, connections: int) -> Result:
    warm = await _phase(port, make, seconds / 5, connections)
    del warm
    return await _phase(port, make, seconds, connections)


async def _phase(port: int, make: Callable[[], bytes], seconds: float, connections: int) -> Result:
    loop = asyncio.get_running_loop()
    samples: list[float] = []
    started = time.perf_counter()
    end = started + seconds

    def requests() -> Iterator[bytes]:
        while time.perf_counter() < end:
            yield make()

    source = requests()
    clients = []
    waits = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        _, client = await loop.create_connection(lambda d=done: _Client(source, samples, d), "127.0.0.1", port)
        clients.append(client)
        waits.append(done)
    await asyncio.gather(*waits)
    elapsed = time.perf_counter() - started
    samples.sort()
    return Result(
        rate=len(samples) / elapsed,
        p50=samples[len(samples) // 2] * 1000,
        p99=samples[int(len(samples) * 0.99)] * 1000,
        size=max(client.size for client in clients),
    )
