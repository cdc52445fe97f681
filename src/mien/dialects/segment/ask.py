"""Segment's Profile API: a query → a question (reference: 1.7 to 1.12)."""

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec
from ksuid import Ksuid
from msgspec import Struct

from mien.core.message import COLLECTION, TYPE, USERS, Identifier, identifier_key
from mien.dialects.segment.names import KSUID_EPOCH
from mien.errors import Invalid, MienError
from mien.store.base import HeldIdentifier, Recent
from mien.store.sheet import AUDIENCE, COMPUTED
from mien.web.times import read_time

Query = Mapping[str, str]

TRAITS = (10, 200)
PAGES = (10, 100)
LINKS = (20, 20)
"""Default and maximum of `limit`, route by route; more than the maximum is the maximum."""


class FieldRefused(MienError):
    """A field has a value it cannot have."""


class UnsupportedType(MienError):
    """This type of identifier cannot be removed."""


class _Named(Struct):
    id: str
    type: str


class _Deletion(Struct):
    delete_external_ids: list[_Named]


_read_deletion = msgspec.json.Decoder(_Deletion).decode

_CLASSES: Mapping[str, int | None] = {"": None, "audience": AUDIENCE, "computed_trait": COMPUTED}


class TraitsQuestion(Struct, frozen=True):
    """Which traits: `kind` is None for all classes; `start` is the first key of the page."""

    kind: int | None
    include: list[str] | None
    start: str
    limit: int
    verbose: bool


_ALL_TRAITS = TraitsQuestion(kind=None, include=None, start="", limit=TRAITS[0], verbose=False)


class EventsQuestion(Struct, frozen=True):
    """Which events; `beyond` is the time and the message id of the last event already had."""

    after: int | None
    before: int | None
    include: frozenset[str] | None
    exclude: frozenset[str]
    ascending: bool
    beyond: tuple[int, str] | None
    limit: int


def read_query(text: bytes) -> dict[str, str]:
    """Return the parameters of a query; of a repeated one the last counts, but lists add up."""
    query: dict[str, str] = {}
    if not text:
        return query
    for name, value in parse_qsl(text.decode("latin-1"), keep_blank_values=True, errors="replace"):
        if name in {"include", "exclude"} and query.get(name):
            query[name] += "," + value
        else:
            query[name] = value
    return query


def removal(collection: str, identifier: str, body: bytes) -> tuple[Identifier, Identifier]:
    """Return whom a removal is about, and the identifier to remove; raise in Segment's words (reference: 1.13)."""
    if collection != USERS:
        raise FieldRefused(f"Invalid collection: `{collection[:100]}`.")
    kind, colon, value = identifier.partition(":")
    if kind != "user_id" or not colon or not value:
        raise FieldRefused(f"Invalid URL: valid `user_id` is required. Unsupported `{kind[:100]}`.")
    try:
        given = _read_deletion(body).delete_external_ids
    except msgspec.MsgspecError:
        raise Invalid('The body must be {"delete_external_ids": [{"id": …, "type": …}]}.') from None
    if len(given) != 1:
        raise Invalid("Only one external_id can be deleted at a time.")
    [named] = given
    if (named.type, named.id) == (kind, value):
        raise Invalid("External id specification must differ from lookup id.")
    if named.type == "group_id" or not TYPE.fullmatch(named.type):
        raise UnsupportedType
    return Identifier(USERS, kind, value), Identifier(USERS, named.type, named.id)


def check_collection(collection: str) -> str:
    """Return the collection; raise FieldRefused in Segment's words when it is none (reference: 1.5)."""
    if collection == USERS or COLLECTION.fullmatch(collection):
        return collection
    wrong = dict.fromkeys(c for c in collection[:100] if not COLLECTION.fullmatch(c))
    if wrong:
        raise FieldRefused(f"The parameter `collection` has invalid character(s) `{''.join(wrong)}`")
    raise FieldRefused("The parameter `collection` must have 1 to 64 characters")


def traits(query: Query) -> TraitsQuestion:
    """Return what is asked of a profile's traits."""
    if not query:
        return _ALL_TRAITS
    chosen = query.get("class", "")
    if chosen not in _CLASSES:
        raise Invalid("The parameter `class` must be `audience` or `computed_trait`.")
    return TraitsQuestion(
        kind=_CLASSES[chosen],
        include=_names(query, "include"),
        start=query.get("next", ""),
        limit=limit(query, *TRAITS),
        verbose=query.get("verbose", "").lower() in {"true", "1"},
    )


