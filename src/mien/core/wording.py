"""Wording: the one text of a query, from which parser.py reads the query again."""

import re
from collections.abc import Iterator

from mien.core.grammar import SYMBOLS, UNITS
from mien.core.query import (
    AfterParent,
    AllMembers,
    And,
    AnyMember,
    Comparison,
    Condition,
    ContextRef,
    Literal,
    Not,
    Or,
    Path,
    PropertyRef,
    Query,
    Reducer,
    Reduction,
    Scalar,
    Session,
    Sliding,
    Stream,
    TimeRef,
    TraitRef,
    Window,
)
from mien.core.values import Value

_SYMBOL = {operator: symbol for symbol, operator in reversed(SYMBOLS.items())}
_PREFIX = {Not: "NOT", AnyMember: "ANY", AllMembers: "ALL"}


def show(query: Query | Stream) -> str:
    """Return the text of a query, or of a part of one. Queries that differ have different texts, 1 and true included.

    The parser makes the same query of it, unless it is longer than a query may be: it can be longer than the text
    that the query was read from.
    """
    match query:
        case And(parts):
            return " AND ".join(_part(part, And, Or) for part in parts)
        case Or(parts):
            return " OR ".join(_part(part, Or) for part in parts)
        case Not(part) | AnyMember(part) | AllMembers(part):
            return f"{_PREFIX[type(query)]} {_part(part, And, Or)}"
        case Comparison():
            return _comparison(query)
        case Stream():
            return f"event({_text(query.event)}){''.join(_filters(query))}"
        case _:
            return _scalar(query)


def _part(part: Condition, *looser: type[And] | type[Or]) -> str:
    return f"({show(part)})" if isinstance(part, looser) else show(part)


def _comparison(query: Comparison) -> str:
    operands = ", ".join(show(operand) for operand in query.operands)
    if query.operator in _SYMBOL:
        return f"{show(query.scalar)} {_SYMBOL[query.operator]} {operands}"
    return f"{show(query.scalar)}.{query.operator}({duration(query.span) if query.span else operands})"


def _scalar(query: Scalar) -> str:
    match query:
        case Literal(value):
            return _constant(value)
        case TraitRef(path):
            return f"trait({_path(path)})"
        case PropertyRef(path, parent):
            return f"property({'parent: ' if parent else ''}{_path(path)})"
        case ContextRef(path):
            return f"context({_path(path)})"
        case TimeRef():
            return "timestamp()"
        case Reduction():
            return f"{show(query.stream)}.{_reducer(query)}"


def _reducer(query: Reduction) -> str:
    of = show(query.of) if query.of is not None else ""
    match query.reducer:
        case Reducer.UNIQUE_COUNT:
            return f"unique({of}).count()"
        case Reducer.MIN | Reducer.MAX if query.kind == "string":
            return f"{query.reducer}({of} as string)"
        case Reducer.MODE:
            kind = "" if query.kind == "string" else f" as {query.kind}"
            return f"mode({of}{kind}, {query.frequency})"
        case _:
            return f"{query.reducer}({of})"


def _filters(stream: Stream) -> Iterator[str]:
    match stream.where:
        case None:
            pass
        case And(parts) if any(isinstance(part, And | Or) for part in parts):
            # The same as one `where` with parentheses, and never deeper than what it was read from.
            yield from (f".where({show(part)})" for part in parts)
        case condition:
            yield f".where({show(condition)})"
    if stream.excluded:
        yield f".sources({{exclude: [{', '.join(map(_text, stream.excluded))}]}})"
    if stream.window:
        yield _window(stream.window)


def _window(window: Window) -> str:
    match window:
        case Sliding(oldest, None):
            return f".within({duration(oldest)})"
        case Sliding(oldest, int(newest)):
            return f".between({duration(newest)}, {duration(oldest)})"
        case Session(idle):
            return f".expires_after({duration(idle)})"
        case AfterParent(0, last):
            return f".within(parent: {duration(last)})"
        case AfterParent(first, last):
            return f".between(parent: {duration(first)}, {duration(last)})"
    raise TypeError(window)


def duration(span: int) -> str:
    """Return a duration as a query writes it."""
    unit = next((unit for unit in ("day", "hour") if span % UNITS[unit] == 0), "minute")
    count = span // UNITS[unit]
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _constant(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else str(value)


def _path(path: Path) -> str:
    return _text(".".join(re.sub(r"([.\\])", r"\\\1", key) for key in path))


def _text(value: str) -> str:
    return "'" + re.sub(r"(['\\])", r"\\\1", value) + "'"
