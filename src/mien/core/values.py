"""Values as definitions see them: what JSON holds, numbers exact, and how two of them compare.

docs/reference/definitions.md states these rules for whoever writes a query; what is absent satisfies no comparison
but `absent` and `omits`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation
from functools import lru_cache
from types import NoneType
from typing import Any

import msgspec

Number = int | Decimal
Value = str | bool | int | Decimal
"""What a query can write down."""

Path = Sequence[str]

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode

EXACT = Context(prec=5000, Emin=MIN_EMIN, Emax=MAX_EMAX)
"""Sums of numbers of a double's range fit into it: nothing is ever rounded."""
_NUMBER = re.compile(r"[+-]?(\d{1,400})(\.\d{1,400})?([eE][+-]?\d{1,3})?", re.ASCII)
_LARGEST, _LARGEST_WHOLE = Decimal("1e309"), 10**309
LONGEST_NUMBER, LONGEST_TIME = 400, 64
"""Longer text is neither: what is understood once is remembered, and must be short."""
_NESTED, _NUMERIC, _PLAIN = (list, dict), (int, Decimal), (str, int, NoneType)  # a union is made at each call
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def read(text: bytes) -> Any:
    """Return what a JSON text holds, with decimal numbers as they are written."""
    return _decode(text)


def write(value: Any) -> bytes:
    """Return the JSON text of a value: keys sorted, whole numbers without a fraction, others as a double has them."""
    return _encode(_written(value))


def _written(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 10**21 else float(value)
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    return value


def walk(value: Any, path: Path) -> Any:
    """Return what lies at a path, None when nothing does.

    A step into a list is a step into each of its items, and gathers what is found in a list, None when that is
    nothing; `$` is that step by itself, as Segment writes it.
    """
    for place, key in enumerate(path):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list):
            rest = path[place + 1 :] if key == "$" else path[place:]
            found = [walk(item, rest) for item in value]
            return [one for item in found for one in items(item)] or None
        else:
            return None
    return value


def items(value: Any) -> Iterator[Any]:
    """Yield what there is: the items of a list, or the value itself unless it is absent."""
    if isinstance(value, list):
        yield from (item for item in value if item is not None)
    elif value is not None:
        yield value


def number(value: Any) -> Number | None:
    """Return a value as a number: numbers, and text that is one. None for all else, true and false included."""
    if value is True or value is False:
        return None
    if isinstance(value, Decimal):
        return value if abs(value) < _LARGEST else None
    if isinstance(value, int):
        return value if -_LARGEST_WHOLE < value < _LARGEST_WHOLE else None
    return _number_in(value) if isinstance(value, str) and len(value) <= LONGEST_NUMBER else None


@lru_cache(2000)
def _number_in(text: str) -> Number | None:
    if not _NUMBER.fullmatch(text.strip()):
        return None
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    return found if abs(found) < _LARGEST else None


def text(value: Any) -> str:
    """Return a value as text: strings as they are, all else as its JSON."""
    return value if isinstance(value, str) else write(value).decode()


def time(value: Any) -> int | None:
    """Return microseconds since 1970 for a date or time in ISO 8601; without a zone it is UTC. None for all else."""
    return read_time(value) if isinstance(value, str) and len(value) <= LONGEST_TIME else None


@lru_cache(2000)
def read_time(written: str) -> int | None:
    """Return microseconds since 1970 for text in ISO 8601; None when it is none."""
    if len(written) > LONGEST_TIME:
        return None
    try:
        moment = datetime.fromisoformat(written.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def write_time(micros: int) -> str:
    """Return a time as text that `read_time` reads and that sorts as the times do."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def order(one: Any, other: Any) -> int | None:
    """Return -1, 0 or 1 as one value is less than, equal to, or greater than another; None when they do not compare.

    If one of the two is a number both are understood as numbers; otherwise both as text, by code points.
    """
    if _is_number(one) or _is_number(other):
        a, b = number(one), number(other)
        return None if a is None or b is None else (a > b) - (a < b)
    if isinstance(one, _NESTED) or isinstance(other, _NESTED) or one is None or other is None:
        return None
    c, d = text(one), text(other)
    return (c > d) - (c < d)


def _is_number(value: Any) -> bool:
    return isinstance(value, _NUMERIC) and value is not True and value is not False


def same(one: Any, other: Any) -> bool:
    """Say whether two values are equal: as `order` has it, or as JSON where they are lists or objects."""
    if isinstance(one, _NESTED) or isinstance(other, _NESTED):
        return text(one) == text(other)
    return order(one, other) == 0


def matches(value: str, pattern: str) -> bool:
    """Say whether text matches a pattern in which `*` is any text and `?` one character."""
    return _glob(pattern).matches(value)


class _Glob:
    """A pattern, matched in time proportional to text times pattern at worst."""

    def __init__(self, pattern: str) -> None:
        self._first, *self._rest = pattern.split("*")

    def matches(self, value: str) -> bool:
        if not self._rest:
            return len(value) == len(self._first) and _at(value, 0, self._first)
        *between, last = self._rest
        if len(value) < len(self._first) + len(last) or not _at(value, 0, self._first):
            return False
        place, end = len(self._first), len(value) - len(last)
        for part in between:
            place = next((p for p in range(place, end - len(part) + 1) if _at(value, p, part)), -1)
            if place < 0:
                return False
            place += len(part)
        return place <= end and _at(value, end, last)


@lru_cache(1000)
def _glob(pattern: str) -> _Glob:
    return _Glob(pattern)


def _at(value: str, place: int, part: str) -> bool:
    return all(c in {"?", value[place + n]} for n, c in enumerate(part))


def distinct(values: Iterable[Any]) -> list[Any]:
    """Return values without repetitions, by their text, in its order."""
    return [one for _, one in sorted({text(value): value for value in values}.items())]
