"""Paths → routes."""

import pytest

from mien.web.routing import Route, Routes


async def _app(*_: object) -> None: ...


ROUTES = Routes(
    Route(path, _app)
    for path in (
        "/v1/batch",
        "/v1/pixel/{kind}",
        "/v1/spaces/{space}/traits",
        "/v1/{tree}/{space}/traits",
        "/v1/{rest}",
        "/livez",
        "/",
    )
)


@pytest.mark.parametrize(
    ("path", "route", "parameters"),
    [
        ("/v1/batch", "/v1/batch", {}),
        ("/v1/batch/", "/v1/batch", {}),
        ("/v1/pixel/track", "/v1/pixel/{kind}", {"kind": "track"}),
        ("/v1/spaces/a%2Fb/traits", "/v1/spaces/{space}/traits", {"space": "a%2Fb"}),
        ("/v1/namespaces/x/traits", "/v1/{tree}/{space}/traits", {"tree": "namespaces", "space": "x"}),
        ("/v1/spaces//traits", "/v1/{rest}", {}),
        ("/v1/spaces/a/more", "/v1/{rest}", {}),
        ("/v1/elsewhere", "/v1/{rest}", {}),
        ("/v1", "/v1/{rest}", {}),
        ("/livez", "/livez", {}),
        ("/", "/", {}),
        ("", "/", {}),
        ("/livez/more", None, {}),
        ("/nothing", None, {}),
    ],
)
def test_a_path_finds_its_route(path: str, route: str | None, parameters: dict[str, str]) -> None:
    found, given = ROUTES.find(path)
    assert (found.path if found else None) == route
    if route and not route.endswith("{rest}"):
        assert given == parameters
