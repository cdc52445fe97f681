"""Requests to measure with, as bytes."""

import base64
import itertools
import random
import time
from collections.abc import Callable, Sequence

import msgspec

from benchmarks import dataset


def get(count: int, query: str = "", only: int | None = None) -> Callable[[], bytes]:
    """Return a maker of requests for the traits of random profiles, or of one."""
    auth = base64.b64encode(f"{dataset.TOKEN}:".encode()).decode()
    chance = random.Random(7)

    def make() -> bytes:
        n = chance.randrange(count) if only is None else only
        path = f"/v1/spaces/bench/collections/users/profiles/user_id:user-{n}/traits{query}"
        return f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic {auth}\r\n\r\n".encode()

    return make


def get_entity(count: int) -> Callable[[], bytes]:
    """Return a maker of requests for random entities of GrowthLoop's API."""
    chance = random.Random(7)

    def make() -> bytes:
        path = f"/v1/entities/customers/user-{chance.randrange(count)}"
        return f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {dataset.TOKEN}\r\n\r\n".encode()

    return make


def post(
    count: int, size: int = 100, *, part: int = 0, parts: int = 1, events: Sequence[str] = dataset.EVENTS
) -> Callable[[], bytes]:
    """Return a maker of batches: half identifies of existing profiles that set 5 traits, half tracks of these events.

    Of several parts no two name the same profile.
    """
    chance = random.Random(11 + part)
    serial = itertools.count()
    run = f"{time.time_ns():x}"

    def make() -> bytes:
        batch = []
        for k in range(size):
            item = {
                "type": "identify" if k % 2 else "track",
                "userId": f"user-{chance.randrange(part, count, parts)}",
                "messageId": f"{run}-{part}-{next(serial)}",
                "timestamp": "2026-11-22T00:53:25.369+00:00",
                "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
                "integrations": {},
            }
            if k % 2:
                item["traits"] = {key: chance.randrange(1000) for key in chance.sample(dataset.TRAITS, 5)}
            else:
                item |= {"event": chance.choice(events), "properties": {"revenue": 12.5, "sku": "A-1"}}
            batch.append(item)
        body = msgspec.json.encode({"batch": batch, "writeKey": dataset.KEY})
        head = f"POST /v1/batch HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        return head + body

    return make
