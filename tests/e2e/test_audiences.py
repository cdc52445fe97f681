"""Audiences and computed traits beside a running server."""

import json
import time

import httpx

from tests.server import Server, Tenant, identify, track


def _live(server: Server, tenant: Tenant) -> str:
    """Return the list of audiences once none is being prepared."""
    for _ in range(100):
        listed = server.mien("audience", "list", tenant.slug)
        if "preparing" not in listed:
            return listed
        time.sleep(0.1)
    raise AssertionError(listed)


def test_an_audience_is_tried_made_and_explained_beside_a_running_server(tenant: Tenant, server: Server) -> None:
    for n in range(4):
        tenant.send(
            identify(f"u{n}", {"plan": "pro" if n % 2 else "free"}), *(track(f"u{n}", "Order") for _ in range(n))
        )
    query = "event('Order').within(7 days).count() >= 2 AND trait('plan') = 'pro'"
    previewed = server.mien("audience", "preview", tenant.slug, query)
    assert previewed == "1 of 4 users would be in.\n  user_id:u3\n"
    assert "is defined" in server.mien("audience", "create", tenant.slug, "Loyal", "--query", query)
    assert "Loyal" in _live(server, tenant)
    time.sleep(0.6)
    assert tenant.traits("user_id:u3")["loyal"] is True
    tenant.send(track("u1", "Order", messageId="the-one"))
    assert tenant.traits("user_id:u1")["loyal"] is True
    why = server.mien("audience", "why", tenant.slug, "loyal", "user_id:u1")
    assert "by message the-one (Order of" in why
    assert "To enter" in server.mien("audience", "why", tenant.slug, "loyal", "user_id:u2")
    assert json.loads(server.mien("audience", "why", tenant.slug, "loyal", "user_id:u2", "--json"))["answer"] is False
    members = server.mien("audience", "members", tenant.slug, "loyal")
    assert "user_id:u1" in members
    assert "user_id:u3" in members
    assert "the-one" in server.mien("changes", tenant.slug)
    assert "loyal" in server.mien("audience", "history", tenant.slug, "user_id:u1")
    assert server.mien("audience", "sizes", tenant.slug, "loyal").splitlines()[-1].split()[1:] == ["2", "2", "0"]


def test_evaluating_beside_a_running_server_does_no_harm(tenant: Tenant, server: Server) -> None:
    tenant.send(*(track(f"u{n}", "Order") for n in range(50)))
    server.mien("trait", "create", tenant.slug, "Orders", "--query", "event('Order').count()")
    assert "Every profile is evaluated" in server.mien("evaluate", tenant.slug)
    time.sleep(0.6)
    assert all(tenant.traits(f"user_id:u{n}")["orders"] == 1 for n in range(50))


def test_metrics_say_how_far_it_is_and_nothing_of_people(tenant: Tenant, server: Server) -> None:
    tenant.send(track("jane@example.com", "Order"))
    server.mien("audience", "create", tenant.slug, "Any", "--query", "event('Order').within(7 days).count() >= 1")
    _live(server, tenant)
    metrics = httpx.get(f"{server.url}/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    assert 0 <= float(lines["mien_sweep_lag_seconds"]) < 5
    assert float(lines["mien_profiles_to_look_at"]) >= 0
    assert float(lines['mien_definitions{state="live"}']) >= 1
    assert "jane" not in metrics
