"""Who of an audience is left alone: its control group, by which one learns what speaking to the others was worth."""

from enum import StrEnum
from hashlib import blake2b

from mien.core.definition import Control, Definition


class Group(StrEnum):
    """The part of an audience somebody belongs to."""

    TREATMENT = "treatment"
    CONTROL = "control"


def group_of(definition: Definition, *, space: str, profile: int) -> Group:
    """Return the group of a profile in an audience.

    It is the same on every node and for as long as the audience has its id, whatever else changes; a higher
    `control` only adds to the control group. Groups of two audiences have nothing to do with each other.
    """
    if definition.control <= 0:
        return Group.TREATMENT
    drawn = blake2b(f"{space}\0{definition.id}\0{profile}".encode(), digest_size=8).digest()
    return Group.CONTROL if int.from_bytes(drawn, "big") % 100 < definition.control else Group.TREATMENT


def is_told(definition: Definition, group: Group) -> bool:
    """Say whether dialects tell that somebody of this group is in the audience."""
    return group is Group.TREATMENT or definition.control_shows is not Control.HIDE
