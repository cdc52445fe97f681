"""Where Segment's messages carry identifiers (reference: 3.1)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mien.core.message import ACCOUNTS, COLLECTION, TYPE, USERS, Identifier, Kind

MAX_ID_LENGTH = 1024
"""Characters in the value of an identifier; a longer one identifies nobody."""

MAX_IDS = 50
"""Identifiers of one message; each may name a profile that has to be read, so more are not looked at."""

_EXTERNAL_ID_FIELDS = {"id", "type", "collection", "encoding"}


def text_of(value: Any) -> str | None:
    """Return an identifier's value as text: numbers as their digits, None for null, empty and everything else."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


class Found(NamedTuple):
    """The identifiers in a message, each once; how many were too long or too many, and how many malformed.

    `subject` is the collection that the traits of an identify call describe.
    """

    identifiers: tuple[Identifier, ...]
    too_long: int = 0
    malformed: int = 0
    too_many: int = 0
    subject: str = USERS


def subject_of(item: Mapping[str, Any], context: Mapping[str, Any]) -> str | None:
    """Return whom a message is about: the user it names, or else the first profile of a named collection.

    None when it names neither: for an account alone there is no message.
    """
    if text_of(item.get("userId")) is not None or text_of(item.get("anonymousId")) is not None:
        return USERS
    named = [external["collection"] for external in _external_ids(context) if _well_formed(external)]
    others = [collection for collection in named if collection not in {USERS, ACCOUNTS}]
    if not others:
        return None
    return USERS if USERS in named else str(others[0])


def identifiers_of(kind: Kind, item: Mapping[str, Any], context: Mapping[str, Any], custom: Iterable[str]) -> Found:
    """Return the identifiers in a message.

    `custom` are the types a space configures beyond those whose places are known. The traits of a group call
    describe the account, so no identifier of the user is taken out of them; a message that is about a profile of a
    named collection names no user at all.
    """
    found: dict[Identifier, None] = {}
    too_long = malformed = too_many = 0

    def add(collection: str, name: str, value: Any) -> None:
        nonlocal too_long, too_many
        text = text_of(value)
        if text is None:
            return
        if len(text) > MAX_ID_LENGTH:
            too_long += 1
        elif len(found) < MAX_IDS or Identifier(collection, name, text) in found:
            found[Identifier(collection, name, text)] = None
        else:
            too_many += 1

    add(USERS, "user_id", item.get("userId"))
    if kind == Kind.ALIAS:
        return Found(tuple(found), too_long)
    add(USERS, "anonymous_id", item.get("anonymousId"))
    subject = USERS if found else subject_of(item, context) or USERS
    if subject == USERS:
        for place in _places(kind, item, context):
            add(USERS, "email", place.get("email"))
            for name in custom:
                add(USERS, name, place.get(name))
                add(USERS, name, place.get(_camel(name)))
        for name, value in _from_context(context):
            add(USERS, name, value)
    add(ACCOUNTS, "group_id", item.get("groupId") if kind == Kind.GROUP else context.get("groupId"))
    for external in _external_ids(context):
        if _well_formed(external):
            add(external["collection"], external["type"], external["id"])
        else:
            malformed += 1
    return Found(tuple(found), too_long, malformed, too_many, subject)


def _external_ids(context: Mapping[str, Any]) -> list[Any]:
    external_ids = context.get("externalIds")
    return external_ids if isinstance(external_ids, list) else []


def _places(kind: Kind, item: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a message in which traits of the user stand."""
    own = item.get("traits" if kind == Kind.IDENTIFY else "properties")
    for place in (None if kind == Kind.GROUP else own, context.get("traits")):
        if isinstance(place, dict):
            yield place


def _from_context(context: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    device = _object(context, "device")
    platform = str(device.get("type", "")).lower()
    if platform in {"android", "ios"}:
        yield f"{platform}.id", device.get("id")
        yield f"{platform}.push_token", device.get("token")
        # Android demands the flag; for iOS the documents disagree, so only an explicit refusal counts.
        allowed = device.get("adTrackingEnabled", platform == "ios")
        if allowed is True:
            yield f"{platform}.idfa", device.get("advertisingId")
    yield "ga_client_id", _object(_object(context, "integrations"), "Google Analytics").get("clientId")
    yield "braze_id", _object(context, "Braze").get("braze_id")
    yield "cross_domain_id", _object(context, "traits").get("crossDomainId")


def _object(outer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = outer.get(key)
    return inner if isinstance(inner, dict) else {}


def _well_formed(external: Any) -> bool:
    """Say whether an entry of `context.externalIds` has all four fields, as documented."""
    return (
        isinstance(external, dict)
        and external.keys() >= _EXTERNAL_ID_FIELDS
        and isinstance(external["collection"], str)
        and COLLECTION.fullmatch(external["collection"]) is not None
        and external["encoding"] == "none"
        and isinstance(external["type"], str)
        and TYPE.fullmatch(external["type"]) is not None
        and text_of(external["id"]) is not None
    )


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)
