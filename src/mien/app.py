"""The wiring, and the only place that knows everyone: settings → store → routes."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.routing import Router

from mien.dialects import segment
from mien.settings import Settings
from mien.store.sql import open_store
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

SECTIONS = (segment.SECTION,)
"""What each dialect keeps in a space."""


def create_app(settings: Settings) -> Gateway:
    """Return the application. It opens the store at once, and starts the writer when it is started."""
    store = open_store(settings.store)
    metrics = Metrics()
    queue = IngestQueue(
        partial(spawn, url=settings.store, log_json=settings.log_json),
        metrics,
        max_bytes=settings.queue_bytes,
        patience=settings.patience,
    )
    health = health_routes(store, queue, metrics)
    proxies = Proxies(settings.trusted_proxies)
    dialect = segment.segment_routes(Reader(store), Tenants(store), RateLimits(), queue, proxies)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        store.warm()
        await queue.start()
        yield
        await queue.stop()
        store.close()

    routes = Routes([*dialect, *under("/segment", [segment.description_route(), *dialect]), *health])
    return Gateway(routes, Router(lifespan=lifespan).lifespan, metrics, access_log=settings.access_log)


def under(prefix: str, routes: Iterable[Route]) -> list[Route]:
    """Return the routes below a prefix."""
    return [Route(f"{prefix}{route.path}", route.app) for route in routes]
