"""Activity: per event name how often it happened, and when first and last.

Combining is commutative and associative, so neither the order of arrival nor the order of merges matters.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Activity(NamedTuple):
    """How often an event happened and when; times in microseconds since 1970."""

    times: int
    first: int
    last: int


def count(activity: Mapping[str, Activity], event: str, at: int) -> dict[str, Activity]:
    """Return the activity with one more occurrence of `event`."""
    return combine(activity, {event: Activity(1, at, at)})


def combine(ours: Mapping[str, Activity], theirs: Mapping[str, Activity]) -> dict[str, Activity]:
    """Return the activity of two profiles as one."""
    both = dict(ours)
    for event, more in theirs.items():
        have = both.get(event)
        both[event] = (
            more
            if have is None
            else Activity(have.times + more.times, min(have.first, more.first), max(have.last, more.last))
        )
    return both
