"""Which pages may read an answer: those of the origins a space lists, and only what a read token opened."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.web.routing import header

Headers = list[tuple[bytes, bytes]]
Origins = Callable[[], frozenset[str]]

ADMITTED = "mien.growthloop.admitted"
"""Where a request's scope holds the headers that let a page read the answer."""

_VARY = (b"vary", b"origin")
_EXPOSED = b"etag, last-modified, retry-after, ratelimit, ratelimit-policy, request-id, x-request-id, x-profile-as-of"
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", b"authorization, content-type, if-none-match"),
    (b"access-control-max-age", b"600"),
]


def admit(request: Request, origins: frozenset[str]) -> None:
    """Let the page that sent a request read its answer, if its origin is one of these."""
    request.scope[ADMITTED] = [_VARY, *_allow(header(request, b"origin"), origins)]


def _allow(origin: bytes | None, origins: frozenset[str]) -> Headers:
    if origin is None or origin.decode("latin-1") not in origins:
        return []
    return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED)]


class Edge:
    """Around an endpoint: the id of the request also as `X-Request-Id`, and what lets pages read the answer.

    Where `origins` are given, a preflight is answered for all of them: it holds no credential, so nobody knows yet
    which space it is about.
    """

    def __init__(self, app: ASGIApp, origins: Origins | None = None) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "OPTIONS" and self._origins is not None:
            scope[ADMITTED] = self._preflight(scope)

        def answer(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-request-id", scope["request_id"].encode()))
                message["headers"] += scope.get(ADMITTED, ())
            return send(message)

        await self._app(scope, receive, answer)

    def _preflight(self, scope: Scope) -> Headers:
        request = Request(scope)
        origins = self._origins() if self._origins else frozenset()
        allowed = _allow(header(request, b"origin"), origins)
        if not allowed or header(request, b"access-control-request-method") is None:
            return [_VARY]
        return [_VARY, allowed[0], *_PREFLIGHT]
