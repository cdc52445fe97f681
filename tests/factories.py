"""Messages and spaces that are valid by default."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec

from mien.core.fold import Policy
from mien.core.message import USERS, Identifier, Kind, Message, Submission, order_of
from mien.core.presets import preset
from mien.core.space import Space
from mien.services.ingest import Receipt, settle
from mien.services.spaces import apply, read_catalog
from mien.store.base import Store
from mien.store.sheet import TraitSheet

NOW = 1_795_000_000_000_000
"""Microseconds since 1970: in November 2026."""
_serial = count()


def user(kind: str, value: str) -> Identifier:
    """Return an identifier of a user."""
    return Identifier(USERS, kind, value)


def message(*identifiers: Identifier, **fields: Any) -> Message:
    """Return an identify, or with `event` a track, that was received when it happened unless told otherwise."""
    serial = next(_serial)
    at = fields.pop("at", NOW)
    given = {
        "space": "acme",
        "source": "web",
        "id": f"message-{serial}",
        "kind": Kind.TRACK if "event" in fields else Kind.IDENTIFY,
        "timestamp": at,
        "order": order_of(NOW + serial),
        "identifiers": identifiers or (user("user_id", "u1"),),
    }
    traits = {key: msgspec.json.encode(value) for key, value in fields.pop("traits", {}).items()}
    return Message(**{**given, "traits": traits, **fields})


def space(**fields: Any) -> Space:
    """Return the space `acme` with Segment's rules."""
    return Space(**{"slug": "acme", "name": "Acme", "policy": Policy(rules=preset("segment")), **fields})


def ids() -> Iterator[int]:
    """Return ids for new profiles."""
    return count(order_of(NOW))


_ids = ids()


def defined(store: Store, definitions: str) -> Space:
    """Apply computed traits and audiences to the space `acme`, as YAML flow mappings; return it as it is then."""
    apply(store, f"spaces: {{acme: {definitions}}}", (), {}, now=NOW)
    return read_catalog(store).spaces["acme"]


def sheet_of(store: Store, profile: int | Identifier | None) -> TraitSheet | None:
    """Return the stored traits of a profile of the space `acme`, by its id or by a name."""
    if isinstance(profile, Identifier):
        look = store.look("acme", profile)
    else:
        look = store.looks([profile]).get(profile) if profile is not None else None
    return None if look is None else look.sheet


def take_in(store: Store, *messages: Message, tenant: Space | None = None, now: int = NOW) -> Receipt:
    """Take messages in as one batch."""
    found = tenant or space()
    return settle(store, [Submission(messages)], {found.slug: found}, now=now, ids=_ids)
