"""Our values → Segment's answers (seed; reference: 1.7 to 1.12, 2.4)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw
from starlette.responses import Response

from mien.core.traits import Write
from mien.dialects.segment.names import computation_id, segment_id
from mien.services.lookup import Results
from mien.store.base import Event, Head, HeldIdentifier
from mien.web.answers import JsonAnswer
from mien.web.times import write_time

_encode = msgspec.json.Encoder().encode

_SUCCESS = _encode({"success": True})
_PIXEL = bytes.fromhex("47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b")


def answer(value: Mapping[str, Any], status: int = 200) -> Response:
    """Return a JSON answer."""
    return JsonAnswer(_encode(value), status)


def accepted() -> Response:
    """Return the answer to everything that was taken in or discarded: 200 exactly, and a JSON object."""
    return JsonAnswer(_SUCCESS)


def pixel() -> Response:
    """Return a transparent image of one pixel, which nothing may cache."""
    return Response(_PIXEL, media_type="image/gif", headers={"Cache-Control": "no-store"})


def last_page(limit: int) -> dict[str, Any]:
    """Return the cursor of a page that no other follows: empty, so that a client that follows `url` ends."""
    return {"url": "", "has_more": False, "next": "", "limit": limit}


def next_page(following: str, limit: int, url: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the cursor of a page that others follow.

    `url` is the address of the list, with the parameters of the router; the query is repeated in it as the seed
    shows: sorted, everything encoded.
    """
    if query:
        asked = sorted({**query, "next": following}.items())
        repeated = "&".join([f"{quoted(k)}={quoted(v)}" for k, v in asked if not k.startswith(":")])
    else:
        repeated = f"next={quoted(following)}"
    return {"url": f"{url}&{repeated}", "has_more": True, "next": following, "limit": limit}


_ENCODED = {code: quote(chr(code), safe="") for code in range(128)}


def quoted(text: str) -> str:
    """Return text with everything encoded that means something in an address."""
    # The table is four times as fast as `quote`, on a path that is taken for nearly every page.
    return text.translate(_ENCODED) if text.isascii() else quote(text, safe="")


def traits(text: bytes, page: Mapping[str, Any]) -> Response:
    """Return traits, which are given as the inside of a JSON object."""
    return JsonAnswer(b'{"traits":{%b},"cursor":%b}' % (text, _encode(page)))


def verbose_traits(
    members: Mapping[str, Raw],
    written: Mapping[str, tuple[bytes, Write]],
    computed: Results,
    page: Mapping[str, Any],
) -> Response:
    """Return traits with the source and the time of each; the source of what is computed is its definition."""
    values = {}
    for key, text in members.items():
        if key in computed:
            definition, result = computed[key]
            values[key] = {
                "value": text,
                "source_id": computation_id(definition),
                "updated_at": write_time(result.at),
            }
            continue
        value, write = written[key]
        values[key] = {
            "value": Raw(value),
            "source_id": write.source,
            "updated_at": write_time(write.timestamp),
        }
    return answer({"traits": values, "cursor": page})


def removed() -> Response:
    """Return the answer to the removal of an identifier (reference: 1.13)."""
    return answer({"code": "success", "message": "External identifier has been deleted."})


def external_ids(rows: Iterable[HeldIdentifier], collection: str, page: Mapping[str, Any]) -> Response:
    """Return identifiers."""
    data = [{**_external_id(row, collection), "first_message_id": row.held.message} for row in rows]
    return answer({"data": data, "cursor": page})


def _external_id(row: HeldIdentifier, collection: str) -> dict[str, Any]:
    return {
        "source_id": row.held.source,
        "collection": collection,
        "id": row.value,
        "type": row.type,
        "created_at": write_time(row.held.at),
        "encoding": "none",
    }


def events(rows: Iterable[Event], head: Head, page: Mapping[str, Any]) -> Response:
    """Return events."""
    owner = {head.collection: segment_id(head.collection, head.id)}
    return answer({"data": [_event(row, owner) for row in rows], "cursor": page})


def _event(event: Event, owner: Mapping[str, str]) -> dict[str, Any]:
    return {
        "external_ids": [
            {"collection": i.collection, "type": i.type, "id": i.value, "encoding": "none"} for i in event.claimed
        ],
        "context": _without_consent(event.context),
        "type": "track",
        "message_id": event.message,
        "source_id": event.source,
        "timestamp": write_time(event.place.timestamp, digits=3),
        "properties": Raw(event.properties),
        "event": event.name,
        "related": owner,
    }


def _without_consent(context: bytes) -> Any:
    """Return a context without consent preferences, which the Profile API never shows (seed)."""
    if b'"consent"' not in context:
        return Raw(context)
    return {key: value for key, value in msgspec.json.decode(context).items() if key != "consent"}


def metadata(head: Head, expires_at: int | None) -> Response:
    """Return when and by what a profile was begun and last touched."""
    about = {
        "created_at": write_time(head.first.at),
        "updated_at": write_time(head.last.at),
        "expires_at": None if expires_at is None else write_time(expires_at),
        "first_message_id": head.first.message,
        "first_source_id": head.first.source,
        "last_message_id": head.last.message,
        "last_source_id": head.last.source,
    }
    return answer({"segment_id": segment_id(head.collection, head.id), "metadata": about})


def links(rows: Iterable[tuple[str, Sequence[HeldIdentifier]]], page: Mapping[str, Any]) -> Response:
    """Return linked profiles: the collection and the identifiers of each."""
    data = [
        {"to_collection": collection, "external_ids": [_external_id(row, collection) for row in held]}
        for collection, held in rows
    ]
    return answer({"data": data, "cursor": page})


def profiles(rows: Iterable[str], page: Mapping[str, Any]) -> Response:
    """Return a list of profiles by their Segment ids."""
    return answer({"data": [{"segment_id": row} for row in rows], "cursor": page})


def settings(write_key: str, host: str, scheme: str) -> Response:
    """Return what analytics.js and the mobile libraries fetch before they send (reference: 2.10)."""
    return answer(
        {
            "integrations": {
                "Segment.io": {
                    "apiKey": write_key,
                    "apiHost": f"{host}/v1",
                    "protocol": scheme,
                    "unbundledIntegrations": [],
                    "addBundledMetadata": True,
                    "maybeBundledConfigIds": {},
                    "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
                }
            },
            "plan": {
                "track": {"__default": {"enabled": True, "integrations": {}}},
                "identify": {"__default": {"enabled": True}},
                "group": {"__default": {"enabled": True}},
            },
            "middlewareSettings": {},
            "enabledMiddleware": {},
            "metrics": {"sampleRate": 0, "host": f"{host}/v1"},
            "legacyVideoPluginsEnabled": False,
            "remotePlugins": [],
            "edgeFunction": {},
        }
    )
