"""What computed traits and audiences cost: taking messages in, reading, preparing new ones, and time that passes."""

from benchmarks.dataset import EVENTS

REDUCERS = (
    "count()",
    "sum(property('revenue'))",
    "avg(property('revenue'))",
    "max(property('revenue'))",
    "last(property('sku'))",
    "unique(property('sku'))",
)


def forty() -> str:
    """Return 20 computed traits and 20 audiences as YAML, half of them windowed, that the events of the data feed."""
    traits = [
        f"      computed_{n:02}: {{query: \"event('{EVENTS[n % 10]}'){_window(n)}.{REDUCERS[n % len(REDUCERS)]}\"}}"
        for n in range(20)
    ]
    audiences = [
        f"      audience_{n:02}: {{query: \"event('{EVENTS[n % 10]}'){_window(n)}.{_test(n)}\"}}" for n in range(20)
    ]
    return "\n".join(["    computed_traits:", *traits, "    audiences:", *audiences]) + "\n"


def _window(n: int) -> str:
    return f".within({7 + n} days)" if n // 10 % 2 else ""


def _test(n: int) -> str:
    return (
        f"count() >= {1 + n % 3}"
        if n % 2
        else f"where(property('revenue') >= 10).sum(property('revenue')) >= {10 * n}"
    )
