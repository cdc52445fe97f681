"""Handlers of the Tracking HTTP API: read, parse, hand over, answer when it is durable (reference: 2)."""

import uuid

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mien import clock
from mien.core.message import Kind, Submission
from mien.dialects.segment import render
from mien.dialects.segment.auth import source_of
from mien.dialects.segment.names import call_of
from mien.dialects.segment.parse import (
    MAX_BATCH_BYTES,
    MAX_ITEM_BYTES,
    Arrival,
    Envelope,
    read_batch,
    read_pixel,
    read_single,
    take,
    unowned,
)
from mien.dialects.segment.reasons import Dropped
from mien.errors import Invalid, TooLarge
from mien.web.body import read_body
from mien.web.proxies import Proxies
from mien.web.queue import IngestQueue
from mien.web.routing import Handler, header, parameter
from mien.web.tenants import Tenants


class Tracking:
    """The Tracking HTTP API: 200 for what is taken in or discarded, 400 for what is too large or not JSON."""

    def __init__(self, tenants: Tenants, queue: IngestQueue, proxies: Proxies) -> None:
        self._proxies = proxies
        self._tenants = tenants
        self._queue = queue
        self._receipts = clock.ReceiptClock()

    async def batch(self, request: Request) -> Response:
        """Take a batch from a server."""
        body = await read_body(request, limit=MAX_BATCH_BYTES)
        return await self._take(request, read_batch(body))

    async def batch_from_device(self, request: Request) -> Response:
        """Take a batch from a browser or a mobile application."""
        body = await read_body(request, limit=MAX_BATCH_BYTES)
        return await self._take(request, read_batch(body), from_device=True)

    def single(self, kind: Kind, *, from_device: bool = False) -> Handler:
        """Return the handler that takes one message of a kind."""

        async def handler(request: Request) -> Response:
            body = await read_body(request, limit=MAX_ITEM_BYTES)
            return await self._take(request, read_single(kind, body), from_device=from_device)

        return handler

    async def pixel(self, request: Request) -> Response:
        """Take one message from an image in a page or a mail; answer with the image whatever it held."""
        try:
            kind = call_of(parameter(request, "kind"))
            envelope = read_pixel(kind, request.scope["query_string"].decode("latin-1"))
        except (Invalid, ValueError):
            bad = unowned(Dropped.BAD_REQUEST, "a pixel whose data cannot be read", self._receipts.next())
            await self._queue.submit(Submission(discards=(bad,)))
        else:
            await self._take(request, envelope, from_device=True)
        return render.pixel()

    async def client_metrics(self, request: Request) -> Response:
        """Drop what analytics.js reports of itself."""
        await read_body(request, limit=MAX_BATCH_BYTES)
        return render.accepted()

    async def settings(self, request: Request) -> Response:
        """Tell a client library where to send."""
        key = parameter(request, "key")
        if self._tenants.source(key) is None:
            return PlainTextResponse("Cannot GET - Invalid path or write key provided.", 404)
        return render.settings(
            key, (header(request, b"host") or b"").decode("latin-1"), self._proxies.scheme(request)
        )

    async def _take(self, request: Request, envelope: Envelope, *, from_device: bool = False) -> Response:
        """Take an envelope in; answer when it is durable."""
        source = source_of(request, envelope.write_key, self._tenants)
        received_at = self._receipts.next()
        if source is None:
            await self._queue.submit(
                Submission(discards=(unowned(Dropped.UNKNOWN_SOURCE, "no source has this write key", received_at),))
            )
            return render.accepted()
        arrival = Arrival(
            space=self._tenants.current().spaces[source.space],
            source=source,
            received_at=received_at,
            ip=_ipv4(self._proxies.address(request)),
            from_device=from_device,
            new_id=_new_id,
        )
        taken = take(envelope, arrival)
        await self._queue.submit(taken.submission)
        if taken.refused:
            raise TooLarge(
                f"{taken.refused} of {len(envelope.items)} messages are larger than {MAX_ITEM_BYTES} bytes or nested"
                " too deep and were dropped; the others were taken in."
            )
        return render.accepted()


def _ipv4(host: str) -> str | None:
    """Return the address if it is IPv4: Segment keeps no other (reference: 2.6)."""
    return host if "." in host and ":" not in host else None


def _new_id() -> str:
    return f"mien-{uuid.uuid4()}"
