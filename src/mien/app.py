"""The wiring, and the only place that knows everyone: settings → store → routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import Receive, Scope, Send

from mien.dialects import segment
from mien.settings import Settings
from mien.store.sql import open_store
from mien.web.gateway import Gateway, Metrics
from mien.web.health import health_routes
from mien.web.limits import RateLimits
from mien.web.queue import IngestQueue
from mien.web.reader import Reader
from mien.web.tenants import Tenants
from mien.writer import spawn

SECTIONS = (segment.SECTION,)
"""What each dialect keeps in a space."""


def create_app(settings: Settings) -> Gateway:
    """Return the application. It opens the store at once, and starts the writer when it is started."""
    store = open_store(settings.store)
    metrics = Metrics()
    queue = IngestQueue(
        partial(spawn, url=settings.store),
        metrics,
        max_bytes=settings.queue_bytes,
        patience=settings.patience,
    )
    dialect = segment.segment_routes(Reader(store), Tenants(store), RateLimits(), queue)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await queue.start()
        yield
        await queue.stop()
        store.close()

    router = Router(
        [
            *dialect,
            *health_routes(store, queue, metrics),
            Mount("/segment", routes=[segment.description_route(), *dialect]),
            Route("/", _root),
        ],
        redirect_slashes=False,
        default=_nothing,
        lifespan=lifespan,
    )
    return Gateway(router, metrics, access_log=settings.access_log)


async def _root(_: Request) -> Response:
    return JSONResponse({"mien": "One customer profile, answered in every vendor's words."})


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    body = {"error": {"code": "not_found", "message": "The resource was not found."}}
    await JSONResponse(body, status_code=404)(scope, receive, send)
