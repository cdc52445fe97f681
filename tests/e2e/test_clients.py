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


def test_segment_analytics_python_is_told_once_of_a_message_that_cannot_be(tenant: Tenant) -> None:
    """Nested too deep: the client reports the 400, does not send it again, and the rest of the batch is there."""
    failures: list[Any] = []
    client = Client(tenant.write_key, host=tenant.server.url, on_error=lambda *args: failures.append(args))
    deep: Any = "x"
    for _ in range(150):
        deep = [deep]
    client.track("u1", "Sound")
    client.track("u1", "Deep", {"deep": deep})
    client.track("u1", "Sound")
    client.flush()
    client.join()
    assert len(failures) == 1
    assert "1 of 3 messages" in str(failures[0][0])
    assert [event["event"] for event in tenant.events("user_id:u1")] == ["Sound", "Sound"]


def _node(folder: str, package: str) -> Path:
    """Install what a folder of ours needs where Node is present; a failure to install is a failure."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip(f"Node is not present: {package} was not tested")
    place = PLACE / folder
    if not (place / "node_modules" / package).exists():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=place, check=True)
    return place


def _run(place: Path, program: str, tenant: Tenant, **environment: str) -> Any:
    """Run a program of Node's and return the JSON it prints."""
    given = {**os.environ, "WRITE_KEY": tenant.write_key, "HOST": tenant.server.url, **environment}
    done = subprocess.run(
        ["node", program], cwd=place, env=given, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_segment_analytics_node(tenant: Tenant) -> None:
    place = _node("node", "@segment/analytics-node")
    assert _run(place, "client.mjs", tenant) == {"errors": []}
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
    assert (order["message_id"], order["properties"]) == ("order-1", {"revenue": 12.5})
    assert tenant.traits("group_id:g1", "accounts") == {"name": "Acme"}


@pytest.mark.parametrize("batching", [False, True])
def test_analytics_js_in_a_real_browser(tenant: Tenant, batching: bool) -> None:
    """From a page of another origin: it fetches the settings, asks leave (preflight), and sends."""
    place = _node("browser", "@segment/analytics-next")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("No Chromium is present: analytics.js was not tested in a browser")
    if not (place / "build" / "page.js").exists():
        subprocess.run(["npm", "run", "--silent", "build"], cwd=place, check=True)
    told = _run(place, "run.mjs", tenant, CHROMIUM=chromium, BATCHING=str(int(batching)))
    routes = ["b"] if batching else ["i", "t", "p", "g"]
    assert f"200 GET /v1/projects/{tenant.write_key}/settings" in told["answers"]
    assert {f"200 POST /v1/{route}" for route in routes} <= set(told["answers"])
    assert all(answer.startswith("200 ") for answer in told["answers"])
    assert tenant.traits("user_id:u1") == {"email": "U1@example.test", "plan": "pro"}
    assert ("anonymous_id", told["anonymousId"]) in tenant.identifiers("user_id:u1")
    events = {event["event"]: event["properties"] for event in tenant.events("user_id:u1")}
    assert events["Clicked"] == {"n": 1, "broken": "half \ufffd"}
    assert events["Page Viewed"]["page_name"] == "Home"
    assert tenant.traits("group_id:g1", "accounts") == {"name": "Acme"}
