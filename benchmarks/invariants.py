"""What must be true of a store at every moment, read off its tables; each finding is a sentence with ids in it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from mien.cli.story import sentence, why
from mien.core.activity import Activity, count
from mien.core.fold import NOBODY, SUPPRESSED
from mien.core.message import Identifier, Kind, identifier_key
from mien.core.profile import Profile
from mien.core.story import Merge
from mien.core.traits import REMOVED, Trait, Write
from mien.services import story
from mien.store.base import Head
from mien.store.sql import SqlStore, documents
from mien.store.sql.documents import MessageDocument, message_key
from mien.store.sql.engine import Engine
from mien.store.sql.profiles import COLUMNS

Sent = Mapping[tuple[str, str], frozenset[Identifier]]
"""The acknowledged messages, by space and id, with the identifiers in each."""


class Row(NamedTuple):
    """A message as it stands in its table, but for what only its order in an index needs."""

    profile: int
    timestamp: int
    order: int
    key: bytes
    event: bytes | None
    kept: MessageDocument


class Copy(NamedTuple):
    """One of the profiles with which a message is kept: today's, and the profile of the other collection."""

    holder: int
    collection: str
    timestamp: int
    group: bool
    claimed: frozenset[Identifier]
    linked: int | None


class Picture:
    """Who is who: every profile, every owner and every link, as they were at one moment."""

    def __init__(self, db: Engine) -> None:
        self.profiles = {row[0]: documents.profile_of(*row) for row in db.rows(f"SELECT {COLUMNS} FROM profiles")}
        self.owners: dict[bytes, int] = dict(db.rows("SELECT key, profile_id FROM identifiers"))
        self.suppressed = {key for (key,) in db.rows("SELECT key FROM suppressions")}
        self.links = set(db.rows("SELECT profile_id, linked_id, own_era, linked_era, since FROM links"))
        self.merges: dict[int, list[tuple[int, Merge]]] = defaultdict(list)
        for profile, other, body in db.rows("SELECT profile_id, other_id, body FROM history WHERE kind = 'merge'"):
            self.merges[other].append((profile, documents.read_merge(body)))

    @cached_property
    def roots(self) -> list[Profile]:
        """The profiles that were not absorbed."""
        return [profile for profile in self.profiles.values() if profile.merged_into is None]

    def today(self, profile: int) -> int | None:
        """Return who a profile is today; None when that leads nowhere."""
        seen: set[int] = set()
        while profile in self.profiles and profile not in seen:
            seen.add(profile)
            survivor = self.profiles[profile].merged_into
            if survivor is None:
                return profile
            profile = survivor
        return None


def findings(store: SqlStore, sent: Sent, *, calm: Collection[str] = (), whole: bool = True) -> list[str]:
    """Return a sentence for everything that is wrong with a store, as it is at one moment.

    `sent` are messages acknowledged before. In the spaces of `calm` no limit refused anything, and nothing was
    removed, un-merged or forgotten. Without `whole` only who is who is looked at. Nothing may have been purged.
    """
    store.hold()
    try:
        picture = Picture(store.db)
        found = [*_who_is_who(picture), *_nothing_of_nobody(store.db, picture)]
        if whole:
            copies: dict[bytes, list[Copy]] = defaultdict(list)
            for profile in picture.roots:
                found += _person(store.db, picture, profile, copies)
            found += _links_are_explained(picture, copies)
            found += _each_counts_once(store.db, picture, copies, sent, calm)
            found += [line for profile in picture.roots for line in _story(store, profile)]
    finally:
        store.release()
    return found


def _who_is_who(picture: Picture) -> Iterator[str]:
    yield from _trees(picture)
    yield from _owners(picture)
    yield from _suppressions(picture)
    yield from _symmetry(picture)
    yield from _accounts(picture)


def _trees(picture: Picture) -> Iterator[str]:
    """Every profile that was absorbed leads to one that lists it, and is listed nowhere else."""
    listed: dict[int, int] = {}
    for root in picture.roots:
        for member in root.members:
            if member in listed:
                yield f"Profile {member} is a member of {listed[member]} and of {root.id} (or of one twice)."
            listed[member] = root.id
            if member not in picture.profiles:
                yield f"Profile {root.id} lists the member {member}, which is not there."
        if together := {pair for pair in root.apart if set(pair) <= set(root.ids)}:
            yield f"Profile {root.id} has become one of {sorted(together)}, which were to stay apart."
    for profile in picture.profiles.values():
        today = picture.today(profile.id)
        if today is None:
            yield f"Profile {profile.id} was merged into {profile.merged_into}, which leads to nobody."
        elif today != profile.id and listed.get(profile.id) != today:
            yield f"Profile {profile.id} was merged into {today}, which does not list it."
        elif today == profile.id and profile.id in listed:
            yield f"Profile {profile.id} is a member of {listed[profile.id]}, and was not merged."
        elif today is not None and _home(picture.profiles[today]) != _home(profile):
            yield f"Profile {profile.id} is of {_home(profile)}, and was merged into {today} of another."


def _home(profile: Profile) -> tuple[str, str]:
    return profile.space, profile.collection


