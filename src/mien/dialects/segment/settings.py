"""What Segment keeps in a space."""

from msgspec import Struct

from mien.core.space import Space
from mien.services.spaces import Section

DIALECT = "segment"
RATE = "100/second"
"""Requests of the Profile API a space may make, unless it says otherwise (seed)."""


class SegmentSection(Struct, forbid_unknown_fields=True):
    """The section `segment:` of a space. `space_id` is what stands in the Profile API's paths."""

    space_id: str | None = None
    tokens: dict[str, str] = {}


SECTION = Section(dialect=DIALECT, fields=SegmentSection, secrets="tokens", unique="space_id")


def space_id(space: Space) -> str:
    """Return the id under which Segment's clients know a space: its own name unless it was given another."""
    given: str = space.dialects.get(DIALECT, {}).get("space_id", space.slug)
    return given
