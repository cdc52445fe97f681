"""Tallies: what a reducer remembers of some events. Two become one, in any order, with the same outcome."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal
from typing import Any, NamedTuple

from mien.core import values
from mien.core.query import Reducer, Reduction, Session

MOST_DISTINCT = 10_000
"""How many different values a tally keeps (reference, Segment: 4.1): beyond it new ones are not kept."""

LONGEST_VALUE = 1024
"""Characters of a value that is told from others: longer ones are not kept."""

_QUOTIENT = Context(prec=40)


class Tallier(NamedTuple):
    """How one reducer tallies.

    `of` makes a tally of one event's value, its time and its order; None when the value is of no use. `result` is
    what a tally comes to; None when that is nothing. `form` is the type of a tally.
    """

    of: Callable[[Any, int, int], Any]
    plus: Callable[[Any, Any], Any]
    result: Callable[[Any], Any]
    form: Any


def tallier(reduction: Reduction) -> Tallier:
    """Return how a reduction tallies. In a session, which goes on by events of no use too, None is their tally."""
    own = _TALLIERS[reduction.reducer](reduction)
    if not isinstance(reduction.stream.window, Session):
        return own
    return own._replace(plus=_plus_none(own.plus), form=own.form | None)


def _plus_none(plus: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def add(a: Any, b: Any) -> Any:
        if a is None or b is None:
            return b if a is None else a
        return plus(a, b)

    return add


def _itself(tally: Any) -> Any:
    return tally


def _sum_of(value: Any, at: int, order: int) -> tuple[int, Decimal] | None:
    numbers = [one for item in values.items(value) if (one := values.number(item)) is not None]
    if not numbers:
        return None
    total = Decimal(0)
    for one in numbers:
        total = values.EXACT.add(total, one)
    return len(numbers), total


def _sum_plus(a: tuple[int, Decimal], b: tuple[int, Decimal]) -> tuple[int, Decimal]:
    return a[0] + b[0], values.EXACT.add(a[1], b[1])


def _best_number(value: Any, best: Callable[[Iterable[Decimal]], Decimal]) -> Decimal | None:
    numbers = [Decimal(one) for item in values.items(value) if (one := values.number(item)) is not None]
    return best(numbers) if numbers else None


def _best_text(value: Any, best: Callable[[Iterable[str]], str]) -> str | None:
    texts = [values.text(item) for item in values.items(value)]
    return best(texts) if texts else None


def _counter(kind: str | None) -> Callable[[Any, int, int], dict[str, int] | None]:
    """Return what counts values by their JSON text: understood as a kind, or as they are."""

    def count(value: Any, at: int, order: int) -> dict[str, int] | None:
        counted: dict[str, int] = {}
        for item in [value] if kind == "array" and value is not None else values.items(value):
            understood = _understood(item, kind)
            if understood is not None:
                text = values.write(understood).decode()
                if len(text) > LONGEST_VALUE:
                    continue
                counted[text] = counted.get(text, 0) + 1
        return counted or None

    return count


def _understood(item: Any, kind: str | None) -> Any:
    if kind == "string":
        return values.text(item)
    return values.number(item) if kind == "number" else item


def _add(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    both = dict(a)
    for text, times in b.items():
        if text in both:
            both[text] += times
        elif len(both) < MOST_DISTINCT:
            both[text] = times
    return both


def _most_frequent(tally: dict[str, int], least: int) -> Any:
    """Return the value that is there most often; of several the first by its text."""
    most = max(tally.values())
    if most < least:
        return None
    return _read(_by_text(text for text, times in tally.items() if times == most)[0])


def _by_text(written: Iterable[str]) -> list[str]:
    """Return JSON texts in the order of the texts of their values, whatever order they came in."""
    return sorted(written, key=lambda text: (values.text(_read(text)), text))


def _moment(value: Any, at: int, order: int) -> tuple[int, int, str] | None:
    return None if value is None else (at, order, values.write(value).decode())


def _value_of(tally: tuple[int, int, str]) -> Any:
    return _read(tally[2])


def _read(text: str) -> Any:
    return values.read(text.encode())


def _extreme(reduction: Reduction) -> Tallier:
    best = min if reduction.reducer is Reducer.MIN else max
    if reduction.kind == "number":
        return Tallier(lambda value, at, order: _best_number(value, best), best, _itself, Decimal)
    return Tallier(lambda value, at, order: _best_text(value, best), best, _itself, str)


def _mode(reduction: Reduction) -> Tallier:
    least = reduction.frequency
    return Tallier(_counter(reduction.kind), _add, lambda tally: _most_frequent(tally, least), dict[str, int])


_COUNTED = Tallier(lambda value, at, order: 1, lambda a, b: a + b, _itself, int)
_SUM = Tallier(_sum_of, _sum_plus, lambda tally: tally[1], tuple[int, Decimal])
_AVG = Tallier(_sum_of, _sum_plus, lambda tally: _QUOTIENT.divide(tally[1], tally[0]), tuple[int, Decimal])
_FIRST = Tallier(_moment, min, _value_of, tuple[int, int, str])
_LAST = Tallier(_moment, max, _value_of, tuple[int, int, str])
_UNIQUE = Tallier(_counter(None), _add, lambda tally: [_read(text) for text in _by_text(tally)], dict[str, int])
_UNIQUE_COUNT = Tallier(_counter(None), _add, len, dict[str, int])

_TALLIERS: Mapping[Reducer, Callable[[Reduction], Tallier]] = {
    Reducer.COUNT: lambda _: _COUNTED,
    Reducer.SUM: lambda _: _SUM,
    Reducer.AVG: lambda _: _AVG,
    Reducer.MIN: _extreme,
    Reducer.MAX: _extreme,
    Reducer.MODE: _mode,
    Reducer.FIRST: lambda _: _FIRST,
    Reducer.LAST: lambda _: _LAST,
    Reducer.UNIQUE: lambda _: _UNIQUE,
    Reducer.UNIQUE_COUNT: lambda _: _UNIQUE_COUNT,
}
