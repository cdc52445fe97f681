"""What definitions come to, recorded: every example of the reference, and those of Segment's page."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import NOW
from tests.recorded import DAY, Case, Ev, Has, check

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "definitions.md"
ORDER, PURCHASE, LOGIN, VIEW, BOUGHT = "Order Completed", "Purchase", "Login", "Product Viewed", "Shoes Bought"


def moment(micros: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat()


def order(total: Any, age: str = "1d", **more: Any) -> Ev:
    return Ev(ORDER, age, {"total": total, **more})


def buy(age: str = "1d", **properties: Any) -> Ev:
    return Ev(PURCHASE, age, properties)


REFERENCE_TRAITS = [
    Case(
        "event('Order Completed').where(property('total') >= 100).within(30 days).count()",
        [order(100), order(99), order("250"), order(500, "30d"), order(500, "29d")],
        3,
    ),
    Case(
        "event('Order Completed').sum(property('total'))", [order(0.1), order(0.1), order("0.1"), order("free")], 0.3
    ),
    Case(
        "event('Order Completed').within(90 days).avg(property('total'))", [order(1), order(2), order(9, "90d")], 1.5
    ),
    Case("event('Order Completed').min(property('total'))", [order(12), order("9.5"), order(None)], 9.5),
    Case(
        "event('Login').max(property('app_version') as string)",
        [Ev(LOGIN, "1d", {"app_version": "2.9"}), Ev(LOGIN, "2d", {"app_version": "2.10"})],
        "2.9",
    ),
    Case(
        "event('Product Viewed').mode(property('brand'), 3)",
        [Ev(VIEW, "1d", {"brand": brand}) for brand in ("Nike", "Acme", "Nike", "Acme", "Nike")],
        "Nike",
    ),
    Case(
        "event('Order Completed').first(property('coupon'))",
        [order(1, "3d"), order(1, "1d", coupon="late"), order(1, "2d", coupon="early")],
        "early",
    ),
    Case(
        "event('Page Viewed').expires_after(30 minutes).last(context('page.url'))",
        [
            Ev("Page Viewed", "20m", {}, {"page": {"url": "/a"}}),
            Ev("Page Viewed", "10m", {}, {"page": {"url": "/b"}}),
        ],
        "/b",
    ),
    Case(
        "event('Order Completed').unique(property('items.$.sku'))",
        [order(1, items=[{"sku": "b"}, {"sku": "a"}]), order(1, items=[{"sku": "b"}, {"name": "none"}])],
        ["a", "b"],
    ),
    Case(
        "event('Order Completed').sources({exclude: ['warehouse']}).unique(property('brand')).count()",
        [Ev(ORDER, "1d", {"brand": "a"}), Ev(ORDER, "1d", {"brand": "b"}, {}, "warehouse")],
        1,
    ),
    Case(
        "event('Purchase').where(timestamp() >= '2024-01-01').count()",
        [buy("1d"), Ev(PURCHASE, f"{(NOW - 1704067200000000)}us"), Ev(PURCHASE, f"{(NOW - 1704067199999999)}us")],
        2,
    ),
    Case("event('Purchase').within(2 weeks).sum(property('total'))", [buy("1d", total=5), buy("15d", total=7)], 5),
    Case("event('Purchase').within(30 days).min(property('total'))", [buy("1d", total=5), buy("40d", total=1)], 5),
    Case("event('Purchase').within(30 days).max(property('total'))", [buy("1d", total=5), buy("40d", total=9)], 5),
    Case(
        "event('Purchase').where(property('total') >= 5 AND property('total') <= 50).avg(property('total'))",
        [buy(total=5), buy(total=50), buy(total=51), buy(total=4)],
        27.5,
    ),
    Case(
        "event('Purchase').where(property('code').matches('SPRING-??')).mode(property('category'), 1)",
        [
            buy(code="SPRING-24", category="b"),
            buy(code="SPRING-24", category="a"),
            buy(code="SPRING-4", category="c"),
        ],
        "a",
    ),
    Case(
        "event('Purchase').where(property('category').one_of('shoes', 'shirts'))"
        ".unique(property('category')).count()",
        [buy(category="shoes"), buy(category="shirts"), buy(category="shoes"), buy(category="hats")],
        2,
    ),
    Case(
        "event('Purchase').where(property('note').exists() AND NOT property('note') = '').first(property('note'))",
        [buy("3d"), buy("2d", note=""), buy("1d", note="hello")],
        "hello",
    ),
    Case(
        "event('Purchase').where(property('note').omits('test')).last(property('note'))",
        [buy("2d", note="good"), buy("1d", note="a test")],
        "good",
    ),
    Case(
        "event('Purchase').first(timestamp())",
        [Ev(PURCHASE, f"{NOW - 1704067200000001}us")],
        "2024-01-01T00:00:00.000001Z",
    ),
    Case(
        "event('Purchase')"
        ".where(property('due').after_date('2024-01-01') AND property('due').before_date('2024-02-01'))"
        ".last(timestamp())",
        [Ev(PURCHASE, f"{NOW - 1704067200000000}us", {"due": "2024-01-31"}), buy("1d", due="2024-01-01")],
        "2024-01-01T00:00:00.000000Z",
    ),
    Case(
        "event('Purchase').within(60 days).unique(property('category'))",
        [buy("1d", category="b"), buy("2d", category="a"), buy("61d", category="c")],
        ["a", "b"],
    ),
]

REFERENCE_AUDIENCES = [
    Case("event('Order Completed').count() >= 1", [order(1, "900d")], True),
    Case(
        "event('Order Completed').where(property('total') > 100).within(7 days).count() = 2",
        [order(101, "1d"), order(200, "6d"), order(100), order(300, "7d")],
        True,
    ),
    Case(
        "event('Order Completed').between(30 days, 60 days).count() > 0"
        " AND event('Order Completed').within(30 days).count() = 0",
        [order(1, "30d"), order(1, "60d")],
        True,
    ),
    Case("NOT event('Login').within(14 days).count() >= 1", [Ev(LOGIN, "14d"), Ev(LOGIN, "15d")], True),
    Case(
        "trait('plan') = 'pro' OR trait('address.country').one_of('FR', 'BE', 'LU')",
        [Has({"plan": "free", "address": {"country": "BE"}})],
        True,
    ),
    Case(
        "trait('total_spend') > 200 AND trait('email').ends_with('@example.com')",
        [Has({"total_spend": "200.5", "email": "a@example.com"})],
        True,
    ),
    Case("trait('big_spenders') = true AND NOT trait('churned') = true", [Has({"big_spenders": True})], True),
    Case(
        "trait('trial_ends_at').within_next(3 days) AND trait('created_at').before_last(1 week)",
        [Has({"trial_ends_at": moment(NOW + 3 * DAY), "created_at": moment(NOW - 7 * DAY)})],
        True,
    ),
    Case(
        "event('Product Added').where( event('Order Completed').within(parent: 1 day).count() = 0 )"
        ".within(7 days).count() >= 1",
        [Ev("Product Added", "3d"), order(1, "3d-1d-1us"), order(1, "3d+1us"), order(1, "1d")],
        True,
    ),
    Case(
        "event('Shoes Bought').where( event('Shoes Returned').where(property('sku') = property(parent: 'sku'))"
        ".within(parent: 5 days).count() >= 1 ).within(30 days).count() >= 1",
        [Ev("Shoes Bought", "9d", {"sku": 7}), Ev("Shoes Returned", "4d", {"sku": "7"})],
        True,
    ),
    Case(
        "event('Order Completed').where(property('total') >= trait('avg_spend')).count() >= 1",
        [Has({"avg_spend": 50}), order(49), order(50)],
        True,
    ),
    Case(
        "event('Order Completed').max(property('total')) > event('Order Completed').avg(property('total'))",
        [order(1), order(2)],
        True,
    ),
    Case(
        "trait('industry') = 'Technology' AND ANY event('Order Completed').within(30 days).count() >= 1",
        [Has({"industry": "Technology"})],
        True,
        users=[[order(1, "30d")], [order(1, "29d")]],
    ),
    Case(
        "ALL (trait('plan') = 'pro' AND event('Login').count() > 0)",
        [],
        True,
        users=[[Has({"plan": "pro"}), Ev(LOGIN)], [Has({"plan": "pro"}), Ev(LOGIN, "2d"), Ev(LOGIN)]],
    ),
    Case("NOT ANY event('Shoes Bought').count() >= 1", [], True, users=[[order(1)], []]),
]

SEGMENT = [
    Case(
        "event('Shoes Bought') .where(property('price') >= 100) .within(7 days) .count() >= 1",
        [Ev(BOUGHT, "6d", {"price": 100})],
        True,
    ),
    Case(
        "event('Shoes Bought').where( property('price') >= 100 ).within(7 days).count() >= 1",
        [Ev(BOUGHT, "7d", {"price": 100}), Ev(BOUGHT, "1d", {"price": 99.99})],
        False,
    ),
    Case(
        "event('Shoes Bought').within(30 days).avg(property('spend'))",
        [Ev(BOUGHT, "1d", {"spend": 10}), Ev(BOUGHT, "2d", {"spend": 15}), Ev(BOUGHT, "3d")],
        12.5,
    ),
    Case(
        "event('Shoes Bought').within(30 days).mode(property('spend'), 2)",
        [Ev(BOUGHT, "1d", {"spend": 10}), Ev(BOUGHT, "2d", {"spend": 10}), Ev(BOUGHT, "3d", {"spend": 9})],
        "10",
    ),
    Case(
        "NOT ( event('Shoes Bought').count() >= 1 AND trait('total_spend') > 200 )",
        [Ev(BOUGHT), Has({"total_spend": 200})],
        True,
    ),
    Case("ANY event('Shoes Bought').count() >= 1", [], True, users=[[], [Ev(BOUGHT)]]),
    Case("ANY event('Shoes Bought').count() >= 1", [], False, users=[[], []]),
]

CASES = [*REFERENCE_TRAITS, *REFERENCE_AUDIENCES, *SEGMENT]


@pytest.mark.parametrize("case", CASES, ids=lambda case: _words(case.query)[:80])
def test_an_example_comes_to_what_is_recorded(case: Case) -> None:
    check(case)


def test_every_example_of_the_reference_is_recorded() -> None:
    blocks = re.findall(r"```query\n(.*?)```", REFERENCE.read_text("utf-8"), re.DOTALL)
    examples = {_words(example) for block in blocks for example in block.split("\n\n")}
    assert examples - {_words(case.query) for case in CASES} == set()


def _words(query: str) -> str:
    return re.sub(r"\s+", "", query)
