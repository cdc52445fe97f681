"""Replay the CDNOW sample with Segment's own client library for Python."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from segment.analytics.client import Client

DATA = Path(__file__).parent / "cdnow.txt"
WRITE_KEY = "wk_demo_shop"
CHUNK = 500


class Purchase(NamedTuple):
    """One line of the data."""

    line: int
    cohort_id: str
    customer: str
    day: datetime
    quantity: int
    revenue: float


class ReplayFailed(Exception):
    """The client library reported that it could not deliver."""


def purchases() -> Iterator[Purchase]:
    """Yield the purchases in the order of the file: by customer, then by day."""
    for line, text in enumerate(DATA.read_text("ascii").splitlines(), 1):
        cohort_id, customer, day, quantity, revenue = text.split()
        moment = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
        yield Purchase(line, cohort_id, customer, moment, int(quantity), float(revenue))


def replay(host: str, *, write_key: str = WRITE_KEY, progress: Callable[[int], None] = lambda _: None) -> int:
    """Send everything to `host` and return how many messages that were; raise ReplayFailed when one was refused.

    `progress` is called with the number of purchases sent since the last call. Message ids follow from the data, so
    sending it again changes nothing.
    """
    failures: list[Exception] = []
    client = Client(write_key, host=host, on_error=lambda error, _: failures.append(error), max_queue_size=100_000)
    known: set[str] = set()
    messages = since = 0
    for purchase in purchases():
        if purchase.customer not in known:
            known.add(purchase.customer)
            messages += _introduce(client, purchase)
        client.track(
            purchase.customer,
            "Order Completed",
            {"revenue": purchase.revenue, "quantity": purchase.quantity},
            timestamp=purchase.day,
            message_id=f"cdnow-order-{purchase.line}",
        )
        messages += 1
        since += 1
        if since == CHUNK:
            client.flush()
            progress(since)
            since = 0
    client.flush()
    client.join()
    progress(since)
    if failures:
        raise ReplayFailed(str(failures[0])) from failures[0]
    return messages


def _introduce(client: Client, first: Purchase) -> int:
    """Send who a customer is, and the account of the month of the first purchase."""
    month = f"{first.day:%Y-%m}"
    external = {"id": first.cohort_id, "type": "cdnow_id", "collection": "users", "encoding": "none"}
    client.identify(
        first.customer,
        {"cohort_id": first.cohort_id, "customer_since": f"{first.day:%Y-%m-%d}", "shop": "CDNOW"},
        context={"externalIds": [external]},
        timestamp=first.day,
        message_id=f"cdnow-identify-{first.customer}",
    )
    client.group(
        first.customer,
        f"joined-{month}",
        {"name": f"Customers since {month}"},
        timestamp=first.day,
        message_id=f"cdnow-group-{first.customer}",
    )
    return 2
