"""Computed traits and audiences of a running Mien, through Segment's Profile API."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mien.services.spaces import read_catalog
from mien.store.sql import open_store
from tests.server import Server, Tenant, running, space

SHOP = {
    "computed_traits": {
        "orders": {"query": "event('Ordered').count()"},
        "spent_1d": {"query": "event('Ordered').within(1 day).sum(property('price'))"},
    },
    "audiences": {
        "buyers": {"query": "event('Ordered').count() >= 2"},
        "busy": {"query": "event('Ordered').within(1 day).count() >= 1"},
    },
}


def ordered(price: object = 10, *, ago: float = 0, user: str = "u1") -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return {
        "type": "track",
        "event": "Ordered",
        "userId": user,
        "properties": {"price": price},
        "timestamp": at.isoformat(),
    }


def awaited(answer: Callable[[], object], wanted: object, *, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while (found := answer()) != wanted:
        assert time.monotonic() < until, found
        time.sleep(0.05)


def state(tenant: Tenant) -> set[str]:
    """Return how far the definitions of a tenant's space are."""
    with open_store(tenant.server.store) as store:
        return {str(r.definition.state) for r in store.definitions() if r.space == tenant.slug}


@pytest.fixture
def shop(tenant: Tenant) -> Tenant:
    """A space with definitions, which the running Mien has heard of."""
    tenant.define(SHOP)
    tenant.send(ordered(user="probe"))
    awaited(lambda: "orders" in tenant.traits("user_id:probe"), True)
    return tenant


def test_an_event_counts_the_moment_it_is_acknowledged(shop: Tenant) -> None:
    for n in range(1, 6):
        shop.send(ordered(0.1))
        traits = shop.traits("user_id:u1")
        assert traits == {
            "busy": True,
            "orders": n,
            "spent_1d": n / 10,
            **({"buyers": True} if n >= 2 else {}),
        }


def test_classes_and_verbose(shop: Tenant) -> None:
    shop.send({"type": "identify", "userId": "u1", "traits": {"orders": "mine", "plan": "pro"}}, ordered(5))
    assert shop.traits("user_id:u1", **{"class": "audience"}) == {"busy": True}
    assert shop.traits("user_id:u1", **{"class": "computed_trait"}) == {"orders": 1, "spent_1d": 5}
    assert shop.traits("user_id:u1", **{"class": "computed_trait", "include": "orders,plan"}) == {"orders": 1}
    verbose = shop.traits("user_id:u1", verbose="true")
    assert {key: (value["value"], value["source_id"]) for key, value in verbose.items() if key != "plan"} == {
        "busy": (True, "aud_busy"),
        "orders": (1, "tra_orders"),
        "spent_1d": (5, "tra_spent_1d"),
    }
    assert verbose["plan"]["source_id"] != verbose["orders"]["source_id"]
    assert verbose["busy"]["updated_at"].startswith(str(datetime.now(UTC).year))
    pages = [shop.get("user_id:u1/traits", limit=1, next=key).json()["traits"] for key in ("", "orders", "plan")]
    assert pages == [{"busy": True}, {"orders": 1}, {"plan": "pro"}]


def test_a_window_empties_at_its_instant_with_nobody_there(shop: Tenant) -> None:
    day = 86_400
    shop.send(ordered(5, ago=day - 2), ordered(7, ago=day - 60))
    before = time.monotonic()
    assert shop.traits("user_id:u1")["spent_1d"] == 12
    while (spent := shop.traits("user_id:u1")["spent_1d"]) == 12:
        assert time.monotonic() - before < 5
    assert spent == 7
    shop.send(ordered(user="u2", ago=day - 1))
    assert shop.traits("user_id:u2")["busy"] is True
    awaited(lambda: busy(shop), {"probe", "u1"})


def busy(tenant: Tenant) -> set[str]:
    """Return who is in the audience `busy` by its list."""
    with open_store(tenant.server.store) as store:
        found = read_catalog(store).spaces[tenant.slug].audiences["users", "busy"]
        members = store.members(tenant.slug, found.number, beyond=0, limit=99)
        return {row.value for member in members for row in store.identifiers(member.profile)}


def test_definitions_that_come_later_are_evaluated_for_everybody(tenant: Tenant) -> None:
    tenant.send(*(ordered(n, user=f"u{n}") for n in range(50)))
    tenant.define({"audiences": {"rich": {"query": "event('Ordered').sum(property('price')) >= 25"}}})
    awaited(lambda: tenant.traits("user_id:u49"), {"rich": True})
    assert tenant.traits("user_id:u3") == {}
    tenant.define({"audiences": {"rich": {"query": "event('Ordered').sum(property('price')) < 25"}}})
    awaited(lambda: tenant.traits("user_id:u3"), {"rich": True})
    awaited(lambda: tenant.traits("user_id:u49"), {})
    awaited(lambda: state(tenant), {"live"})


def test_preparing_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    with running(tmp_path, acme=space("acme", {"rate_limits": {"segment": "unlimited"}})) as server:
        tenant = Tenant(server, "acme")
        for first in range(0, 3000, 500):
            tenant.send(*(ordered(user=f"u{n}") for n in range(first, first + 500)))
        tenant.define({"computed_traits": {"n": {"query": "event('Ordered').count()"}}})
        server.kill()
        Server.start(server)
        awaited(lambda: state(tenant), {"live"}, seconds=30)
        awaited(lambda: tenant.traits("user_id:u2999"), {"n": 1})
        assert tenant.traits("user_id:u0") == {"n": 1}
