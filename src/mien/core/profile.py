"""Profile: what is known of one customer, and how two profiles become one."""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from mien.core.activity import Activity
from mien.core.activity import combine as combine_activity
from mien.core.computed import NOTHING, Computed, Shown, is_known
from mien.core.identity import OWN_ID, Held
from mien.core.message import Identifier
from mien.core.story import Notes, note
from mien.core.traits import Trait, Traits
from mien.core.traits import combine as combine_traits


class Stamp(NamedTuple):
    """A message that touched a profile: when it was received (microseconds since 1970), its id, its source."""

    at: int
    message: str
    source: str


class Profile(Struct, frozen=True, gc=False):
    """What is known of one customer.

    `version` counts the times the profile was stored; 0 is a profile that was not stored yet. `first` and `last`
    are the messages that created it and that touched it last, in the order of receipt, and `serial` is how many it
    took in. `members` are the ids of all profiles it absorbed; `apart` are pairs of an id of its own and one that
    must never become one with it. A profile with `merged_into` is kept as it was when it was absorbed. `shown` is
    what readers see of what is computed.
    """

    id: int
    space: str
    collection: str
    first: Stamp
    last: Stamp
    version: int = 0
    identifiers: Mapping[tuple[str, str], Held] = {}
    traits: Traits = {}
    activity: Mapping[str, Activity] = {}
    members: tuple[int, ...] = ()
    merged_into: int | None = None
    serial: int = 0
    apart: frozenset[tuple[int, int]] = frozenset()
    notes: Notes = ()
    computed: Computed = NOTHING
    shown: Mapping[str, Shown] = {}

    @property
    def known(self) -> bool:
        """Whether somebody is known, and not only where they browse."""
        return is_known(kind for kind, _ in self.identifiers)

    @property
    def ids(self) -> tuple[int, ...]:
        """Its own id, and those of all profiles it absorbed."""
        return (self.id, *self.members)

    @property
    def era(self) -> int:
        """How many profiles it had absorbed: links noted since can be told from those before."""
        return len(self.members)

    def names(self) -> list[Identifier]:
        """Return every identifier that finds this profile, its own id and those of its members included."""
        return [Identifier(self.collection, *held) for held in self.identifiers] + [
            own_identifier(self.collection, own) for own in self.ids
        ]


def own_identifier(collection: str, profile: int) -> Identifier:
    """Return the identifier under which a profile's own id is looked up."""
    return Identifier(collection, OWN_ID, str(profile))


def absorb(survivor: Profile, absorbed: Profile) -> Profile:
    """Return the survivor with everything the absorbed profile knew.

    The order in which several profiles are absorbed does not matter.
    """
    return replace(
        survivor,
        first=min(survivor.first, absorbed.first),
        last=max(survivor.last, absorbed.last),
        identifiers={**absorbed.identifiers, **survivor.identifiers},
        traits=combine_traits(survivor.traits, absorbed.traits),
        activity=combine_activity(survivor.activity, absorbed.activity),
        members=(*survivor.members, absorbed.id, *absorbed.members),
        apart=survivor.apart | absorbed.apart,
        notes=note(survivor.notes, absorbed.notes) if absorbed.notes else survivor.notes,
    )


def present(traits: Traits) -> dict[str, Trait]:
    """Return the traits without tombstones, in the byte order of their keys."""
    return {key: traits[key] for key in sorted(traits) if traits[key].value}
