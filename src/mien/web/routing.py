"""Handlers as routes: methods checked, errors turned into the dialect's answers."""

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mien.errors import MienError

Handler = Callable[[Request], Awaitable[Response]]
Explain = Callable[[MienError], Response]


class MethodNotAllowed(MienError):
    """The method is not allowed here."""


class Endpoint:
    """A handler as an ASGI application that Starlette routes to.

    `explain` answers for every MienError, in the dialect's shape.
    """

    def __init__(self, handler: Handler, explain: Explain, methods: frozenset[str]) -> None:
        self._handler = handler
        self._explain = explain
        self._methods = methods
        self._allow = ", ".join(sorted(methods | {"OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self._answer(scope, receive)
        except MienError as error:
            response = self._explain(error)
            if isinstance(error, MethodNotAllowed):
                response.headers["Allow"] = self._allow
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        if scope["method"] in self._methods:
            return await self._handler(Request(scope, receive))
        if scope["method"] == "OPTIONS":
            return Response(status_code=204, headers={"Allow": self._allow})
        raise MethodNotAllowed(f"The method is not allowed here: use {self._allow}.")


READ = frozenset({"GET", "HEAD"})
WRITE = frozenset({"POST"})
EVERY = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
