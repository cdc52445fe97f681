"""Space: one tenant's customers, and the settings under which their profiles are kept."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from mien.core.definition import Definition
from mien.core.fold import Policy

DAY = 86_400_000_000
"""Microseconds."""


class SourceKind(StrEnum):
    """Where data comes from."""

    SDK = "sdk"
    SERVER = "server"
    CUSTOM_FEED = "custom_feed"
    CSV = "csv"
    PARTNER_FEED = "partner_feed"
    WAREHOUSE = "warehouse"


class Source(Struct, frozen=True, kw_only=True):
    """A place data comes from. `digest` is the hash of its key; `id` is what profiles show of it."""

    space: str
    name: str
    id: str
    kind: SourceKind
    digest: bytes
    created_at: int
    revoked_at: int | None = None


class Credential(Struct, frozen=True, kw_only=True):
    """A secret that opens one dialect of one space. `digest` is the hash of the secret."""

    space: str
    dialect: str
    name: str
    digest: bytes
    created_at: int
    revoked_at: int | None = None


class Retention(Struct, frozen=True, kw_only=True):
    """How long things are kept, in microseconds; None is for ever.

    `events`: messages, since the later of their timestamp and their receipt. `served_events`: the window in which
    a dialect shows events, by their timestamp. `profiles`: since the last message. `changes`: notes of what changed
    for readers. `memberships`: those that ended, since then.
    """

    events: int | None = 14 * DAY
    served_events: int | None = 14 * DAY
    profiles: int | None = None
    changes: int | None = 14 * DAY
    memberships: int | None = 365 * DAY


class Space(Struct, frozen=True, kw_only=True):
    """One tenant. `dialects` holds what each vendor's package asked to be kept for this space.

    `audiences` are those that are live, by collection and key.
    """

    slug: str
    name: str
    policy: Policy = Policy()
    retention: Retention = Retention()
    rate_limits: Mapping[str, str | None] = {}
    dialects: Mapping[str, Mapping[str, Any]] = {}
    audiences: Mapping[tuple[str, str], Definition] = {}

    def is_over(self, last_seen: int, *, now: int) -> bool:
        """Say whether the time of a profile last touched at `last_seen` is over."""
        expires_at = self.expires_at(last_seen)
        return expires_at is not None and expires_at < now

    def expires_at(self, last_seen: int) -> int | None:
        """Return when a profile last touched at `last_seen` expires, or None."""
        return None if self.retention.profiles is None else last_seen + self.retention.profiles
