"""How old an answer is: `ETag`, `X-Profile-As-Of`, and 304 (reference: 5; all of it is ours)."""

from functools import lru_cache
from hashlib import sha256

from starlette.responses import Response

from mien.web.answers import JsonAnswer
from mien.web.times import write_time

_PRIVATE = (b"cache-control", b"private, no-cache")
"""Kept by whoever asked alone, and asked for again each time: without it browsers would guess how long it holds."""


def fresh(text: bytes, asked: bytes | None, *, now: int) -> Response:
    """Return a profile as an answer that states its age, or 304 where the caller has this very text.

    `asked` is the header `If-None-Match`.
    """
    etag = b'"%b"' % sha256(text).hexdigest()[:24].encode()
    aged = [(b"etag", etag), _PRIVATE, (b"x-profile-as-of", _moment(now // 1_000_000))]
    if asked is not None and _has(asked, etag):
        same = Response(status_code=304)
        same.raw_headers = aged
        return same
    answer = JsonAnswer(text)
    answer.raw_headers += aged
    return answer


def _has(asked: bytes, etag: bytes) -> bool:
    """Say whether a list of entity tags holds this one; the weak comparison (RFC 9110, 13.1.2)."""
    given = [tag.strip().removeprefix(b"W/") for tag in asked.split(b",")]
    return etag in given or given == [b"*"]


@lru_cache(16)
def _moment(seconds: int) -> bytes:
    return write_time(seconds * 1_000_000).encode()
