"""The first and the last to see a request: its id, its route, its measure, and what happens when we have a bug."""

import itertools
import os
import time
from collections.abc import Awaitable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.web.metrics import Metrics
from mien.web.routing import Routes

log = structlog.get_logger("mien.web")

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
_FAILED = b'{"error":{"code":"internal_error","message":"Something went wrong in Mien; it was logged."}}'
_JSON = (b"content-type", b"application/json")
_NOWHERE = b'{"error":{"code":"not_found","message":"The resource was not found."}}'


class Gateway:
    """The application: finds the route of a request, and gives every answer a `Request-Id`.

    `life` is the application that is told of start and end. With `access_log` every request is logged: its route,
    never its path or query.
    """

    def __init__(self, routes: Routes, life: ASGIApp, metrics: Metrics, *, access_log: bool) -> None:
        self._routes = routes
        self._life = life
        self._observe = metrics.requests.observe
        self._access_log = access_log
        # Unique without asking the system for chance on every request: which start of which node, and a number.
        self._run = os.urandom(6).hex()
        self._serial = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._life(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = f"{self._run}-{next(self._serial):x}"
        status = 0
        # Not the decoded path: `%2F` in an identifier is no slash.
        scope["path"] = path = scope["raw_path"].decode("latin-1")
        route, scope["path_params"] = self._routes.find(path)
        name = route.path if route else "unmatched"

        def answer(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"request-id", request_id.encode()))
            return send(message)

        try:
            if route:
                await route.app(scope, receive, answer)
            else:
                await _send(answer, 404, _NOWHERE)
        except Exception as error:  # noqa: BLE001 (a bug in one answer must not take the connection down)
            log.error("request failed", request=request_id, route=name, error=_trace(error))
            if not status:
                await _send(answer, 500, _FAILED)
        seconds = time.perf_counter() - started
        method = scope["method"]
        self._observe(name, method if method in _METHODS else "other", status, seconds)
        if self._access_log:
            log.info("request", request=request_id, route=name, status=status, seconds=round(seconds, 6))


async def _send(send: Send, status: int, body: bytes) -> None:
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _trace(error: Exception) -> list[str]:
    """Return where an error came from, without its text, which may hold somebody's data."""
    places, trace = [type(error).__name__], error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places
