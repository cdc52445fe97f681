"""Trait values, and which write wins.

The latest write by the timestamp in the data wins; between equal timestamps, the one received later. A removed
trait stays as a tombstone, so that an older value which arrives late does not bring it back.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

MIB = 1 << 20
REMOVED = b""
"""The value of a tombstone."""
CONSENT = "segment_consent_preference"
"""Traits whose key begins so hold what somebody consented to: they are kept, and not for readers who did not ask."""


class Write(NamedTuple):
    """The message that set a value. Writes compare in the order in which they win."""

    timestamp: int
    order: int
    source: str
    message: str


class Trait(NamedTuple):
    """The JSON text of a value, or REMOVED, and the write that set it."""

    value: bytes
    write: Write


Traits = Mapping[str, Trait]


def settle(
    traits: Traits, changes: Mapping[str, bytes], write: Write, *, limit: int, limit_bytes: int = MIB
) -> tuple[dict[str, Trait], Sequence[str]]:
    """Return the traits after one write, and the keys that were refused.

    `null` removes a trait. Beyond `limit` traits a new one is refused, and those that exist go on changing; the same
    holds for the tombstones by themselves. Nothing may make keys and values longer than `limit_bytes` together.
    """
    settled = dict(traits.items())  # what lies behind a Mapping is unpacked once
    size = sum(map(len, settled)) + sum([len(value) for value, _ in settled.values()])
    refused = []
    for key, text in changes.items():
        value = REMOVED if text == b"null" else text
        have = settled.get(key)
        if have is not None and have.write > write:
            continue
        growth = len(value) - len(have.value) if have is not None else len(key) + len(value)
        if (growth > 0 and size + growth > limit_bytes) or not _has_room(settled, have, value, limit):
            refused.append(key)
            continue
        size += growth
        settled[key] = Trait(value, write)
    return settled, refused


def _has_room(traits: Traits, have: Trait | None, value: bytes, limit: int) -> bool:
    """Say whether one more trait, or tombstone, may join those there are."""
    if have is not None and bool(have.value) == bool(value):
        return True
    return sum(bool(trait.value) == bool(value) for trait in traits.values()) < limit


def combine(ours: Traits, theirs: Traits) -> dict[str, Trait]:
    """Return the traits of two profiles as one: for each key the write that wins."""
    both = dict(ours)
    for key, trait in theirs.items():
        have = both.get(key)
        if have is None or have.write < trait.write:
            both[key] = trait
    return both
