"""Definition: a computed trait or an audience, as its space defines it."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from mien.core.message import USERS

KEY = re.compile(r"[a-z0-9][a-z0-9_]{0,99}")
"""A key: what a name becomes in snake case."""


class Kind(StrEnum):
    """What is defined. The words are those of Segment's `class` (seed)."""

    COMPUTED_TRAIT = "computed_trait"
    AUDIENCE = "audience"


class Control(StrEnum):
    """What a dialect tells of an audience about somebody in its control group."""

    HIDE = "hide"
    SHOW = "show"
    SHOW_WITH_GROUP = "show_with_group"


class State(StrEnum):
    """How far a definition is."""

    PREPARING = "preparing"
    """Existing profiles are being evaluated; readers see what was before, or nothing."""
    LIVE = "live"
    """Every profile is evaluated."""
    DISABLED = "disabled"
    """Nothing is computed and nothing answered."""
    RETIRED = "retired"
    """Another took its place, or it was removed; what is kept under its number goes."""


class Definition(Struct, frozen=True, kw_only=True):
    """A computed trait or an audience. Times are microseconds since 1970.

    `number` is unique in its space, and grows: a query that changes is a new number under the same key, and the old
    one stays live until the new one is. `attributes` are an audience's free data; a value `{"trait": KEY}` is that
    trait of whoever is asked about. `control` percent of the profiles are its control group.
    """

    number: int
    kind: Kind
    key: str
    name: str
    collection: str = USERS
    query: str
    enabled: bool = True
    description: str = ""
    state: State = State.PREPARING
    id: int = 0
    """The numeric id of an audience, unique in its space; 0 for a computed trait."""
    attributes: Mapping[str, Any] = {}
    expires_at: int | None = None
    anonymous: bool = False
    """Whether users may enter of whom nothing is known but where they browse."""
    control: int = 0
    control_shows: Control = Control.HIDE
    created_at: int
    updated_at: int


def key_of(name: str) -> str:
    """Return the key a name becomes: snake case, Latin letters and digits only; empty when nothing is left."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return "_".join(re.findall(r"[a-z0-9]+", apart.lower()))[:100].rstrip("_")
