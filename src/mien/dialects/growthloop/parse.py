"""GrowthLoop's requests → questions (reference: 7)."""

import re
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
from msgspec import Meta, Struct

from mien.errors import Invalid

MAX_ID = 1024
"""Bytes of an id."""
MAX_IDS = 100
"""Ids of one batch."""
MAX_BATCH = 256 * 1024
MAX_TOKEN = 8 * 1024
"""Bytes of the bodies."""

_PLAIN = re.compile(r"[A-Za-z0-9_.~!$&'()*+,;=:@-]{1,1024}")
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class InvalidId(Invalid):
    """The id is empty, longer than 1,024 bytes, or not sound text."""


class Selection(Struct, frozen=True):
    """What is asked of a profile: None is everything."""

    fields: frozenset[str] | None = None
    audiences: frozenset[str] | None = None
    explain: bool = False


EVERYTHING = Selection()


class Batch(Struct):
    """Several ids of one entity."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=MAX_IDS)]


class TokenRequest(Struct):
    """Which profile a token shall open, and for how many seconds."""

    entity: str
    id: str
    ttl: Annotated[int, Meta(ge=1, le=3600)] = 900


_read_batch = msgspec.json.Decoder(Batch).decode
_read_token_request = msgspec.json.Decoder(TokenRequest).decode


def identifier(segment: str) -> str:
    """Return the id in a segment of a path, which is given as it was sent; raise InvalidId."""
    if _PLAIN.fullmatch(segment):
        return segment
    if _BROKEN.search(segment):
        raise InvalidId("The id holds a `%` that begins no percent-encoding; write `%25`.")
    try:
        return sound(unquote_to_bytes(segment.encode("latin-1")).decode())
    except UnicodeDecodeError:
        raise InvalidId("The id is not UTF-8.") from None


def sound(text: str) -> str:
    """Return an id that may be looked for; raise InvalidId for any other."""
    if not text:
        raise InvalidId("The id is empty.")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidId("The id is not UTF-8.") from None
    if size > MAX_ID:
        raise InvalidId(f"The id is longer than {MAX_ID} bytes.")
    if _CONTROL.search(text):
        raise InvalidId("The id holds control characters.")
    return text


def selection(query: bytes) -> Selection:
    """Return what a query selects; parameters that nobody knows are passed over."""
    if not query:
        return EVERYTHING
    given = read_query(query)
    return Selection(
        fields=_names(given.get("fields")),
        audiences=_names(given.get("audiences")),
        explain=given.get("explain", "").lower() in {"true", "1"},
    )


def read_query(query: bytes) -> dict[str, str]:
    """Return the parameters of a query; of a repeated one the last counts. What is not UTF-8 becomes surrogates."""
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="surrogateescape"))


def _names(text: str | None) -> frozenset[str] | None:
    """Return the names in a list; an empty list has none, which is not to ask for everything."""
    return None if text is None else frozenset(name for name in text.split(",") if name)


def batch(body: bytes) -> Sequence[str]:
    """Return the ids a batch asks for, each once, in their order."""
    try:
        ids = _read_batch(body).ids
    except msgspec.MsgspecError:
        raise Invalid(f'The body must be {{"ids": […]}} with 1 to {MAX_IDS} ids as text.') from None
    return [sound(text) for text in dict.fromkeys(ids)]


def token_request(body: bytes) -> TokenRequest:
    """Return what a token is asked for."""
    try:
        asked = _read_token_request(body)
    except msgspec.MsgspecError:
        raise Invalid('The body must be {"entity": …, "id": …, "ttl": 1 to 3600 seconds}.') from None
    sound(asked.id)
    return asked
