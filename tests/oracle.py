"""An evaluator of queries that is slow and obviously right: for every answer it goes through a whole history.

It keeps nothing, and knows nothing of how Mien evaluates: its numbers are fractions, its texts and times its own.
docs/reference/definitions.md says in words what it says in code.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, NamedTuple

from mien.core import query as q
from mien.core.definition import Definition
from mien.core.message import USERS, Message
from mien.core.query import Operator as Op
from mien.core.query import Reducer as By

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Past(NamedTuple):
    """All that is known of somebody.

    `messages` are those of the whole history, in any order. `traits` are the JSON texts that readers see: of what is
    computed, and of custom traits where nothing is computed under their key. `users` are those of an account.
    """

    messages: Sequence[Message] = ()
    traits: Mapping[str, bytes] = {}
    users: Sequence["Past"] = ()


class Scope(NamedTuple):
    """Where a question is asked: of whom, when, and within which event."""

    past: Past
    now: int
    event: Message | None = None
    parent: Message | None = None


def belongs(definition: Definition, condition: Any, past: Past, *, known: bool, now: int) -> bool:
    """Say whether somebody is in an audience. `known` is whether they are more than a browser or a device."""
    if definition.expires_at is not None and now >= definition.expires_at:
        return False
    if definition.collection == USERS and not known and not definition.anonymous:
        return False
    return holds(condition, past, now=now)


def holds(condition: Any, past: Past, *, now: int) -> bool:
    """Say whether a condition holds of somebody at an instant."""
    return _holds(condition, Scope(past, now))


def value(scalar: Any, past: Past, *, now: int) -> bytes | None:
    """Return what a computed trait comes to at an instant, as JSON text; None when it is absent."""
    scope = Scope(past, now)
    found = _reduced(scalar, scope) if isinstance(scalar, q.Reduction) else _measured(scalar, scope)
    return None if found is None else _json(found).encode()


def _holds(condition: Any, scope: Scope) -> bool:
    match condition:
        case q.And(parts):
            return all(_holds(part, scope) for part in parts)
        case q.Or(parts):
            return any(_holds(part, scope) for part in parts)
        case q.Not(part):
            return not _holds(part, scope)
        case q.AnyMember(part):
            return any(holds(part, user, now=scope.now) for user in scope.past.users)
        case q.AllMembers(part):
            return all(holds(part, user, now=scope.now) for user in scope.past.users)
    operands = [_measured(operand, scope) for operand in condition.operands]
    left = _measured(condition.scalar, scope)
    return _compares(condition.operator, left, operands, scope.now, condition.span)


# Values


def _measured(scalar: Any, scope: Scope) -> Any:
    """Return a value; None when it is absent."""
    event = scope.event
    found = None
    match scalar:
        case q.Literal(given):
            found = Fraction(given) if isinstance(given, Decimal) else given
        case q.TraitRef((key, *path)):
            found = _walk(_read(scope.past.traits.get(key, b"null")), path)
        case q.PropertyRef(path, is_of_parent):
            looked_at = scope.parent if is_of_parent else event
            found = None if looked_at is None else _walk(_read(looked_at.properties), path)
        case q.ContextRef(path):
            found = None if event is None else _walk(_read(event.context), path)
        case q.TimeRef():
            found = None if event is None else _time_text(event.timestamp)
        case q.Reduction():
            found = _reduced(scalar, scope)
            if found is None and scalar.reducer in {By.COUNT, By.SUM, By.UNIQUE_COUNT}:
                found = 0
    return found


def _read(text: bytes) -> Any:
    return json.loads(text, parse_float=Fraction)


def _walk(found: Any, path: Sequence[str]) -> Any:
    """Go down a path; into every item of a list, from which what is found is gathered."""
    if not path:
        return found
    if isinstance(found, dict):
        return _walk(found.get(path[0]), path[1:])
    if not isinstance(found, list):
        return None
    rest = path[1:] if path[0] == "$" else path
    gathered = [one for item in found for one in _items(_walk(item, rest))]
    return gathered or None


def _items(found: Any) -> list[Any]:
    return [one for one in (found if isinstance(found, list) else [found]) if one is not None]


def _json(found: Any) -> str:
    return json.dumps(_plain(found), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _plain(found: Any) -> Any:
    """Return a value as JSON has it: a number that is whole without its fraction."""
    if isinstance(found, Fraction):
        return int(found) if found.denominator == 1 else float(found)
    if isinstance(found, list):
        return [_plain(item) for item in found]
    if isinstance(found, dict):
        return {key: _plain(item) for key, item in found.items()}
    return found


def _text(found: Any) -> str:
    return found if isinstance(found, str) else _json(found)


def _number(found: Any) -> Fraction | None:
    if isinstance(found, str) and re.fullmatch(r"\s*[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?\s*", found):
        return Fraction(found.strip())
    return Fraction(found) if _is_number(found) else None


def _is_number(found: Any) -> bool:
    return isinstance(found, int | Fraction) and not isinstance(found, bool)


def _time(found: Any) -> int | None:
    try:
        moment = datetime.fromisoformat(found.strip())
    except (ValueError, AttributeError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)


def _time_text(at: int) -> str:
    return (EPOCH + timedelta(microseconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# Comparisons


def _compares(operator: Op, left: Any, operands: Sequence[Any], now: int, span: int) -> bool:
    there = left is not None
    match operator:
        case Op.EXISTS:
            held = there
        case Op.ABSENT:
            held = not there
        case Op.OMITS:
            held = not _holds_of_one(Op.CONTAINS, left, operands)
        case Op.DIFFERS:
            held = there and not _holds_of_one(Op.EQUALS, left, operands)
        case Op.NONE_OF:
            held = there and not _holds_of_one(Op.ONE_OF, left, operands)
        case Op.WITHIN_LAST:
            held = any(now - span <= moment <= now for moment in _times(left))
        case Op.WITHIN_NEXT:
            held = any(now <= moment <= now + span for moment in _times(left))
        case Op.BEFORE_LAST:
            held = any(moment <= now - span for moment in _times(left))
        case Op.AFTER_NEXT:
            held = any(moment >= now + span for moment in _times(left))
        case _:
            held = _holds_of_one(operator, left, operands)
    return held


def _times(found: Any) -> list[int]:
    return [moment for item in _items(found) if (moment := _time(item)) is not None]


def _holds_of_one(operator: Op, left: Any, operands: Sequence[Any]) -> bool:
    """Say whether a comparison holds of one value with one operand. Lists equal lists as a whole, too."""
    if (
        operator is Op.EQUALS
        and isinstance(left, list)
        and isinstance(operands[0], list)
        and _same(left, operands[0])
    ):
        return True
    several = operator in {Op.CONTAINS, Op.ONE_OF, Op.NONE_OF}
    there = [one for operand in operands for one in (_items(operand) if several else [operand]) if one is not None]
    return any(_TESTS[operator](item, operand) for item in _items(left) for operand in there)


def _are(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return a test of two values as two numbers if one of them is a number, else as two texts."""

    def holds_of_both(one: Any, other: Any) -> bool:
        if isinstance(one, list | dict) or isinstance(other, list | dict):
            return False
        if not _is_number(one) and not _is_number(other):
            return test(_text(one), _text(other))
        a, b = _number(one), _number(other)
        return a is not None and b is not None and test(a, b)

    return holds_of_both