def _owners(picture: Picture) -> Iterator[str]:
    """Every name of a profile that was not absorbed finds it, and there are no others."""
    named: dict[bytes, tuple[Profile, Identifier]] = {}
    for root in picture.roots:
        for name in root.names():
            key = identifier_key(root.space, name)
            if key in named:
                yield f"{_text(name)} is held by {named[key][0].id} and by {root.id}."
            named[key] = root, name
            owner = picture.owners.get(key)
            if owner != root.id:
                found = "finds nobody" if owner is None else f"finds {owner}"
                yield f"Profile {root.id} of {root.space} holds {_text(name)}, which {found}."
    for key, owner in picture.owners.items():
        if owner == SUPPRESSED or key in named:
            continue
        whose = picture.profiles.get(owner)
        what = "is not there" if whose is None else "was merged" if whose.merged_into else "does not hold it"
        yield f"The identifier of key {key.hex()} finds {owner}, which {what}."


def _text(name: Identifier) -> str:
    return f"{name.type}:{name.value}"


def _suppressions(picture: Picture) -> Iterator[str]:
    """What is suppressed belongs to nobody."""
    silent = {key for key, owner in picture.owners.items() if owner == SUPPRESSED}
    for key in picture.suppressed - silent:
        yield f"The suppressed identifier of key {key.hex()} finds {picture.owners.get(key)}."
    for key in silent - picture.suppressed:
        yield f"The identifier of key {key.hex()} is shut out, and no suppression says so."


def _symmetry(picture: Picture) -> Iterator[str]:
    """Links are seen from both sides."""
    for own, other, own_era, other_era, since in picture.links:
        if (other, own, other_era, own_era, since) not in picture.links:
            yield f"The link of {own} (era {own_era}) with {other} (era {other_era}) is not seen from its other side."


def _accounts(picture: Picture) -> Iterator[str]:
    """For every profile that was absorbed there is one account of it, in which both were named."""
    for profile in picture.profiles.values():
        accounts = picture.merges.get(profile.id, [])
        if len(accounts) != (profile.merged_into is not None):
            yield f"Profile {profile.id} was merged into {profile.merged_into}; accounts of that: {len(accounts)}."
        for survivor, merge in accounts:
            named = {owner for _, owner in merge.named}
            if (survivor, merge.survivor) != (profile.merged_into, survivor):
                yield f"Profile {profile.id} was merged into {profile.merged_into}; the account says {survivor}."
            elif not {survivor, profile.id} <= named:
                yield f"The merge of {profile.id} into {survivor} by {merge.message} named only {sorted(named)}."


def _nothing_of_nobody(db: Engine, picture: Picture) -> Iterator[str]:
    """No row is of a profile that is not there."""
    there = {*picture.profiles, NOBODY}
    for table, column in (
        ("messages", "profile_id"),
        ("links", "profile_id"),
        ("links", "linked_id"),
        ("history", "profile_id"),
        ("history", "other_id"),
    ):
        for (profile,) in db.rows(f"SELECT DISTINCT {column} FROM {table}"):
            if profile not in there:
                yield f"There are {table} whose {column} is {profile}, and no such profile."


def _person(db: Engine, picture: Picture, root: Profile, copies: dict[bytes, list[Copy]]) -> Iterator[str]:
    """What is known of somebody is what the messages say; note where each of them is kept."""
    traits: dict[str, Trait] = {}
    activity: dict[str, Activity] = {}
    for profile in root.ids:
        serials: dict[int, str] = {}
        for row in _messages(db, profile):
            one = row.kept
            if one.serial in serials:
                yield f"Profile {profile} took in {serials[one.serial]} and {one.id} as its {one.serial}th."
            serials[one.serial] = one.id
            if message_key(root.space, one.id) != row.key:
                yield f"Profile {profile} keeps message {one.id} under the key of another."
            if row.event is not None:
                activity = count(activity, row.event.decode(), row.timestamp)
            if one.subject == root.collection:
                _write(traits, row)
            copies[row.key].append(_copy(picture, root, row))
        whole = picture.profiles.get(profile)
        if serials and whole is not None and max(serials) > whole.serial:
            yield f"Profile {profile} counts {whole.serial} messages and keeps a later one."
    yield from _differences(f"The trait of {root.id}", dict(root.traits), traits)
    yield from _differences(f"The activity of {root.id}", dict(root.activity), activity)


def _messages(db: Engine, profile: int) -> Iterator[Row]:
    rows = db.rows(
        "SELECT profile_id, timestamp, received_order, key, event, body FROM messages WHERE profile_id = ?",
        (profile,),
    )
    return (Row(*row[:-1], documents.read_message(row[-1])) for row in rows)


def _write(traits: dict[str, Trait], row: Row) -> None:
    write = Write(row.timestamp, row.order, row.kept.source, row.kept.id)
    for key, value in row.kept.traits.items():
        if key not in traits or traits[key].write < write:
            traits[key] = Trait(REMOVED if value == b"null" else value, write)


