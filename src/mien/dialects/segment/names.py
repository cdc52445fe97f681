"""Segment's names for identifiers, and ours.

Trait keys pass through unchanged: Segment keeps `firstName` and `first_name` as two keys (reference: 5.1), so the
spelling of the caller is the canonical one here.
"""

from hashlib import blake2b

from ksuid import Ksuid

from mien.core.definition import Definition
from mien.core.definition import Kind as DefinitionKind
from mien.core.identity import OWN_ID
from mien.core.message import ACCOUNTS, TYPE, USERS, Identifier, Kind, received_at_of

BUILT_IN_TYPES = frozenset(
    {
        "user_id",
        "anonymous_id",
        "email",
        "group_id",
        "android.id",
        "android.idfa",
        "android.push_token",
        "ios.id",
        "ios.idfa",
        "ios.push_token",
        "ga_client_id",
        "braze_id",
        "cross_domain_id",
    }
)
"""The types for which the places in a message are known (reference: 3.1)."""

CALLS = (Kind.IDENTIFY, Kind.TRACK, Kind.PAGE, Kind.SCREEN, Kind.GROUP, Kind.ALIAS)
"""The kinds of message of the Tracking API (reference: 2.1)."""

KSUID_EPOCH = 1_400_000_000
"""Seconds since 1970 at which KSUIDs begin to count."""

PREFIXES = {USERS: "use_", ACCOUNTS: "acc_"}
NAMED = "ent_"
"""How ids of profiles begin that belong to any other collection."""

_HEAD = 8
"""How many characters of a KSUID Segment moves from its front to its end (reference: 1.3)."""


def call_of(text: object) -> Kind:
    """Return the kind of message a name stands for; raise ValueError for any other."""
    kind = Kind(str(text))
    if kind not in CALLS:
        raise ValueError(kind)
    return kind


def computation_id(definition: Definition) -> str:
    """Return the id of a definition: `aud_` or `tra_`, as Segment's begin, and its key (reference: 4.3)."""
    return f"{'aud' if definition.kind is DefinitionKind.AUDIENCE else 'tra'}_{definition.key}"


def segment_id(collection: str, profile: int) -> str:
    """Return the id Segment's clients see of a profile: a prefix, then a KSUID turned so that its head is random."""
    own = profile.to_bytes(8, "big")
    seconds = received_at_of(profile) // 1_000_000 - KSUID_EPOCH
    ksuid = str(Ksuid.from_bytes(seconds.to_bytes(4, "big") + own + _check(collection, own)))
    return PREFIXES.get(collection, NAMED) + ksuid[_HEAD:] + ksuid[:_HEAD]


def profile_of(collection: str, text: str) -> int | None:
    """Return the profile a Segment id names, or None when it is not one of ours."""
    prefix = PREFIXES.get(collection, NAMED)
    if not text.startswith(prefix) or len(text) != len(prefix) + Ksuid.BASE62_LENGTH:
        return None
    turned = text.removeprefix(prefix)
    try:
        payload: bytes = Ksuid.from_base62(turned[-_HEAD:] + turned[:-_HEAD]).payload
    except (ValueError, KeyError, OverflowError):
        return None
    own, check = payload[:8], payload[8:]
    return int.from_bytes(own, "big") if check == _check(collection, own) else None


def _check(collection: str, own: bytes) -> bytes:
    # The longest names do not fit as they are.
    name = collection.encode()
    person = name if len(name) <= blake2b.PERSON_SIZE else blake2b(name, digest_size=blake2b.PERSON_SIZE).digest()
    return blake2b(own, digest_size=8, person=person).digest()


def lookups(collection: str, segment: str) -> list[Identifier]:
    """Return the identifiers a decoded path segment may mean, the likeliest first; none when it means nothing.

    `type:value`, split at the first colon; or a bare Segment id, or one under the type `segment_id`. A value that is
    not found as it was sent is looked for in lower case (reference: 1.3, 3.2).
    """
    kind, colon, value = segment.partition(":")
    if not colon or kind == "segment_id":
        profile = profile_of(collection, value if colon else segment)
        return [] if profile is None else [Identifier(collection, OWN_ID, str(profile))]
    if not value or not (kind in BUILT_IN_TYPES or TYPE.fullmatch(kind)):
        return []
    as_sent, lower = Identifier(collection, kind, value), value.lower()
    return [as_sent] if value == lower else [as_sent, Identifier(collection, kind, lower)]