def events(query: Query) -> EventsQuestion:
    """Return what is asked of a profile's events."""
    sort = (query.get("sort") or "desc").lower()
    if sort not in {"asc", "desc"}:
        raise Invalid("The parameter `sort` must be `asc` or `desc`.")
    include = _names(query, "include")
    return EventsQuestion(
        after=_time(query, "start"),
        before=_time(query, "end"),
        include=None if include is None else frozenset(include),
        exclude=frozenset(_names(query, "exclude") or ()),
        ascending=sort == "asc",
        beyond=_event_cursor(query.get("next", "")),
        limit=limit(query, *PAGES),
    )


def limit(query: Query, default: int, most: int) -> int:
    """Return the page size; raise Invalid when it is no whole number above 0."""
    text = query.get("limit")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or not text.strip("0"):
        raise Invalid("The parameter `limit` must be a whole number above 0.")
    return min(int(text), most) if len(text) < 10 else most


def _names(query: Query, name: str) -> list[str] | None:
    names = [part for part in query.get(name, "").split(",") if part]
    if len(names) > 1000:
        raise Invalid(f"The parameter `{name}` has more than 1000 entries.")
    return names or None


def _time(query: Query, name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    # A `+` of a time zone that was not percent-encoded has become a space.
    time = read_time(text)
    if time is None:
        time = read_time(text.replace(" ", "+"))
    if time is None:
        raise Invalid(f"The parameter `{name}` must be a date or a time in ISO 8601, such as 2018-01-02.")
    return time


def bad_cursor() -> Invalid:
    """Return the error for a cursor that this server did not make."""
    return Invalid("The parameter `next` is not a cursor of this list; leave it out to begin again.")


def _event_cursor(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    nanoseconds, separator, message = _decoded(text).partition("::")
    if not separator or not _whole(nanoseconds, 1000 * _LARGEST):
        raise bad_cursor()
    return int(nanoseconds) // 1000, message


def event_cursor(timestamp: int, message: str) -> str:
    """Return the cursor after an event: its nanoseconds and message id, as in the seed, in URL-safe base64."""
    return _encoded(f"{timestamp * 1000}::{message}")


def pair_cursor(first: int, second: int) -> str:
    """Return a cursor made of two numbers."""
    return _encoded(f"{first}::{second}")


def read_pair(text: str) -> tuple[int, int] | None:
    """Return the two numbers in a cursor; None when there is no cursor."""
    if not text:
        return None
    first, separator, second = _decoded(text).partition("::")
    if not separator or not _whole(first) or not _whole(second):
        raise bad_cursor()
    return int(first), int(second)


def recent(query: Query) -> tuple[Recent | None, int]:
    """Return where a page of the profiles list begins: after a row, or at an offset (reference: 1.12)."""
    text = query.get("next", "")
    if text.isascii() and text.isdigit():
        if len(text) > 9:
            raise bad_cursor()
        return None, int(text)
    pair = read_pair(text)
    return (Recent(*pair) if pair else None), 0


def mapping_id(space: str, collection: str, row: HeldIdentifier) -> str:
    """Return the id of an identifier's row, which is also the cursor: `map_` and a KSUID (seed; reference: 1.3)."""
    key = identifier_key(space, Identifier(collection, row.type, row.value))
    seconds = min(max(row.held.at // 1_000_000 - KSUID_EPOCH, 0), 2**32 - 1)
    return f"map_{Ksuid.from_bytes(seconds.to_bytes(4, 'big') + key)}"


def read_mapping_id(cursor: str) -> int:
    """Return the seconds since 1970 in the id of an identifier's row; raise Invalid when it is none."""
    try:
        return int(Ksuid.from_base62(cursor.removeprefix("map_")).timestamp)
    except (ValueError, KeyError, OverflowError, IndexError):
        raise bad_cursor() from None


_LARGEST = 2**63 - 1
"""What a database can hold."""


def _whole(text: str, largest: int = _LARGEST) -> bool:
    """Say whether text is a whole number, and not too large."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 30 and abs(int(digits)) <= largest


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(text: str) -> str:
    plain = text.rstrip("=").replace("+", "-").replace("/", "_").replace(" ", "-")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise bad_cursor() from None
