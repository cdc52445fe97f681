"""Segment's paths → handlers: the Profile API and the Tracking HTTP API (seed; reference: 1.2, 2.1)."""

import uuid
from functools import partial
from importlib.resources import files

import yaml
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mien import clock
from mien.core.message import Kind, Submission
from mien.dialects.segment import render
from mien.dialects.segment.auth import source_of
from mien.dialects.segment.errors import profile_error, tracking_error
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
from mien.dialects.segment.profiles import Profiles
from mien.errors import Invalid, NotFound, TooLarge
from mien.web.body import read_body
from mien.web.limits import RateLimits
from mien.web.proxies import Proxies
from mien.web.queue import IngestQueue
from mien.web.reader import Reader
from mien.web.routing import EVERY, READ, WRITE, Endpoint, Handler, Route, header, parameter
from mien.web.tenants import Tenants

_CORS = partial(
    CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"], max_age=86400
)
"""Browsers send from any page; only the tracking routes let them (reference: 2.2)."""


def segment_routes(
    reader: Reader, tenants: Tenants, limits: RateLimits, queue: IngestQueue, proxies: Proxies
) -> list[Route]:
    """Return all routes of this dialect, the busiest first."""
    profiles = Profiles(reader, tenants, limits, proxies)
    tracking = Tracking(tenants, queue, proxies)

    def read(path: str, handler: Handler) -> Route:
        return Route(path, Endpoint(handler, profile_error, READ))

    def write(path: str, handler: Handler, methods: frozenset[str] = WRITE) -> Route:
        return Route(path, _CORS(Endpoint(handler, tracking_error, methods)))

    one = "/v1/{tree}/{space}/collections/{collection}/profiles/{identifier}"
    return [
        read(f"{one}/traits", profiles.traits),
        write("/v1/batch", tracking.batch),
        read(f"{one}/external_ids", profiles.external_ids),
        read(f"{one}/events", profiles.events),
        read(f"{one}/metadata", profiles.metadata),
        read(f"{one}/links", profiles.links),
        read("/v1/{tree}/{space}/collections/{collection}/profiles", profiles.recent),
        write("/v1/import", tracking.batch),
        write("/v1/b", tracking.batch_from_device),
        *(write(f"/v1/{kind}", tracking.single(kind)) for kind in Kind),
        *(write(f"/v1/{kind[0]}", tracking.single(kind, from_device=True)) for kind in Kind),
        write("/v1/m", tracking.client_metrics),
        write("/v1/pixel/{kind}", tracking.pixel, READ),
        write("/v1/projects/{key}/settings", tracking.settings, READ),
        Route("/v1/{rest}", Endpoint(_nothing, profile_error, EVERY)),
    ]


def description_route() -> Route:
    """Return `/openapi.json`, to be reached under the dialect's prefix only."""
    description = yaml.safe_load((files(__package__) / "openapi.yaml").read_text("utf-8"))

    async def openapi(_: Request) -> Response:
        return render.answer(description)

    return Route("/openapi.json", Endpoint(openapi, profile_error, READ))


async def _nothing(_: Request) -> Response:
    raise NotFound


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
        """Take one message from an image in a page or a mail; always answer with the image."""
        try:
            kind = Kind(parameter(request, "kind"))
            envelope = read_pixel(kind, request.scope["query_string"].decode("latin-1"))
            await self._take(request, envelope, from_device=True)
        except (Invalid, ValueError):
            bad = unowned("bad_request", "a pixel whose data cannot be read", self._receipts.next())
            await self._queue.submit(Submission(discards=(bad,)))
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
                Submission(discards=(unowned("unknown_source", "no source has this write key", received_at),))
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
