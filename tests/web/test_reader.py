"""What a request reads is one state, never older than what was acknowledged before it."""

import asyncio
from collections.abc import Callable

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mien.errors import Busy
from mien.store.base import Store
from mien.store.sql import SqlStore
from mien.web import reader as reader_module
from mien.web.reader import Reader
from tests.factories import message, take_in, user

REQUEST = Request({"type": "http", "headers": []})


def test_a_turn_sees_one_state_and_the_next_the_latest(open_again: Callable[[], SqlStore]) -> None:
    """An answer that looks twice, with a write between its looks, sees the same both times."""
    with open_again() as ours, open_again() as writer:
        reader = Reader(ours, threads=2)

        async def look() -> None:
            for n in range(20):
                name = user("user_id", f"u{n}")

                def twice(store: Store, _: Request, name=name) -> Response:  # type: ignore[no-untyped-def]
                    assert store.owner("acme", name) is None
                    take_in(writer, message(name))
                    assert store.owner("acme", name) is None
                    return PlainTextResponse()

                await reader.serving(twice)(REQUEST)
                await asyncio.sleep(0)
                assert await reader.ask(lambda store, name=name: store.owner("acme", name)) is not None

        asyncio.run(look())


def test_whoever_asks_after_an_acknowledgement_sees_it(open_again: Callable[[], SqlStore]) -> None:
    """Tasks that each write, and read in a turn after it, beside tasks that hold states all the time."""
    with open_again() as ours, open_again() as writer:
        reader = Reader(ours, threads=4)
        done = False

        async def hold() -> None:
            while not done:
                await reader.ask(lambda store: store.revision())
                await asyncio.sleep(0)

        async def write_then_read(worker: int) -> None:
            for n in range(20):
                name = user("user_id", f"worker-{worker}-{n}")
                take_in(writer, message(name))
                await asyncio.sleep(0)
                assert await reader.ask(lambda store, name=name: store.owner("acme", name)) is not None

        async def run() -> None:
            nonlocal done
            holders = [asyncio.create_task(hold()) for _ in range(3)]
            await asyncio.gather(*(write_then_read(n) for n in range(5)))
            done = True
            await asyncio.gather(*holders)

        asyncio.run(run())


def test_too_many_reads_that_wait_are_told_to_come_again(
    open_again: Callable[[], SqlStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "MOST_WAITING", 3)
    with open_again() as store:
        reader = Reader(store, threads=1)

        async def run() -> list[object]:
            asked = [reader.ask(lambda store: store.revision()) for _ in range(10)]
            return await asyncio.gather(*asked, return_exceptions=True)

        answers = asyncio.run(run())
    refused = [answer for answer in answers if isinstance(answer, Busy)]
    assert len(refused) == (0 if store.instant else 7)
