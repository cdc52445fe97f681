"""The demo's data, replayed by the real client, against the figures it was published with."""

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest
from demo.replay import purchases, replay

from mien import clock
from mien.core.message import Identifier
from mien.services.lookup import one
from mien.services.spaces import read_catalog
from mien.store.sql import open_store
from tests.server import Server, Tenant, free_port

ROOT = Path(__file__).parents[2]
FIGURES = {"1901": (56, 6552.70), "0509": (24, 1943.58), "1981": (42, 1747.58)}


@pytest.fixture(scope="module")
def shop(server: Server) -> Tenant:
    tenant = server.next_tenant()
    server.file.write_text(
        server.file.read_text().replace(
            f"  {tenant.slug}:\n", f"  {tenant.slug}:\n    retention: {{events: never, served_events: never}}\n"
        )
    )
    server.mien("apply", str(server.file))
    seen: list[int] = []
    messages = replay(server.url, write_key=tenant.write_key, progress=seen.append)
    assert (messages, sum(seen)) == (6919 + 2 * 2357, 6919)
    return tenant


def test_the_totals_agree_with_the_published_figures(shop: Tenant) -> None:
    """6,919 purchases, 2,357 customers, 16,479 CDs, 244,091.94 dollars; read through the API."""
    spent: dict[str, list[float]] = defaultdict(list)
    cds = free = 0
    customers = {purchase.customer for purchase in purchases()}
    for customer in sorted(customers):
        for event in shop.events(f"user_id:{customer}"):
            assert event["event"] == "Order Completed"
            spent[customer].append(event["properties"]["revenue"])
            cds += event["properties"]["quantity"]
            free += event["properties"]["revenue"] == 0
    assert len(customers) == len(spent) == 2357
    assert sum(map(len, spent.values())) == 6919
    assert (cds, free) == (16_479, 8)
    assert round(sum(map(sum, spent.values())), 2) == 244_091.94
    for customer, (count, dollars) in FIGURES.items():
        assert (len(spent[customer]), round(sum(spent[customer]), 2)) == (count, dollars)
    ranking = sorted(spent, key=lambda c: -sum(spent[c]))
    assert ranking[:3] == list(FIGURES)


def test_every_customer_is_listed_once(shop: Tenant) -> None:
    listed = [row["segment_id"] for row in shop.pages("", limit=100)]
    assert len(listed) == len(set(listed)) == 2357
    assert len(shop.pages("", "accounts")) == len({f"{p.day:%Y-%m}" for p in _firsts()})


def _firsts() -> list[object]:
    first = {}
    for purchase in purchases():
        first.setdefault(purchase.customer, purchase)
    return list(first.values())


def test_a_purchase_keeps_its_day(shop: Tenant) -> None:
    [first, *_] = shop.events("user_id:0001", sort="asc")
    assert first["timestamp"] == "1997-01-01T00:00:00.000Z"
    assert first["properties"] == {"revenue": 29.33, "quantity": 2}
    assert shop.identifiers("cdnow_id:00004") == {("user_id", "0001"), ("cdnow_id", "00004")}


def test_replaying_again_changes_nothing(shop: Tenant) -> None:
    before = shop.get("user_id:1901/metadata").json()
    replay(shop.server.url, write_key=shop.write_key)
    assert shop.get("user_id:1901/metadata").json() == before
    assert len(shop.events("user_id:1901")) == 56


def _demo(folder: Path, port: int, said: str) -> str:
    """Run `python -m demo` until it said something, end it, and return all it said."""
    environment = {**os.environ, "MIEN_DEMO_FOLDER": str(folder), "MIEN_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "demo"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if said in line:
                break
        process.terminate()
    return "".join(lines)


def test_make_demo_loads_once_and_begins_at_once_the_second_time(tmp_path: Path) -> None:
    port = free_port()
    first = _demo(tmp_path, port, "Serving until Ctrl-C")
    assert "11,633 messages taken in" in first
    [curl] = re.findall(r"curl -s -u (\S+): '(\S+/user_id:1901/traits)'", first)
    assert curl == (
        "tok_demo_read_only",
        f"http://127.0.0.1:{port}/v1/spaces/demo/collections/users/profiles/user_id:1901/traits",
    )
    with open_store(f"sqlite:///{tmp_path / 'demo.db'}") as store:
        spaces = read_catalog(store).spaces
        sheet = one(store, spaces["demo"], [Identifier("users", "user_id", "1901")], now=clock.now()).sheet
    traits = {key: msgspec.json.decode(value) for key, value in sheet.members().items()}
    assert (traits["orders"], traits["spent"], traits["big_spenders"], traits["lapsed"]) == (56, 6552.7, True, True)
    assert traits["last_order"].startswith("1997-04-11T")
    second = _demo(tmp_path, port, "Serving until Ctrl-C")
    assert "The purchases are there already" in second
    with open_store(f"sqlite:///{tmp_path / 'demo.db'}") as store:
        assert len(store.recent("demo", "users", beyond=None, offset=0, limit=10_000)) == 2357


def test_the_demo_says_when_its_port_is_taken(tmp_path: Path, server: Server) -> None:
    environment = {**os.environ, "MIEN_DEMO_FOLDER": str(tmp_path), "MIEN_PORT": str(server.port)}
    command = [sys.executable, "-m", "demo"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "MIEN_PORT=8801 make demo" in done.stderr
