"""The first and the last to see a request: its id, its measure, and what happens when we have a bug."""

import itertools
import os
import time
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("mien.web")

_FAILED = b'{"error":{"code":"internal_error","message":"Something went wrong in Mien; it was logged."}}'


class Metrics:
    """What is counted, for Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "mien_request_seconds",
            "Time to answer a request, by route and status.",
            ["route", "method", "status"],
            registry=self.registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.messages = Counter(
            "mien_messages", "Messages taken in, by what became of them.", ["outcome"], registry=self.registry
        )
        self.restarts = Counter("mien_writer_restarts", "Times the writer was begun anew.", registry=self.registry)
        self._measures: dict[tuple[str, str, int], Any] = {}

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = (route, method, status)
        measure = self._measures.get(key)
        if measure is None:
            measure = self._measures[key] = self.requests.labels(route, method, str(status))
        measure.observe(seconds)


class Gateway:
    """Wraps everything: routes see the path as it was sent, and every answer has a `Request-Id`.

    Routing on the path as sent keeps `%2F` in an identifier apart from the slashes of the route; handlers decode
    what they take from it. With `access_log` every request is logged: the route, never the path or the query.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, access_log: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._access_log = access_log
        # Unique without asking the system for chance on every request: which start of which node, and a number.
        self._run = os.urandom(6).hex()
        self._serial = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = f"{self._run}-{next(self._serial):x}"
        status = 0
        path: str = scope["raw_path"].decode("latin-1")
        scope["path"] = path.rstrip("/") if len(path) > 1 else path

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"request-id", request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 (a bug in one answer must not take the connection down)
            log.error("request failed", request=request_id, route=_route(scope), error=_trace(error))
            if not status:
                headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_FAILED))]
                await answer({"type": "http.response.start", "status": 500, "headers": headers})
                await answer({"type": "http.response.body", "body": _FAILED})
        seconds = time.perf_counter() - started
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.observe(_route(scope), method, status, seconds)
        if self._access_log:
            log.info("request", request=request_id, route=_route(scope), status=status, seconds=round(seconds, 6))


_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return route.path if route is not None else "unmatched"


def _trace(error: Exception) -> list[str]:
    """Return where an error came from, without its text, which may hold somebody's data."""
    places, trace = [type(error).__name__], error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places
