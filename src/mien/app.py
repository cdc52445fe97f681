"""The wiring, and the only place that knows everyone: settings → store → routes."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.routing import Router

from mien.dialects import growthloop, segment
from mien.settings import Settings
from mien.store.sql import Limits, open_store
from mien.web.changes import Changes
from mien.web.gateway import Gateway
from mien.web.health import health_routes
from mien.web.limits import RateLimits
from mien.web.metrics import Metrics
from mien.web.proxies import Proxies
from mien.web.queue import IngestQueue
from mien.web.reader import Reader
from mien.web.routing import Route, Routes
from mien.web.tenants import Tenants
from mien.writer import spawn

SECTIONS = (segment.SECTION, growthloop.SECTION)
"""What each dialect keeps in a space."""


def create_app(settings: Settings) -> Gateway:
    """Return the application. It opens the store at once, and starts the writer when it is started."""
    limits = limits_of(settings)
    store, watched = open_store(settings.store, limits), open_store(settings.store, limits)
    reader = Reader(store, threads=settings.store_connections)
    tenants = Tenants(watched)
    changes = Changes(partial(open_store, settings.store, replace(limits, connections=1)))
    metrics = Metrics()
    queue = IngestQueue(
        partial(spawn, url=settings.store, limits=limits, log_json=settings.log_json),
        metrics,
        max_bytes=settings.queue_bytes,
        patience=settings.patience,
    )
    health = health_routes(reader, queue, metrics)
    proxies = Proxies(settings.trusted_proxies)
    rates = RateLimits()
    segments = segment.segment_routes(reader, changes, tenants, rates, queue, proxies)
    growthloops = growthloop.growthloop_routes(reader, tenants, rates)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        store.warm()
        tenants.start()
        await queue.start()
        yield
        await queue.stop()
        await changes.stop()
        tenants.stop()
        watched.close()
        store.close()

    routes = Routes(
        [
            *segments,
            *growthloops,
            *under("/segment", [segment.description_route(), *segments]),
            *under("/growthloop", [growthloop.description_route(), growthloop.nothing_route(), *growthloops]),
            *health,
        ]
    )
    return Gateway(routes, Router(lifespan=lifespan).lifespan, metrics, access_log=settings.access_log)


def limits_of(settings: Settings) -> Limits:
    """Return how this process uses its database."""
    return Limits(
        connections=settings.store_connections,
        wait=settings.store_wait,
        statement=settings.store_statement,
        lock=settings.store_lock,
    )


def under(prefix: str, routes: Iterable[Route]) -> list[Route]:
    """Return the routes below a prefix."""
    return [Route(f"{prefix}{route.path}", route.app) for route in routes]
