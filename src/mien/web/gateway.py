"""The first and the last to see a request: its id, its route, its measure, and what happens when we have a bug."""

import itertools
import os
import time
from collections.abc import Awaitable

import structlog
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.web.metrics import Metrics
from mien.web.routing import Routes

log = structlog.get_logger("mien.web")

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})


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
        scope["request_id"] = request_id = f"{self._run}-{next(self._serial):x}"
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
            await (route.app if route else _nowhere)(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - started
            method = scope["method"]
            self._observe(name, method if method in _METHODS else "other", status, seconds)
            if self._access_log:
                log.info("request", request=request_id, route=name, status=status, seconds=round(seconds, 6))


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("There is nothing here.\n", 404)(scope, receive, send)
