"""Want: what has to become of the left side of a comparison so that it is the opposite of what it is."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from msgspec import Struct

from mien.core import values
from mien.core.condition import nothing
from mien.core.memory import is_plain
from mien.core.query import Comparison, Literal, Operator, Reducer, Reduction, Scalar
from mien.core.wording import duration, show

Number = int | Decimal

_COUNTED = {Reducer.COUNT, Reducer.UNIQUE_COUNT}
_GROWING = {Reducer.COUNT, Reducer.UNIQUE_COUNT, Reducer.MAX}


class Want(Struct, frozen=True):
    """What has to become of the left side of a comparison: it must … (`words`).

    `by` is how much more it must be, below 0 how much less, where that is a number; with `beyond` by even more.
    What is not `possible` cannot come about by what happens to the profile.
    """

    words: str
    by: Number | None = None
    beyond: bool = False
    possible: bool = True


_MUST: Mapping[Operator, tuple[str, str]] = {
    Operator.EQUALS: ("be {}", "be other than {}"),
    Operator.DIFFERS: ("be there, and other than {}", "be {}, or absent"),
    Operator.ABSENT: ("be absent", "be there"),
    Operator.EXISTS: ("be there", "be absent"),
    Operator.GREATER_THAN: ("be more than {}", "be at most {}"),
    Operator.AT_LEAST: ("be at least {}", "be less than {}"),
    Operator.LESS_THAN: ("be less than {}", "be at least {}"),
    Operator.AT_MOST: ("be at most {}", "be more than {}"),
    Operator.CONTAINS: ("contain {}", "not contain {}"),
    Operator.OMITS: ("not contain {}", "contain {}"),
    Operator.STARTS_WITH: ("start with {}", "not start with {}"),
    Operator.ENDS_WITH: ("end with {}", "not end with {}"),
    Operator.MATCHES: ("match {}", "not match {}"),
    Operator.ONE_OF: ("be {}", "be other than {}"),
    Operator.NONE_OF: ("be there, and other than {}", "be {}, or absent"),
    Operator.BEFORE_DATE: ("be a time before {}", "not be a time before {}"),
    Operator.AFTER_DATE: ("be a time after {}", "not be a time after {}"),
    Operator.WITHIN_LAST: ("be a time in the last {}", "not be a time in the last {}"),
    Operator.WITHIN_NEXT: ("be a time in the next {}", "not be a time in the next {}"),
    Operator.BEFORE_LAST: ("be a time before the last {}", "not be a time before the last {}"),
    Operator.AFTER_NEXT: ("be a time after the next {}", "not be a time after the next {}"),
}
"""What the left side must be so that a comparison holds, and so that it does not."""

_OPPOSITE = {
    Operator.GREATER_THAN: Operator.AT_MOST,
    Operator.AT_LEAST: Operator.LESS_THAN,
    Operator.LESS_THAN: Operator.AT_LEAST,
    Operator.AT_MOST: Operator.GREATER_THAN,
    Operator.DIFFERS: Operator.EQUALS,
    Operator.EQUALS: Operator.DIFFERS,
}

_WITHOUT_RIGHT = {Operator.DIFFERS, Operator.NONE_OF, Operator.OMITS}
"""Comparisons that may hold when what stands on the right is absent."""


def want_of(comparison: Comparison, found: Sequence[Any], *, held: bool) -> Want:
    """Return what would make a comparison the opposite; `found` are the values it compared, the left one first."""
    value, *others = found
    if comparison.span:
        return Want(_MUST[comparison.operator][held].format(duration(comparison.span)))
    if not held and others and comparison.operator not in _WITHOUT_RIGHT and all(o is None for o in others):
        absent = " or ".join(show(operand) for operand in comparison.operands)
        return Want(f"find {absent} there: nothing compares with what is absent")
    if held and comparison.operator is Operator.EXISTS and _is_always_there(comparison.scalar):
        return Want("be absent: a count and a sum are always there", possible=False)
    rights = [_right(operand, o) for operand, o in zip(comparison.operands, others, strict=True)]
    words = _MUST[comparison.operator][held].format(_listed(rights))
    if len(others) != 1:
        return Want(words)
    operator = _OPPOSITE.get(comparison.operator) if held else comparison.operator
    return _by(comparison.scalar, operator, value, others[0], words)


def _is_always_there(scalar: Scalar) -> bool:
    return isinstance(scalar, Reduction) and nothing(scalar) is not None


def _right(operand: Scalar, value: Any) -> str:
    """Return what stands on the right as it is read: its value, and what asks for it unless it is written there."""
    return worded(value) if isinstance(operand, Literal) else f"{worded(value)} ({show(operand)})"


def _listed(texts: Sequence[str]) -> str:
    return " or ".join(texts) if len(texts) < 3 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def worded(value: Any) -> str:
    """Return a value as a query writes it, lists and objects as JSON; `absent` for none."""
    if value is None:
        return "absent"
    if isinstance(value, str | bool):
        return show(Literal(value))
    return values.text(value)


def _by(scalar: Scalar, wanted: Operator | None, value: Any, other: Any, words: str) -> Want:
    have, bound = values.number(value), values.number(other)
    if have is None or bound is None or wanted is None or (isinstance(value, str) and isinstance(other, str)):
        return Want(words)
    counted = isinstance(scalar, Reduction) and scalar.reducer in _COUNTED
    goal = _goal(wanted, bound, counted=counted)
    if goal is None:
        return Want(words)
    by = _plain(goal - have)
    if counted and goal < 0:
        return Want(f"{words}: a count is never below 0", possible=False)
    if by < 0 and _only_grows(scalar):
        return Want(f"{words}: without a window it never becomes less", by=by, possible=False)
    return Want(words, by=by, beyond=not counted and wanted in {Operator.GREATER_THAN, Operator.LESS_THAN})


def _goal(wanted: Operator, bound: Number, *, counted: bool) -> Decimal | None:
    """Return the nearest value that satisfies a comparison, of a count the nearest whole one; None if none is."""
    exact = Decimal(bound)
    up, down = exact.to_integral_value(ROUND_CEILING), exact.to_integral_value(ROUND_FLOOR)
    match wanted:
        case Operator.EQUALS:
            return None if counted and up != exact else exact
        case Operator.AT_LEAST:
            return up if counted else exact
        case Operator.AT_MOST:
            return down if counted else exact
        case Operator.GREATER_THAN:
            return down + 1 if counted else exact
        case Operator.LESS_THAN:
            return up - 1 if counted else exact
    return None


def _plain(number: Decimal) -> Number:
    return int(number) if number == number.to_integral_value() else number


def _only_grows(scalar: Scalar) -> bool:
    """Say whether events that have happened make a value at least as great for ever."""
    if not isinstance(scalar, Reduction) or scalar.reducer not in _GROWING or scalar.kind == "array":
        return False
    return scalar.stream.window is None and is_plain(scalar)