def _copy(picture: Picture, root: Profile, row: Row) -> Copy:
    linked = row.kept.linked
    return Copy(
        holder=root.id,
        collection=root.collection,
        timestamp=row.timestamp,
        group=row.kept.kind == Kind.GROUP,
        claimed=frozenset(row.kept.claimed),
        linked=None if linked is None else picture.today(linked[0]),
    )


def _differences(what: str, kept: Mapping[str, object], told: Mapping[str, object]) -> Iterator[str]:
    for key in sorted(kept.keys() | told.keys()):
        if kept.get(key) != told.get(key):
            yield f"{what} named {key} is {kept.get(key)}; the messages say {told.get(key)}."


def _links_are_explained(picture: Picture, copies: Mapping[bytes, Iterable[Copy]]) -> Iterator[str]:
    """Two are linked since the first group message that is kept with both."""
    told: dict[tuple[int, int], int] = {}
    for key, kept in copies.items():
        group = [copy for copy in kept if copy.group]
        for one in group:
            for other in (copy for copy in group if copy.collection != one.collection):
                pair = (one.holder, other.holder)
                told[pair] = min(one.timestamp, told.get(pair, one.timestamp))
                if one.linked != other.holder:
                    yield f"Message {key.hex()} is kept with {pair}; with the first it is linked: {one.linked}."
    noted: dict[tuple[int, int], int] = {}
    for own, linked, _, _, since in picture.links:
        pair = (picture.today(own) or own, picture.today(linked) or linked)
        noted[pair] = min(since, noted.get(pair, since))
    for pair in told.keys() | noted.keys():
        if told.get(pair) != noted.get(pair):
            yield f"Profiles {pair} are linked since {noted.get(pair)}; the messages say since {told.get(pair)}."


def _each_counts_once(
    db: Engine, picture: Picture, copies: Mapping[bytes, list[Copy]], sent: Sent, calm: Collection[str]
) -> Iterator[str]:
    """Each message is kept once for every collection it names, or, emptied, with nobody."""
    seen = {key for (key,) in db.rows("SELECT key FROM seen")}
    emptied = yield from _with_nobody(db, copies)
    for key in (copies.keys() | emptied) - seen:
        yield f"The message of key {key.hex()} is kept, and would count again."
    for (space, message), identifiers in sent.items():
        key, what = message_key(space, message), f"The acknowledged message {message} of {space}"
        kept = sorted(copy.collection for copy in copies.get(key, ()))
        missing = {i.collection for i in identifiers} - set(kept)
        if key not in seen:
            yield f"{what} was never seen."
        elif len(kept) != len(set(kept)):
            yield f"{what} is kept more than once: with {[copy.holder for copy in copies[key]]}."
        elif bool(missing) != (key in emptied):
            yield f"{what} is kept with {kept or 'nobody'}{', and with nobody' if key in emptied else ''}."
        elif space in calm:
            yield from _named_are_one(picture, what, identifiers, copies.get(key, []))


def _with_nobody(db: Engine, copies: Mapping[bytes, object]) -> Iterator[str]:
    """Return the keys of the messages that are kept with nobody, which hold nothing and have no discard."""
    emptied: dict[bytes, bool] = {}
    for key, body in db.rows("SELECT key, body FROM messages WHERE profile_id = ?", (NOBODY,)):
        if key in emptied:
            yield f"The message of key {key.hex()} is kept with nobody more than once."
        emptied[key] = body == key
        if not emptied[key]:
            one = documents.read_message(body)
            if one.claimed or one.refused or one.traits or (one.properties, one.context) != (b"{}", b"{}"):
                yield f"Message {one.id} is kept with nobody, and is not empty."
    for (key,) in db.rows("SELECT DISTINCT message_key FROM discards WHERE message_key IS NOT NULL"):
        if emptied.get(key) and key not in copies:
            yield f"There are discards of the message of key {key.hex()}, whose people were forgotten."
    return emptied.keys()


def _named_are_one(
    picture: Picture, what: str, identifiers: Iterable[Identifier], copies: Iterable[Copy]
) -> Iterator[str]:
    """Say whom a message named that is not one with the others it named."""
    for copy in copies:
        held = picture.profiles[copy.holder].identifiers
        named = {i for i in identifiers if i.collection == copy.collection}
        lost = [_text(i) for i in named if (i.type, i.value) not in held]
        if lost or named != copy.claimed:
            yield f"{what} named {sorted(map(_text, named))}; profile {copy.holder} lacks {lost}."


def _story(store: SqlStore, root: Profile) -> Iterator[str]:
    """What happened to a profile can be told, and so can where it has its identifiers from."""
    head = Head(root.id, root.collection, root.first, root.last, root.members, root.notes)
    origins = story.origins(store, root.space, head)
    for origin in origins:
        if origin.beside is None:
            name = _text(origin.identifier)
            yield f"Profile {root.id} has {name} by {origin.held.message}, which it does not keep."
    told = [sentence(root.collection, event) for _, event in story.history(store, root.space, head)]
    merges = [account for account in store.history(head) if isinstance(account, Merge)]
    reasons = list(why(origins, merges, root.collection))
    if len(merges) != len(root.members) or not all((*told, *reasons)):
        yield f"The story of {root.id} tells of {len(merges)} merges; it has {len(root.members)} members."
