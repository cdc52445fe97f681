"""Why a query comes to what it does: each part with its truth and the values it looked at, and what would turn it.

Parts are weighed and measured by what evaluates them, so that an explanation and an answer cannot disagree.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from typing import Literal as OneOf

from msgspec import Struct

from mien.core.condition import View, measure, weigh
from mien.core.query import (
    AllMembers,
    And,
    AnyMember,
    Comparison,
    Condition,
    Literal,
    Not,
    Or,
    Query,
    Reduction,
    Scalar,
    TraitRef,
)
from mien.core.spans import NEVER
from mien.core.want import Want, want_of
from mien.core.wording import show


class Found(Struct, frozen=True, kw_only=True):
    """A value that was looked at, None when it is absent.

    `events` is of how many events it was made, None if it is not made of events; `trait` is the key of the trait it
    is, empty if it is none.
    """

    text: str
    value: Any
    events: int | None = None
    trait: str = ""


class Users(Struct, frozen=True):
    """For how many of an account's users a condition holds."""

    holding: int
    all: int


class Reason(Struct, frozen=True, kw_only=True):
    """A part of a query and what came of it.

    `held` is whether it holds, None for the value of a computed trait. `until` is until when that may be relied on if
    nothing happens, None for ever. A comparison has in `found` the values it compared, the left one first, and in
    `want` what would make it the opposite. A junction has `parts`, and ANY and ALL have `users`.
    """

    text: str
    word: OneOf["", "AND", "OR", "NOT", "ANY", "ALL"] = ""
    held: bool | None = None
    until: int | None = None
    found: tuple[Found, ...] = ()
    parts: "tuple[Reason, ...]" = ()
    users: Users | None = None
    want: Want | None = None


class Turn(Struct, frozen=True, kw_only=True):
    """What has to change so that a part becomes the opposite: `all` of several turns, `one` of them, or `this`:
    what `text` asks for must be as `want` says.

    `fewest` is how many comparisons have to change at the least. Each is looked at by itself: one that changes may
    make another needless, or undo it.
    """

    need: OneOf["all", "one", "this"]
    fewest: int = 1
    possible: bool = True
    turns: "tuple[Turn, ...]" = ()
    text: str = ""
    want: Want | None = None


_WORDS: dict[type, OneOf["AND", "OR"]] = {And: "AND", Or: "OR"}


def explain(query: Query, view: View) -> Reason:
    """Return a query with what came of each of its parts."""
    match query:
        case Comparison() | And() | Or() | Not() | AnyMember() | AllMembers():
            return _condition(query, view)
        case _:
            found, until = _found(query, view)
            return Reason(text=show(query), until=until, found=(found,))


def _condition(condition: Condition, view: View) -> Reason:
    held, due = weigh(condition, view)
    text, until = show(condition), _until(due)
    match condition:
        case And(parts=parts) | Or(parts=parts):
            inner = tuple(_condition(part, view) for part in parts)
            return Reason(text=text, word=_WORDS[type(condition)], held=held, until=until, parts=inner)
        case Not(part=part):
            return Reason(text=text, word="NOT", held=held, until=until, parts=(_condition(part, view),))
        case AnyMember(part=part) | AllMembers(part=part):
            weighed = [holds for holds, _ in view.facts.members(part)]
            users = Users(sum(weighed), len(weighed))
            word: OneOf["ANY", "ALL"] = "ANY" if isinstance(condition, AnyMember) else "ALL"
            return Reason(text=text, word=word, held=held, until=until, users=users)
        case Comparison():
            found = tuple(_found(scalar, view)[0] for scalar in (condition.scalar, *condition.operands))
            want = want_of(condition, [one.value for one in found], held=held)
            return Reason(text=text, held=held, until=until, found=found, want=want)
    raise TypeError(condition)


def _found(scalar: Scalar, view: View) -> tuple[Found, int | None]:
    value, due = measure(scalar, view)
    events = view.facts.times(scalar, view) if isinstance(scalar, Reduction) else None
    trait = scalar.path[0] if isinstance(scalar, TraitRef) else ""
    text = "" if isinstance(scalar, Literal) else show(scalar)
    return Found(text=text, value=value, events=events, trait=trait), _until(due)


def _until(due: int) -> int | None:
    return None if due == NEVER else due


def leaves(reason: Reason) -> Iterator[Reason]:
    """Yield the comparisons in a reason, and what it says of users, in the order of the query."""
    if not reason.parts:
        yield reason
    for part in reason.parts:
        yield from leaves(part)


def turn(reason: Reason) -> Turn:
    """Return what has to change so that a condition becomes the opposite of what it is."""
    match reason.word:
        case "":
            possible = reason.want is None or reason.want.possible
            return Turn(need="this", possible=possible, text=_left(reason), want=reason.want)
        case "NOT":
            return turn(reason.parts[0])
        case "AND" | "OR":
            return _turn_of_junction(reason)
    return _turn_of_members(reason)


def _turn_of_junction(reason: Reason) -> Turn:
    """All false parts of an AND have to turn, or one true part; of an OR all true parts, or one false part."""
    turns = [turn(part) for part in reason.parts if part.held is reason.held]
    if reason.held is (reason.word == "OR"):
        return _all(turns)
    return _one(turns)


def _all(turns: Sequence[Turn]) -> Turn:
    if len(turns) == 1:
        return turns[0]
    flat = tuple(_flat(turns, "all"))
    fewest, possible = sum(one.fewest for one in turns), all(one.possible for one in turns)
    return Turn(need="all", fewest=fewest, possible=possible, turns=flat)


def _one(turns: Iterable[Turn]) -> Turn:
    """Return one of these turns, the smallest first; those that cannot be are left out, unless none can."""
    ordered = sorted(turns, key=lambda one: (not one.possible, one.fewest))
    chosen = [one for one in ordered if one.possible] or ordered
    if len(chosen) == 1:
        return chosen[0]
    return Turn(need="one", fewest=chosen[0].fewest, possible=chosen[0].possible, turns=tuple(_flat(chosen, "one")))


def _flat(turns: Iterable[Turn], need: str) -> Iterable[Turn]:
    for one in turns:
        yield from one.turns if one.need == need else (one,)


def _left(reason: Reason) -> str:
    return reason.found[0].text or reason.text


def _turn_of_members(reason: Reason) -> Turn:
    users = reason.users or Users(0, 0)
    if reason.word == "ANY":
        want = Want("hold for none", by=-users.holding) if reason.held else Want("hold for one user more", by=1)
    else:
        missing = users.all - users.holding
        want = Want("fail for one user", by=-1) if reason.held else Want("hold for every user", by=missing)
    return Turn(need="this", text=reason.text, want=want)