def _are_times(test: Callable[[int, int], bool]) -> Callable[[Any, Any], bool]:
    def holds_of_both(one: Any, other: Any) -> bool:
        a, b = _time(one), _time(other)
        return a is not None and b is not None and test(a, b)

    return holds_of_both


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | dict) or isinstance(other, list | dict):
        return _text(one) == _text(other)
    return _are(lambda a, b: a == b)(one, other)


_TESTS: Mapping[Op, Callable[[Any, Any], bool]] = {
    Op.EQUALS: _same,
    Op.ONE_OF: _same,
    Op.GREATER_THAN: _are(lambda one, other: one > other),
    Op.AT_LEAST: _are(lambda one, other: one >= other),
    Op.LESS_THAN: _are(lambda one, other: one < other),
    Op.AT_MOST: _are(lambda one, other: one <= other),
    Op.CONTAINS: lambda one, other: _text(other) in _text(one),
    Op.STARTS_WITH: lambda one, other: _text(one).startswith(_text(other)),
    Op.ENDS_WITH: lambda one, other: _text(one).endswith(_text(other)),
    Op.MATCHES: lambda one, other: fnmatchcase(_text(one), _text(other).replace("[", "[[]")),
    Op.BEFORE_DATE: _are_times(lambda one, other: one < other),
    Op.AFTER_DATE: _are_times(lambda one, other: one > other),
}


