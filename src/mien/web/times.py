"""Times as text: read leniently, written as RFC 3339 in UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LATEST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
# Fields may lack their leading zero: Segment's own documentation has such a sample (reference: 2.5).
_LENIENT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[Tt ]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d+))?)?)?"
    r"\s*(?:([Zz])|([+-])(\d{2}):?(\d{2})?)?",
    re.ASCII,
)
_SECONDS_BELOW = 10**11
"""A number below this is seconds since 1970, any other milliseconds."""


def read_time(value: Any) -> int | None:
    """Return microseconds since 1970 for ISO 8601 text or a number; None for what is no time. No zone is UTC."""
    if isinstance(value, str):
        return _read_text(value.strip())
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**15:
        return clamp(int(value * (10**6 if abs(value) < _SECONDS_BELOW else 1000)))
    return None


def _read_text(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _read_leniently(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return clamp((moment - _EPOCH) // _MICROSECOND)


def _read_leniently(text: str) -> int | None:
    found = _LENIENT.fullmatch(text[:64])
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, off_hour, off_minute = found.groups(default="0")
    offset = timedelta(hours=int(off_hour), minutes=int(off_minute))
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            int(second),
            int(f"{fraction:0<6.6}"),
            UTC,
        )
    except ValueError:
        return None
    return clamp((moment - _EPOCH - (offset if sign == "+" else -offset)) // _MICROSECOND)


def clamp(micros: int) -> int:
    """Return the nearest time that has a four-digit year."""
    return min(max(micros, _EARLIEST), _LATEST)


def write_time(micros: int, *, digits: int = 0) -> str:
    """Return RFC 3339 text in UTC, with at least so many digits of a second and no zeros after them."""
    whole, fraction = divmod(clamp(micros), 1_000_000)
    text = f"{fraction:06d}".rstrip("0").ljust(digits, "0")
    moment = (_EPOCH + timedelta(seconds=whole)).isoformat()[:19]
    return f"{moment}.{text}Z" if text else f"{moment}Z"
