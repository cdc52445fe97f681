"""Traits as the store hands them out, and spaces as they are served, made without a store."""

from itertools import accumulate
from typing import Any

import msgspec
from msgspec import Raw

from mien.core.definition import Definition, Kind
from mien.core.space import Space
from mien.core.traits import Write
from mien.dialects.growthloop.views import Entity, view_of
from mien.store.base import Look
from mien.store.sheet import AUDIENCE, CUSTOM, TraitSheet
from tests import factories
from tests.factories import NOW


def sheet(traits: dict[str, Any], audiences: dict[str, bool] | None = None) -> TraitSheet:
    """Return a sheet of custom traits, and of audiences somebody is in or was."""
    kinds = {**dict.fromkeys(traits, CUSTOM), **dict.fromkeys(audiences or {}, AUDIENCE)}
    values = {**traits, **(audiences or {})}
    keys = sorted(values)
    members = [msgspec.json.encode({key: values[key]})[1:-1] for key in keys]
    ends = [end - 1 for end in accumulate(len(member) + 1 for member in members)]
    write = Write(NOW, (NOW - 1_577_836_800_000_000) << 12, "0123456789", "m1")
    return TraitSheet(
        text=b",".join(members),
        ends=b"".join(end.to_bytes(4, "little") for end in ends),
        places=Raw(msgspec.msgpack.encode([0] * len(keys))),
        writes=Raw(msgspec.msgpack.encode([write])),
        kinds=bytes(kinds[key] for key in keys) if audiences else b"",
    )


def found(traits: dict[str, Any], audiences: dict[str, bool] | None = None, *, profile: int = 1) -> Look:
    """Return a profile that was found."""
    return Look(profile, sheet(traits, audiences))


def defined(number: int, key: str, name: str, **fields: Any) -> Definition:
    """Return an audience."""
    given = {"number": number, "id": number, "kind": Kind.AUDIENCE, "query": "true", "created_at": 1, "updated_at": 1}
    return Definition(**{**given, "key": key, "name": name, **fields})


def space(*audiences: Definition, entities: dict[str, Any] | None = None, **section: Any) -> Space:
    """Return a space with audiences, and the entity `customers` with all traits unless told otherwise."""
    entities = entities or {"customers": {"attributes": "*", "aliases": ["users"]}}
    return factories.space(
        audiences={(one.collection, one.key): one for one in audiences},
        dialects={"growthloop": {"entities": entities, **section}},
    )


def entity(*audiences: Definition, strict: bool = False, **settings: Any) -> Entity:
    """Return the entity `customers`."""
    given = space(*audiences, entities={"customers": {"attributes": "*", **settings}}, strict=strict)
    return view_of(given).entities["customers"]
