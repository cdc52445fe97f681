"""Segment's paths → handlers: the Profile API and the Tracking HTTP API (seed; reference: 1.2, 2.1)."""

from functools import partial
from importlib.resources import files

import yaml
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from mien.dialects.segment import render
from mien.dialects.segment.errors import profile_error, removal_error, tracking_error
from mien.dialects.segment.names import CALLS
from mien.dialects.segment.profiles import Profiles
from mien.dialects.segment.removal import Removal
from mien.dialects.segment.tracking import Tracking
from mien.errors import NotFound
from mien.web.changes import Changes
from mien.web.limits import RateLimits
from mien.web.proxies import Proxies
from mien.web.queue import IngestQueue
from mien.web.reader import Answer, Reader
from mien.web.routing import EVERY, READ, WRITE, Endpoint, Handler, Route
from mien.web.tenants import Tenants

_CORS = partial(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "POST"],
    allow_headers=["*"],
    expose_headers=["Retry-After", "Request-Id"],
    max_age=86400,
)
"""Browsers send from any page; only the tracking routes let them (reference: 2.2)."""


def segment_routes(
    reader: Reader, changes: Changes, tenants: Tenants, limits: RateLimits, queue: IngestQueue, proxies: Proxies
) -> list[Route]:
    """Return all routes of this dialect."""
    profiles = Profiles(tenants, limits, proxies)
    removal = Removal(changes, tenants, limits)
    tracking = Tracking(tenants, queue, proxies)

    def read(path: str, answer: Answer, *, one_look: bool = False) -> Route:
        return Route(path, Endpoint(reader.serving(answer, one_look=one_look), profile_error, READ))

    def write(path: str, handler: Handler, methods: frozenset[str] = WRITE) -> Route:
        return Route(path, _CORS(Endpoint(handler, tracking_error, methods)))

    routes = [
        write("/v1/batch", tracking.batch),
        write("/v1/import", tracking.batch),
        write("/v1/b", tracking.batch_from_device),
        *(write(f"/v1/{kind}", tracking.single(kind)) for kind in CALLS),
        *(write(f"/v1/{kind[0]}", tracking.single(kind, from_device=True)) for kind in CALLS),
        write("/v1/m", tracking.client_metrics),
        write("/v1/pixel/{kind}", tracking.pixel, frozenset({"GET"})),
        write("/v1/projects/{key}/settings", tracking.settings, READ),
        Route("/v1/{rest}", Endpoint(_nothing, profile_error, EVERY)),
    ]
    for tree in ("spaces", "namespaces"):
        everybody = f"/v1/{tree}/{{space}}/collections/{{collection}}/profiles"
        one = f"{everybody}/{{identifier}}"
        routes += [
            read(everybody, profiles.recent),
            read(f"{one}/traits", profiles.traits, one_look=True),
            read(f"{one}/external_ids", profiles.external_ids),
            Route(f"{one}/external_ids/delete", Endpoint(removal.external_id, removal_error, WRITE)),
            read(f"{one}/events", profiles.events),
            read(f"{one}/metadata", profiles.metadata),
            read(f"{one}/links", profiles.links),
        ]
    return routes


def description_route() -> Route:
    """Return `/openapi.json`, to be reached under the dialect's prefix only."""
    description = yaml.safe_load((files(__package__) / "openapi.yaml").read_text("utf-8"))

    async def openapi(_: Request) -> Response:
        return render.answer(description)

    return Route("/openapi.json", Endpoint(openapi, profile_error, READ))


async def _nothing(_: Request) -> Response:
    raise NotFound
