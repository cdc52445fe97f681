"""Paths → handlers: found by their segments, methods checked, errors turned into the dialect's answers."""

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple
from urllib.parse import unquote

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mien.errors import MienError
from mien.logs import trace

log = structlog.get_logger("mien.web")

Handler = Callable[[Request], Awaitable[Response]]
Explain = Callable[[MienError], Response]
Finish = Callable[[Scope, Response], None]


class MethodNotAllowed(MienError):
    """The method is not allowed here."""


class Route(NamedTuple):
    """A path and what answers for it.

    A segment in braces stands for any one, `{rest}` at the end for all that follow.
    """

    path: str
    app: ASGIApp


class _Node:
    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: tuple[str, _Node] | None = None
        self.rest: Route | None = None
        self.route: Route | None = None


class Routes:
    """Finds a route by walking a tree of segments, so that it costs the same with ten routes and with a thousand.

    Paths are matched as they were sent: an encoded slash is no slash. A segment that is spelled out goes before one
    in braces, and that before `{rest}`.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        *segments, last = route.path.strip("/").split("/")
        if last == "{rest}":
            rest = self._walk(node, segments)
            rest.rest = route
        else:
            self._walk(node, [*segments, last]).route = route

    def _walk(self, node: _Node, segments: Iterable[str]) -> _Node:
        for segment in segments:
            if segment.startswith("{"):
                if node.parameter is None:
                    node.parameter = (segment.strip("{}"), _Node())
                node = node.parameter[1]
            else:
                node = node.children.setdefault(segment, _Node())
        return node

    def find(self, path: str) -> tuple[Route | None, dict[str, str]]:
        """Return the route of a path and what stands in the place of its braces, as it was sent."""
        node, parameters, rest = self._root, {}, self._root.rest
        for segment in path.strip("/").split("/"):
            child = node.children.get(segment)
            if child is None:
                if node.parameter is None or not segment:
                    return rest, {}
                name, child = node.parameter
                parameters[name] = segment
            node = child
            rest = node.rest or rest
        return node.route or rest, parameters


class Endpoint:
    """A handler as an ASGI application.

    `explain` answers for every MienError, in the dialect's shape; a bug is logged, and explained as a MienError.
    `finish` may change any answer, before it is sent.
    """

    def __init__(
        self, handler: Handler, explain: Explain, methods: frozenset[str], finish: Finish | None = None
    ) -> None:
        self._handler = handler
        self._finish = finish
        self._explain = explain
        self._methods = methods
        self._allow = ", ".join(sorted(methods | {"OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            if scope["method"] in self._methods:
                response = await self._handler(Request(scope, receive))
            else:
                response = self._other_method(scope["method"])
        except MienError as error:
            response = self._explain(error)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 (a bug in one answer is an answer too, in the dialect's shape)
            log.error("request failed", request=scope.get("request_id"), error=trace(error))
            response = self._explain(MienError("Something went wrong in Mien; it was logged."))
        if self._finish is not None:
            self._finish(scope, response)
        await response(scope, receive, send)

    def _other_method(self, method: str) -> Response:
        allowed = {"Allow": self._allow}
        if method == "OPTIONS":
            return Response(status_code=204, headers=allowed)
        response = self._explain(MethodNotAllowed(f"The method is not allowed here: use {self._allow}."))
        response.headers.update(allowed)
        return response


READ = frozenset({"GET", "HEAD"})
WRITE = frozenset({"POST"})
EVERY = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


def parameter(request: Request, name: str) -> str:
    """Return what stands in a path in the place of `{name}`, decoded; empty when the path has no such place."""
    text: str = request.scope["path_params"].get(name, "")
    return unquote(text) if "%" in text else text


def header(request: Request, name: bytes) -> bytes | None:
    """Return the first header of this lower-case name, as it was sent."""
    for key, value in request.scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None
