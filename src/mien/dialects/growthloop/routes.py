"""GrowthLoop's paths → handlers: the Personalization API and its older generation (seed; reference: 1, 2, 7)."""

from importlib.resources import files
from urllib.parse import unquote

import yaml
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mien.dialects.growthloop import render
from mien.dialects.growthloop.cors import FinishForPages, finish
from mien.dialects.growthloop.errors import error_answer
from mien.dialects.growthloop.profiles import BATCH, Profiles
from mien.dialects.growthloop.views import Origins
from mien.errors import NotFound
from mien.web.limits import RateLimits
from mien.web.reader import Reader
from mien.web.routing import EVERY, READ, WRITE, Endpoint, Handler, Route
from mien.web.tenants import Tenants


def growthloop_routes(reader: Reader, tenants: Tenants, limits: RateLimits) -> list[Route]:
    """Return all routes of this dialect."""
    profiles = Profiles(reader, tenants, limits)
    one = reader.serving(profiles.one, one_look=True)
    return [
        Route("/v1/entities/{entity}/{id}", Endpoint(one, error_answer, READ, FinishForPages(Origins(tenants)))),
        Route("/v1/entities/{entity}", _Target(profiles.batch)),
        _route("/v1/entities/{rest}", _nothing, EVERY),
        _route("/v1/audiences", reader.serving(profiles.audiences), READ),
        _route("/v1/tokens", profiles.token, WRITE),
    ]


def nothing_route() -> Route:
    """Return what answers for all else, to be reached under the dialect's prefix only."""
    return _route("/{rest}", _nothing, EVERY)


def description_route() -> Route:
    """Return `/openapi.json`, to be reached under the dialect's prefix only."""
    description = yaml.safe_load((files(__package__) / "openapi.yaml").read_text("utf-8"))

    async def openapi(_: Request) -> Response:
        return render.answer(description)

    return _route("/openapi.json", openapi, READ)


def _route(path: str, handler: Handler, methods: frozenset[str]) -> Route:
    return Route(path, _endpoint(handler, methods))


def _endpoint(handler: Handler, methods: frozenset[str]) -> Endpoint:
    return Endpoint(handler, error_answer, methods, finish)


class _Target:
    """What stands where an entity would: `users:batchGet` is a batch, the name alone is nothing."""

    def __init__(self, batch: Handler) -> None:
        self._batch = _endpoint(batch, WRITE)
        self._nothing = _endpoint(_nothing, EVERY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_batch = unquote(scope["path_params"]["entity"]).endswith(BATCH)
        await (self._batch if is_batch else self._nothing)(scope, receive, send)


async def _nothing(_: Request) -> Response:
    raise NotFound
