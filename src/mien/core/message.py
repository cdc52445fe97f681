"""Message: one thing a source reported, already clean.

A dialect's `parse` makes messages out of its vendor's bodies. Past that door nothing is checked again.
"""

import hashlib
import re
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

USERS = "users"
ACCOUNTS = "accounts"
COLLECTION = re.compile(r"[a-z0-9_-]{1,64}")
"""A name of a collection; whoever uses one first makes it."""
TYPE = re.compile(r"[a-z0-9_.]{1,100}")
"""A type of identifier."""

ORDER_EPOCH = 1_577_836_800_000_000
"""2020-01-01T00:00:00Z in microseconds: where `order` and profile ids begin to count."""

ORDER_BITS = 12
"""How many low bits of an order are left for the place within one request (4,096 places)."""


def order_of(received_at: int, position: int = 0) -> int:
    """Return the place in the order of receipt, as one 63-bit number that sorts by time, then by position.

    `received_at` is in microseconds since 1970 and counts from 2020 on; `position` is below 4,096.
    """
    return (max(received_at - ORDER_EPOCH, 0) << ORDER_BITS) | position


def received_at_of(order: int) -> int:
    """Return the microseconds since 1970 at which something with this order was received."""
    return (order >> ORDER_BITS) + ORDER_EPOCH


class Kind(StrEnum):
    """What a message does to a profile."""

    IDENTIFY = "identify"
    """Sets traits."""
    TRACK = "track"
    """Reports an event."""
    PAGE = "page"
    """Reports an event: a page was seen."""
    SCREEN = "screen"
    """Reports an event: a screen was seen."""
    GROUP = "group"
    """Sets an account's traits and links the user to it."""
    ALIAS = "alias"
    """Is kept with a profile that exists already, and changes nothing else."""
    LOGOUT = "logout"
    """Names whom a device belongs to from now on."""


class Identifier(NamedTuple):
    """A name of a profile: unique within its space and collection."""

    collection: str
    type: str
    value: str


def identifier_key(space: str, identifier: Identifier) -> bytes:
    """Return the 16 bytes under which the owner of an identifier is found."""
    # The value stands last: the other parts hold no NUL, so two identifiers never make the same text.
    text = f"{space}\0{identifier[0]}\0{identifier[1]}\0{identifier[2]}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


class Message(Struct, frozen=True, array_like=True, gc=False):
    """One thing a source reported.

    Times are microseconds since 1970, UTC. `order` is the place in the order of receipt. `traits` maps a key to
    the JSON text of its value (`null` removes the trait) and describes the profile of the collection `subject`.
    `properties` and `context` are the JSON text of one object each.
    """

    space: str
    source: str
    id: str
    kind: Kind
    timestamp: int
    order: int
    identifiers: tuple[Identifier, ...]
    subject: str = USERS
    traits: dict[str, bytes] = {}
    event: str | None = None
    properties: bytes = b"{}"
    context: bytes = b"{}"

    @property
    def received_at(self) -> int:
        """When it was received, in microseconds since 1970."""
        return received_at_of(self.order)


class Discard(Struct, frozen=True, array_like=True, gc=False):
    """What was not taken in, or only in part, and why. It never holds personal data.

    `reason` is a word an operator can look up; `detail` says more in a sentence. `message` may be empty where
    the message had no id of its own.
    """

    space: str
    source: str
    message: str
    kind: str
    reason: str
    detail: str
    received_at: int


class Submission(Struct, frozen=True, array_like=True, gc=False):
    """What one request brought: the messages to take in and the discards to record."""

    messages: tuple[Message, ...] = ()
    discards: tuple[Discard, ...] = ()