# Events


def _reduced(reduction: q.Reduction, scope: Scope) -> Any:
    """Return what a reduction comes to; None when there is nothing to reduce."""
    events = sorted(_left(reduction.stream, scope), key=lambda e: (e.timestamp, e.order))
    if reduction.reducer is By.COUNT:
        return len(events) or None
    found = [_measured(reduction.of, Scope(scope.past, scope.now, event)) for event in events]
    found = [one for one in found if one is not None]
    return _REDUCERS[reduction.reducer](found, reduction) if found else None


def _each(found: Sequence[Any]) -> list[Any]:
    """Return values with the items of lists by themselves."""
    return [item for one in found for item in _items(one)]


def _as(kind: str, found: Sequence[Any]) -> list[Any]:
    """Return values as they are understood: those that can be."""
    if kind == "array":
        return list(found)
    if kind == "string":
        return [_text(item) for item in _each(found)]
    return [number for item in _each(found) if (number := _number(item)) is not None]


def _sum(found: Sequence[Any], reduction: q.Reduction) -> Any:
    numbers = _as("number", found)
    return sum(numbers, Fraction()) if numbers else None


def _average(found: Sequence[Any], reduction: q.Reduction) -> Any:
    numbers = _as("number", found)
    return sum(numbers, Fraction()) / len(numbers) if numbers else None


def _most_frequent(found: Sequence[Any], reduction: q.Reduction) -> Any:
    """Return the value that is there most often; of several the first by its text."""
    understood = _as(reduction.kind, found)
    times = Counter(_json(one) for one in understood)
    most = max(times.values(), default=0)
    if not times or most < reduction.frequency:
        return None
    return next(one for one in _distinct(understood) if times[_json(one)] == most)


_REDUCERS: Mapping[By, Callable[[Sequence[Any], q.Reduction], Any]] = {
    By.FIRST: lambda found, _: found[0],
    By.LAST: lambda found, _: found[-1],
    By.SUM: _sum,
    By.AVG: _average,
    By.MIN: lambda found, reduction: min(_as(reduction.kind, found), default=None),
    By.MAX: lambda found, reduction: max(_as(reduction.kind, found), default=None),
    By.MODE: _most_frequent,
    By.UNIQUE: lambda found, _: _distinct(_each(found)) or None,
    By.UNIQUE_COUNT: lambda found, _: len(_distinct(_each(found))) or None,
}


def _distinct(items: Sequence[Any]) -> list[Any]:
    by_json = {_json(item): item for item in items}
    return [by_json[text] for text in sorted(by_json, key=lambda text: (_text(by_json[text]), text))]


def _left(stream: q.Stream, scope: Scope) -> list[Message]:
    """Return the events that the filters of a stream leave."""
    left = [
        message
        for message in scope.past.messages
        if message.event == stream.event
        and message is not scope.event
        and message.source not in stream.excluded
        and (stream.where is None or _holds(stream.where, Scope(scope.past, scope.now, message, scope.event)))
    ]
    match stream.window:
        case q.Sliding(oldest, newest):
            left = [e for e in left if e.timestamp > scope.now - oldest]
            return [e for e in left if newest is None or e.timestamp <= scope.now - newest]
        case q.AfterParent(first, last):
            at = scope.event.timestamp if scope.event else 0
            return [e for e in left if at + first <= e.timestamp <= at + last]
        case q.Session(idle):
            return _session(left, idle, scope.now)
    return left


def _session(events: Sequence[Message], idle: int, now: int) -> list[Message]:
    """Return the events of the session that goes on: going back from now's, until there was a pause."""
    session: list[Message] = []
    for event in sorted(events, key=lambda e: e.timestamp, reverse=True):
        if event.timestamp + idle <= (session[-1].timestamp if session else now):
            break
        session.append(event)
    return session
