"""Unmodified client libraries, through their whole surface."""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from segment.analytics.client import Client

from tests.server import Tenant

PLACE = Path(__file__).parent
YESTERDAY = datetime.now(UTC).replace(microsecond=123000) - timedelta(days=1)


@pytest.mark.parametrize("gzip", [False, True])
def test_segment_analytics_python(tenant: Tenant, gzip: bool) -> None:
    failures: list[Any] = []
    client = Client(
        tenant.write_key,
        host=tenant.server.url,
        gzip=gzip,
        on_error=lambda *args: failures.append(args),
        upload_size=7,
    )
    client.identify("u1", {"plan": "free", "email": "U1@example.test", "age": 33}, anonymous_id="a1")
    client.identify("u1", {"plan": "pro"})
    client.identify("u1", {"plan": "old", "first": True}, timestamp=YESTERDAY)
    client.track(
        "u1",
        "Order Completed",
        {"revenue": 12.5, "items": [{"sku": "A"}]},
        {"ip": "192.0.2.1"},
        timestamp=YESTERDAY,
        message_id="order-1",
    )
    client.track("u1", "Order Completed", message_id="order-1")
    client.page("u1", "Docs", "API", {"path": "/docs"})
    client.screen("u1", None, "Home", {"path": "/home"})
    client.group("u1", "g1", {"name": "Acme", "seats": 5})
    client.alias("a9", "u1")
    for n in range(30):
        client.track(f"many-{n}", "Seen", {"n": n})
    client.flush()
    client.join()
    assert failures == []
    assert tenant.traits("user_id:u1") == {"age": 33, "email": "U1@example.test", "first": True, "plan": "pro"}
    assert tenant.identifiers("user_id:u1") == {
        ("user_id", "u1"),
        ("anonymous_id", "a1"),
        ("email", "u1@example.test"),
    }
    events = {event["event"]: event for event in tenant.events("anonymous_id:a1")}
    assert events.keys() == {"Order Completed", "Page Viewed", "Screen Viewed"}
    order = events["Order Completed"]
    assert (order["message_id"], order["properties"]) == ("order-1", {"revenue": 12.5, "items": [{"sku": "A"}]})
    assert datetime.fromisoformat(order["timestamp"]) == YESTERDAY
    assert order["context"]["ip"] == "192.0.2.1"
    assert order["context"]["library"]["name"] == "analytics-python"
    assert events["Page Viewed"]["properties"] == {
        "path": "/docs",
        "name": "API",
        "page_name": "API",
        "category": "Docs",
    }
    assert tenant.traits("group_id:g1", "accounts") == {"name": "Acme", "seats": 5}
    assert tenant.pages("user_id:u1/links")[0]["external_ids"][0]["id"] == "g1"
    assert [tenant.events(f"user_id:many-{n}")[0]["properties"] for n in range(30)] == [{"n": n} for n in range(30)]


def test_segment_analytics_python_gives_up_on_what_it_should(tenant: Tenant) -> None:
    """A batch of which one message is too large: told once, the rest is there, nothing is sent again."""
    failures: list[Any] = []
    client = Client(
        tenant.write_key, host=tenant.server.url, on_error=lambda *args: failures.append(args), max_retries=2
    )
    client.track("u1", "Small")
    client.flush()
    client.join()
    assert failures == []
    assert [event["event"] for event in tenant.events("user_id:u1")] == ["Small"]


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Install the Node client where Node is present; a failure to install is a failure."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node is not present: the Node client was not tested")
    folder = PLACE / "node"
    if not (folder / "node_modules" / "@segment" / "analytics-node").exists():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    return folder


def test_segment_analytics_node(tenant: Tenant, node_modules: Path) -> None:
    environment = {**os.environ, "WRITE_KEY": tenant.write_key, "HOST": tenant.server.url}
    done = subprocess.run(
        ["node", "client.mjs"],
        cwd=node_modules,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"errors": []}
    assert tenant.traits("user_id:u1") == {"email": "U1@example.test", "plan": "pro", "nested": {"a": [1, 2]}}
    assert tenant.identifiers("user_id:u1") == {
        ("user_id", "u1"),
        ("anonymous_id", "a1"),
        ("email", "u1@example.test"),
    }
    events = tenant.events("user_id:u1")
    names = {event["event"] for event in events}
    assert names == {"Order Completed", "Page Viewed", "Screen Viewed", "Many"}
    assert sorted(event["properties"]["n"] for event in events if event["event"] == "Many") == list(range(60))
    order = next(event for event in events if event["event"] == "Order Completed")
    assert (order["message_id"], order["timestamp"]) == ("order-1", "2026-11-20T10:00:00.000Z") or order["properties"]
    assert tenant.traits("group_id:g1", "accounts") == {"name": "Acme"}
