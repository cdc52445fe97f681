"""The whole interface of a store, in domain words. One contract suite runs it on every engine.

Where `instant` is true a store is used by one thread at a time; otherwise by any number, each with its own
transaction and its own held state. Reads see everything that was committed before they began. Every method may raise
`Unavailable` when the database cannot be reached or does not answer in time.

Times are microseconds since 1970, UTC, everywhere.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from msgspec import Struct

from mien.core.activity import Activity
from mien.core.deletion import Deletion, Erased, Suppression
from mien.core.fold import Entry, Outcome, State
from mien.core.identity import Held, Refusal
from mien.core.message import Discard, Identifier, Kind, Message
from mien.core.profile import Profile, Stamp
from mien.core.space import Credential, Source
from mien.core.story import Merge, Notes, Unmerge
from mien.core.unmerge import Family, Split
from mien.store.computed import Backlog, ChangesRow, DefinitionRecord, Evaluation, Member, Size, Stay
from mien.store.sheet import TraitSheet


class Head(NamedTuple):
    """What a profile is, without its parts. `members` are the ids of the profiles it absorbed."""

    id: int
    collection: str
    first: Stamp
    last: Stamp
    members: tuple[int, ...]
    notes: Notes = ()


class HeldIdentifier(NamedTuple):
    """An identifier of a profile and how it came by it."""

    type: str
    value: str
    held: Held


class Place(NamedTuple):
    """A place in a profile's events: time, place in the order of receipt, key of the message."""

    timestamp: int
    order: int
    key: bytes


class Event(Struct, frozen=True):
    """An event as it is kept: what was reported, under which identifiers, and which were refused."""

    place: Place
    name: str
    kind: Kind
    message: str
    source: str
    claimed: tuple[Identifier, ...]
    refused: tuple[Refusal, ...]
    properties: bytes
    context: bytes


class EventQuery(Struct, frozen=True, kw_only=True):
    """Which events: between two times (both exclusive), by name, in time order, beyond a place."""

    after: int | None = None
    before: int | None = None
    include: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()
    ascending: bool = False
    beyond: Place | None = None
    limit: int = 10


class Recent(NamedTuple):
    """A profile in the list of profiles by recent activity."""

    last_at: int
    id: int


class LinkRow(NamedTuple):
    """A link: since when, to which id, and which profile that is today."""

    since: int
    linked: int
    today: int


class DiscardRow(NamedTuple):
    """A discard and how many times it was reported."""

    discard: Discard
    times: int
    last_at: int


class SpaceRecord(NamedTuple):
    """A space as it is kept: `document` is the JSON text of its settings."""

    slug: str
    document: bytes


class Tenancy(NamedTuple):
    """All spaces with their sources and credentials, revoked ones included, and the revision of it all.

    `dead` are the hashes of secrets that were revoked, or replaced by hand. `number` tells the store from others;
    nobody outside knows it.
    """

    revision: int
    spaces: Sequence[SpaceRecord]
    sources: Sequence[Source]
    credentials: Sequence[Credential]
    dead: frozenset[bytes]
    number: int


class Look(Struct, frozen=True, gc=False):
    """A profile as one look finds it: its traits, and when something of them may change by itself (None: never)."""

    id: int
    sheet: TraitSheet
    due: int | None = None


Account = Merge | Unmerge
"""Something that happened to profiles as a whole."""


