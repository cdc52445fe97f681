"""Which pages may read an answer: those of the origins a space lists, and only what a read token opened."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from mien.web.routing import header

Headers = list[tuple[bytes, bytes]]
Origins = Callable[[], frozenset[str]]

ADMITTED = "mien.growthloop.admitted"
"""Where a request's scope holds the headers that let a page read the answer."""

_VARY = (b"vary", b"origin")
_EXPOSED = b"etag, retry-after, ratelimit, ratelimit-policy, request-id, x-request-id, x-profile-as-of"
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


def finish(scope: Scope, response: Response) -> None:
    """Give an answer what lets pages read it, and an error the id of its request as `X-Request-Id`, too."""
    if response.status_code >= 400:
        response.raw_headers.append((b"x-request-id", scope["request_id"].encode()))
    if ADMITTED in scope:
        response.raw_headers += scope[ADMITTED]


class FinishForPages:
    """Finishes the answers of what pages may ask: tells browsers, which ask before, that they may.

    It tells it of the origins of all spaces: a preflight holds no credential, so nobody knows yet which it is about.
    """

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    def __call__(self, scope: Scope, response: Response) -> None:
        """Change one answer."""
        if scope["method"] == "OPTIONS":
            allowed = _allow(header(Request(scope), b"origin"), self._origins())
            response.raw_headers += [_VARY, *allowed[:1], *(_PREFLIGHT if allowed else ())]
        finish(scope, response)
