"""Spaces that GrowthLoop's API serves, in the running server that all end-to-end tests share."""

import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import httpx
import pytest
import yaml

from tests.server import ADMITTED, Server, Tenant, space

SHOPS = 140


class Shop(Tenant):
    """A space as an application sees it that asks through GrowthLoop's API."""

    def __init__(self, server: Server, slug: str) -> None:
        super().__init__(server, slug)
        self.key = f"gl_{slug}"
        self.narrow = f"gl_narrow_{slug}"
        self.unscoped = f"gl_unscoped_{slug}"
        self.origin = f"https://{slug}.example"

    def ask(self, path: str, key: str | None = None, method: str = "GET", **given: Any) -> httpx.Response:
        """Send a request below `/v1/`, with the key or with another."""
        headers = {"authorization": f"Bearer {key or self.key}", **given.pop("headers", {})}
        return self.http.request(method, f"/v1/{path}", headers=headers, **given)

    def entity(self, path: str, **given: Any) -> dict[str, Any]:
        """Return a profile that exists, such as `customers/u1`."""
        answer = self.ask(f"entities/{path}", **given)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def read_token(self, entity: str, entity_id: str, ttl: int = 900) -> str:
        """Return a token that reads one profile."""
        answer = self.ask("tokens", method="POST", json={"entity": entity, "id": entity_id, "ttl": ttl})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])


def until(there: Callable[[], bool]) -> None:
    """Wait until a change has reached the running server, as it does within a second where nothing else is slow."""
    deadline = time.monotonic() + 20
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def section(slug: str) -> dict[str, Any]:
    """Return the section `growthloop:` of a test's space."""
    return {
        "keys": {
            "site": f"gl_{slug}",
            "narrow": {"secret": f"gl_narrow_{slug}", "entities": ["by_email"]},
            "unscoped": {"secret": f"gl_unscoped_{slug}", "scopes": ["audiences:write"]},
        },
        "entities": {
            "customers": {"attributes": "*", "aliases": ["users"]},
            "by_email": {"attributes": ["first_name", "audiences"], "id": "email"},
            "companies": {"attributes": "*", "collection": "accounts"},
        },
        "origins": [f"https://{slug}.example", "http://localhost:3000"],
    }


@pytest.fixture(scope="session")
def shops(server: Server) -> Iterator[Shop]:
    """Spaces of the running server that are served through GrowthLoop's API, one after the other."""
    slugs = [f"shop-{n:03}" for n in range(SHOPS)]
    file = server.folder / "shops.yaml"
    many = {slug: space(slug, {**ADMITTED, "growthloop": section(slug)}) for slug in slugs}
    many[slugs[0]]["rate_limits"] = {"growthloop": "3/minute", **ADMITTED["rate_limits"]}
    file.write_text(yaml.safe_dump({"spaces": many}))
    server.mien("apply", str(file))
    last = Shop(server, slugs[-1])
    until(lambda: last.ask("entities/customers/nobody").status_code == 404)
    numbers = count()
    return (Shop(server, slugs[n]) for n in numbers)


@pytest.fixture(scope="session")
def limited(shops: Iterator[Shop]) -> Shop:
    """The space that may ask three times a minute."""
    return next(shops)


@pytest.fixture
def shop(shops: Iterator[Shop], limited: Shop) -> Shop:
    """A space of the running Mien that no other test uses."""
    return next(shops)