class Unit(Protocol):
    """One transaction. What it did is durable when its block ends, and undone when the block raises."""

    def unseen(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages whose id was never seen in their space, the first of each, and note them as seen."""

    def load(self, space: str, identifiers: Iterable[Identifier]) -> State:
        """Return the owners of these identifiers, and their profiles whole, which hold them.

        Raise Contended when some of them changed between two looks.
        """

    def write(self, space: str, outcome: Outcome) -> None:
        """Write what a batch changes. Raise Contended when anything of it changed since it was loaded."""

    def record(self, discards: Iterable[Discard]) -> None:
        """Record discards; the same one again adds to its count."""

    def family(self, space: str, absorbed: int) -> Family:
        """Return a merge and everything since, by the profile that was absorbed.

        Raise NotMerged when it was not, CannotUnmerge when what is needed was not kept.
        """

    def write_split(self, space: str, family: Family, split: Split, unmerge: Unmerge) -> None:
        """Write what undoing a merge changes, and the account of it. Raise Contended as `write` does."""

    def free(self, profile: Profile, identifiers: Iterable[Identifier]) -> None:
        """Let nobody own these identifiers of a profile any more. Raise Contended when it does not own them."""

    def erase(self, space: str, profiles: Iterable[Profile], *, twins: bool = False) -> Erased:
        """Delete profiles, those they absorbed, and everything kept under them; return how much that was.

        With `twins`, also their events as profiles of another collection keep them.

        Raise Contended when one changed since it was read.
        """

    def twins(self, profile: Profile) -> set[int]:
        """Return the profiles of other collections that keep messages of this one, too, by their ids of today."""

    def forget_changes(self, profiles: Iterable[int]) -> None:
        """Delete the notes of what changed of these profiles."""

    def suppress(self, space: str, identifiers: Iterable[Identifier], *, deletion: str, now: int) -> int:
        """Keep identifiers that nobody owns from coming back; return how many were not suppressed before.

        Raise Contended when somebody owns one.
        """

    def unsuppress(self, space: str, keys: Iterable[bytes]) -> int:
        """Let identifiers come back; return how many were suppressed."""

    def save_deletion(self, space: str, deletion: Deletion) -> None:
        """Keep the proof of a deletion."""

    def purge_profiles(self, space: str, *, before: int, limit: int) -> int:
        """Erase up to `limit` profiles last touched before a time; return how many."""

    def purge_messages(self, space: str, *, before: int, limit: int) -> int:
        """Delete up to `limit` messages whose timestamp and receipt lie before; return how many."""

    def purge_discards(self, space: str, *, before: int, limit: int) -> int:
        """Delete up to `limit` discards last reported before a time; return how many."""

    def look_again(self, profiles: Iterable[int]) -> None:
        """Let profiles be due at once; whoever is about to write one finds out that it changed.

        Raise Contended when one of them was absorbed or is gone.
        """

    def put_off(self, profile: int, *, until: int) -> None:
        """Let a profile be due no earlier than a time, whatever is computed of it, unless a message comes before.

        Raise Contended when another writer was there first.
        """

    def end_memberships(self, space: str, number: int, *, into: int | None, limit: int) -> int:
        """Let go of up to `limit` memberships by a definition that is no more; return how many.

        Those that ended are from now on those of the definition `into`, if there is one.
        """

    def purge_changes(self, space: str, *, before: int, limit: int) -> int:
        """Delete up to `limit` notes of changes made before a time; return how many."""

    def purge_memberships(self, space: str, *, before: int, limit: int) -> int:
        """Delete up to `limit` memberships that ended before a time; return how many."""

    def save_definition(self, record: DefinitionRecord) -> None:
        """Create a definition or replace the one of this number."""

    def remove_definition(self, record: DefinitionRecord) -> None:
        """Delete a definition."""

    def save_evaluation(self, space: str, evaluation: Evaluation, *, revised: bool) -> None:
        """Keep how far a space is; `revised` when every node has to know."""

    def bury(self, digests: Iterable[bytes]) -> None:
        """Remember the hashes of secrets that must not come back."""

    def save_space(self, record: SpaceRecord) -> None:
        """Create a space or replace its settings."""

    def save_source(self, source: Source) -> None:
        """Create a source or replace the one of the same space and name."""

    def save_credential(self, credential: Credential) -> None:
        """Create a credential or replace the one of the same space, dialect and name."""


class Store(Protocol):
    """Where profiles are kept."""

    @property
    def instant(self) -> bool:
        """Whether a read is so short that the event loop can wait for it."""

    def begin(self, *, alone: bool = False) -> AbstractContextManager[Unit]:
        """Open a transaction. Only one is open at a time in a thread.

        While one is `alone` no other is open: whoever was contended again and again need not lose once more.
        """

    def hold(self) -> None:
        """Let all reads until `release` see one state; it saves the cost of a transaction for each of them."""

    def release(self) -> None:
        """End `hold`."""

    def owner(self, space: str, identifier: Identifier) -> int | None:
        """Return the id of the profile an identifier names, of the survivor where it was merged."""

    def owners(self, space: str, identifiers: Iterable[Identifier]) -> dict[Identifier, int]:
        """Return what `owner` does for each of these identifiers; those that name nobody are left out."""

    def head(self, profile: int) -> Head | None:
        """Return what a profile is."""

    def heads(self, profiles: Iterable[int]) -> dict[int, Head]:
        """Return what these profiles are; unknown ids are left out."""

    def look(self, space: str, identifier: Identifier) -> Look | None:
        """Return the profile an identifier names, in one look; None when it names none."""

    def looks(self, profiles: Iterable[int]) -> dict[int, Look]:
        """Return these profiles; unknown ids are left out."""

    def sheet(self, profile: Profile) -> TraitSheet:
        """Return the traits of a profile as they would be read once it is stored."""

    def profiles(self, profiles: Iterable[int]) -> dict[int, Profile]:
        """Return profiles whole, absorbed ones included; unknown ids are left out."""

    def happened(
        self, space: str, profiles: Iterable[int], events: Collection[str], *, first: int = ..., last: int = ...
    ) -> list[Message]:
        """Return the events of some names that are kept with these profiles, between two times, both included."""

    def due(self, *, now: int, limit: int) -> list[tuple[int, int]]:
        """Return when something of a profile may change, and its id, for those whose time has come: oldest first."""

    def backlog(self, *, now: int) -> Backlog:
        """Return how many profiles wait to be brought up to date, and for how long."""

    def is_behind(self, space: str, upto: int) -> bool:
        """Say whether somebody who is due at once was not evaluated up to this number."""

    def profiles_beyond(self, space: str, profile: int, *, limit: int, computed: bool) -> list[Profile]:
        """Return profiles in the order of their ids, beyond one; with `computed` only if something is computed."""

    def count_profiles(self, space: str) -> int:
        """Return how many profiles there are, without those that were absorbed."""

    def users_of(self, space: str, head: Head) -> list[int]:
        """Return the users of an account, by their ids of today."""

    def linked_today(self, space: str, profiles: Iterable[int], collection: str) -> list[int]:
        """Return the profiles of a collection that some are linked with, by their ids of today."""

    def members(self, space: str, number: int, *, beyond: int, limit: int) -> list[Member]:
        """Return who is in an audience, in the order of their ids, beyond one."""

    def count_members(self, space: str, number: int) -> int:
        """Return how many are in an audience."""

    def memberships(self, head: Head, *, limit: int) -> list[Stay]:
        """Return when a profile was in audiences, the latest first, absorbed profiles included."""

    def sizes(self, space: str, number: int) -> list[Size]:
        """Return the size of an audience for each day on which it changed, as far back as memberships are kept."""

    def changes(self, space: str, *, beyond: tuple[int, int] | None, limit: int) -> list[ChangesRow]:
        """Return what changed for readers, the oldest first; `beyond` is the time and the profile of the last had."""

    def definitions(self) -> list[DefinitionRecord]:
        """Return the definitions of all spaces, by space and number."""

    def evaluations(self) -> dict[str, Evaluation]:
        """Return how far each space is that has, or had, definitions."""

    def identifiers(self, profile: int) -> list[HeldIdentifier]:
        """Return the identifiers of a profile, the newest first, ties by type and value."""

    def activity(self, profile: int) -> dict[str, Activity]:
        """Return how often each event happened to a profile, first and last."""

    def profile(self, profile: int) -> Profile | None:
        """Return a profile whole, as it was absorbed if it was."""

    def events(self, head: Head, query: EventQuery) -> list[Event]:
        """Return events of a profile and of all it absorbed, by time, then by the order of receipt."""

    def place(self, space: str, head: Head, timestamp: int, message: str) -> Place | None:
        """Return the place of one event among a profile's events."""

    def history(self, head: Head) -> list[Account]:
        """Return how a profile became one of several, and how that was undone, in the order in which it happened."""

    def entry(self, space: str, head: Head, message: str, *, at: int | None = None) -> Entry | None:
        """Return a message of a profile as it is kept; None when it is no longer.

        With its timestamp it is found at once; without, all the profile's messages are looked at.
        """

    def deletions(self, space: str, *, limit: int) -> list[Deletion]:
        """Return the proofs of deletions, the latest first."""

    def deletion(self, space: str, deletion: str) -> Deletion | None:
        """Return the proof of one deletion."""

    def suppressions(self, space: str, *, beyond: tuple[int, bytes] | None, limit: int) -> list[Suppression]:
        """Return what is suppressed, the oldest first; `beyond` is the time and the key of the last one had."""

    def links(self, space: str, head: Head, *, beyond: tuple[int, int] | None, limit: int) -> list[LinkRow]:
        """Return links of a profile, oldest first, each linked profile once.

        Links to profiles that were absorbed since count for their survivor. `beyond` is the time and the id of the
        last row already had.
        """

    def recent(self, space: str, collection: str, *, beyond: Recent | None, offset: int, limit: int) -> list[Recent]:
        """Return profiles by their last activity, newest first; absorbed ones are not listed."""

    def discards(self, space: str | None, *, reason: str | None, limit: int) -> list[DiscardRow]:
        """Return discards, those last reported first."""

    def tenancy(self) -> Tenancy:
        """Return all spaces, sources and credentials."""

    def revision(self) -> int:
        """Return a number that grows whenever `tenancy` changes."""

    def warm(self) -> None:
        """Have the data brought into memory in the background, as far as it fits."""

    def tend(self) -> None:
        """Do the engine's own upkeep, such as checkpoints. Safe to call often, beside whoever writes."""

    def check(self) -> list[str]:
        """Look for damage; return a sentence for each finding."""

    def close(self) -> None:
        """Let go of the database."""
