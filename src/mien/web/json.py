"""JSON at the door: strict and fast for what is sound, forgiving for what real clients send.

Some values are legal to write and cannot be kept: numbers beyond a double's range, halves of surrogate pairs, the
NaN that several client libraries produce. They are cut out, and reported, so that the rest is not lost.
"""

import json
from typing import Any

import msgspec

from mien.core.rules import UNREADABLE
from mien.errors import Invalid

MAX_DEPTH = 100
MAX_DIGITS = 4300
"""As many as Python itself reads without being told to."""


class TooDeep(Invalid):
    """The JSON is nested too deep."""


_CUT = object()
_decode = msgspec.json.Decoder().decode


def read_json(text: bytes) -> tuple[Any, int]:
    """Return the value of a JSON text and how many values in it were cut or mended.

    An object loses the key of a value that cannot be kept, a list has null in its place, an unreadable character
    becomes U+FFFD. Raise Invalid when it is not JSON or nested deeper than 100 levels.
    """
    try:
        value, cuts = _decode(text), 0
    except (ValueError, RecursionError):
        value, cuts = _read_leniently(text)
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise _too_deep()
    return value, cuts


def _read_leniently(text: bytes) -> tuple[Any, int]:
    try:
        readable = text.decode("utf-8", "replace")
        value = json.loads(readable, parse_constant=lambda _: _CUT, parse_float=_read_float, parse_int=_read_int)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise Invalid("The body is not valid JSON.") from None
    if _depth(value) > MAX_DEPTH:
        raise _too_deep()
    cuts = [text.count(b"\xef\xbf\xbd") != readable.count(UNREADABLE)]
    return _clean(value, cuts), sum(cuts)


def _read_float(digits: str) -> Any:
    number = float(digits)
    return _CUT if number in {float("inf"), float("-inf")} else number


def _read_int(digits: str) -> Any:
    return _CUT if len(digits.lstrip("-")) > MAX_DIGITS else int(digits)


def _clean(value: Any, cuts: list[bool]) -> Any:
    if isinstance(value, dict):
        cuts += [True for item in value.values() if item is _CUT]
        return {_clean(k, cuts): _clean(item, cuts) for k, item in value.items() if item is not _CUT}
    if isinstance(value, list):
        return [_clean(item, cuts) for item in value]
    if value is _CUT:
        cuts.append(True)
        return None
    if isinstance(value, str) and not _sound(value):
        cuts.append(True)
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _sound(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _depth(value: Any) -> int:
    """Return how deep a value is nested, looking no deeper than one level beyond the limit."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        level = [
            item
            for outer in level
            if isinstance(outer, (dict, list))
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        depth += 1
    return depth


def _too_deep() -> TooDeep:
    return TooDeep(f"The JSON is nested deeper than {MAX_DEPTH} levels.")
