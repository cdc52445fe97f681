"""The demo's data, replayed by the real client, against the figures it was published with."""

from collections import defaultdict

import pytest
from demo.replay import purchases, replay

from tests.server import Server, Tenant

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
