"""The reference for reads: Starlette on uvicorn, answering a fixed body after the same check of a token."""

import sys
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from benchmarks.dataset import TOKEN
from mien.services.secrets import digest
from mien.web.tenants import basic_user

_KNOWN = {digest(TOKEN)}


def main(size: int, port: int) -> None:
    """Serve a body of this size until terminated."""
    body = b"x" * size

    async def fixed(_: Request) -> Response:
        return Response(body, media_type="application/json")

    serve(fixed, port)


def serve(answer: Callable[[Request], Awaitable[Response]], port: int) -> None:
    """Serve traits, to whoever has the token, until terminated."""

    async def traits(request: Request) -> Response:
        user = basic_user(request.headers.get("authorization", "").encode())
        if user is None or digest(user) not in _KNOWN:
            return Response(status_code=401)
        return await answer(request)

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok")

    path = "/v1/spaces/{space}/collections/{collection}/profiles/{identifier}/traits"
    uvicorn.run(
        Starlette(routes=[Route(path, traits), Route("/livez", livez)]),
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
