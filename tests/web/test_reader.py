"""Reads of one turn of the event loop share a state that is never older than what was acknowledged before."""

import asyncio
from collections.abc import Callable

from mien.store.sql import SqlStore
from mien.web.reader import Reader
from tests.factories import message, take_in, user


def test_a_turn_sees_one_state_and_the_next_the_latest(open_again: Callable[[], SqlStore]) -> None:
    with open_again() as ours, open_again() as writer:
        reader = Reader(ours)

        async def look() -> None:
            for n in range(20):
                name = user("user_id", f"u{n}")
                assert reader.store().owner("acme", name) is None
                take_in(writer, message(name))
                assert reader.store().owner("acme", name) is None
                await asyncio.sleep(0)
                assert reader.store().owner("acme", name) is not None

        asyncio.run(look())


def test_whoever_asks_after_an_acknowledgement_sees_it(open_again: Callable[[], SqlStore]) -> None:
    """Tasks that each write, and read in a turn after it, beside tasks that hold states all the time."""
    with open_again() as ours, open_again() as writer:
        reader = Reader(ours)
        done = False

        async def hold() -> None:
            while not done:
                reader.store().revision()
                await asyncio.sleep(0)

        async def write_then_read(worker: int) -> None:
            for n in range(20):
                name = user("user_id", f"worker-{worker}-{n}")
                take_in(writer, message(name))
                await asyncio.sleep(0)
                assert reader.store().owner("acme", name) is not None

        async def run() -> None:
            nonlocal done
            holders = [asyncio.create_task(hold()) for _ in range(3)]
            await asyncio.gather(*(write_then_read(n) for n in range(5)))
            done = True
            await asyncio.gather(*holders)

        asyncio.run(run())
