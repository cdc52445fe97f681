"""Spaces with computed traits and audiences."""

from typing import Any

import msgspec
import yaml

from mien.app import SECTIONS
from mien.core.message import Identifier, Message
from mien.core.space import Space
from mien.services.preparation import advance
from mien.services.spaces import apply, read_catalog
from mien.services.sweep import sweep
from mien.store.base import Store
from tests.factories import NOW, message, user

U1 = user("user_id", "u1")


def defining(store: Store, *, now: int = NOW, ready: bool = True, **sections: Any) -> Space:
    """Return the space `acme` with these computed traits and audiences; a text is the query of one."""
    given = {
        section: {key: {"query": body} if isinstance(body, str) else body for key, body in definitions.items()}
        for section, definitions in sections.items()
    }
    apply(store, yaml.safe_dump({"spaces": {"acme": given}}), SECTIONS, {}, now=now)
    spaces = read_catalog(store).spaces
    while ready and (advance(store, spaces, now=now) or sweep(store, spaces, now=now).profiles):
        spaces = read_catalog(store).spaces
    return read_catalog(store).spaces["acme"]


def order(at: int = NOW, *identifiers: Identifier, revenue: Any = 10, **fields: Any) -> Message:
    """Return an order."""
    body = msgspec.json.encode({"revenue": revenue})
    return message(*(identifiers or (U1,)), event="Order", at=at, properties=body, **fields)
