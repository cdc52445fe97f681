"""Which profiles are one person, and why.

One resolver for every dialect. What differs between vendors (priorities, limits, blocked values, caps) is a
setting in `Rules`; `preset` has the documented defaults. The documented algorithm, step by step, is in
docs/reference/identity.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import re2
from msgspec import Struct
from msgspec.structs import replace

from mien.core.message import Identifier

UNREADABLE = "\ufffd"
"""Stands where a character of the input could not be read; a value that holds it identifies nobody."""

OWN_ID = "$id"
"""The type under which a profile's own id is looked up. No source can claim a type that starts with `$`."""


class Reason(StrEnum):
    """Why an identifier was not taken into the profile."""

    BLOCKED = "id_value_blocked"
    UNKNOWN_TYPE = "id_type_unknown"
    LIMIT = "id_limit_exceeded"
    PERIOD_LIMIT = "id_time_limit_exceeded"
    MERGE_LIMIT = "profile_merge_limit_exceeded"
    MAPPING_LIMIT = "id_mapping_limit_exceeded"


class Refusal(NamedTuple):
    """An identifier that was not taken, and why."""

    identifier: Identifier
    reason: Reason


class TypeRule(Struct, frozen=True, kw_only=True):
    """How one type of identifier behaves.

    A profile holds at most `limit` values within any `period` microseconds (None: ever). A lower `priority`
    number ranks higher. `blocked` values, and those that match one of `patterns` (RE2), identify nobody.
    """

    limit: int = 5
    period: int | None = None
    priority: int = 3
    blocked: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()


class Rules(Struct, frozen=True, kw_only=True):
    """The identity rules of one space. Types that are not listed follow `other`, if `auto_add` lets them in."""

    types: Mapping[str, TypeRule] = {}
    other: TypeRule = TypeRule()
    auto_add: bool = True
    max_merges: int = 100
    max_identifiers: int = 1000

    def of(self, type: str) -> TypeRule:  # noqa: A002 (the glossary's word)
        """Return the rule for a type of identifier."""
        return self.types.get(type, self.other)

    def custom_types(self, known: Iterable[str]) -> frozenset[str]:
        """Return the types this space configures beyond `known`."""
        return frozenset(self.types) - frozenset(known)


class Held(NamedTuple):
    """How a profile came by an identifier: when (microseconds since 1970), and through which message."""

    at: int
    source: str
    message: str


class Owner(Protocol):
    """What the resolver needs to know of a profile. A smaller id is an older profile."""

    @property
    def id(self) -> int:
        """The profile's id."""

    @property
    def identifiers(self) -> Mapping[tuple[str, str], Held]:
        """What it holds, by type and value."""

    @property
    def members(self) -> tuple[int, ...]:
        """The profiles it absorbed."""


class Resolution(Struct, frozen=True):
    """Which profile a message belongs to, which ones it makes one with it, and why.

    `survivor` is None when no identifier was left. `claimed` are the identifiers that name the survivor from now
    on, whether new or not, best first.
    """

    survivor: int | None
    absorbed: tuple[int, ...]
    claimed: tuple[Identifier, ...]
    refused: tuple[Refusal, ...]


BLOCKED = frozenset({"-1", "null", "anonymous"})
BLOCKED_PATTERNS = ("^[0-]*$",)


def preset(name: str) -> Rules:
    """Return the documented default rules of a vendor; raise KeyError when there is no such preset.

    `segment`: user_id once ever, everything else five times; user_id ranks before email, the rest follow in
    alphabetical order; at most 100 merges and 1,000 identifiers.
    """
    if name != "segment":
        raise KeyError(name)
    usual = TypeRule(blocked=BLOCKED, patterns=BLOCKED_PATTERNS)
    types = {
        "user_id": replace(usual, limit=1, priority=1),
        "email": replace(usual, priority=2),
        # One id is the whole of an account, so it can never hold two.
        "group_id": replace(usual, limit=1, priority=1),
    }
    return Rules(types=types, other=usual)


def resolve(
    identifiers: Sequence[Identifier],
    owners: Mapping[Identifier, Owner],
    rules: Rules,
    *,
    at: int,
    new_id: int,
) -> Resolution:
    """Say which profile these identifiers name, which ones it absorbs, and why.

    All identifiers are of one collection. `at` is the message's timestamp. While the outcome would break a
    limit, the lowest ranking identifier of the message is dropped and the rest are tried again.
    """
    claims, refused = screen(identifiers, rules)
    while claims:
        known = sorted({owners[i].id: owners[i] for i in claims if i in owners}.values(), key=lambda o: o.id)
        reason = _misfit(claims, known, owners, rules, at)
        if reason is None:
            kept = _within_cap(claims, known, owners, rules, refused)
            survivor, *absorbed = [owner.id for owner in known] or [new_id]
            return Resolution(survivor, tuple(absorbed), tuple(kept), tuple(refused))
        refused.append(Refusal(claims.pop(), reason))
    return Resolution(None, (), (), tuple(refused))


def screen(identifiers: Iterable[Identifier], rules: Rules) -> tuple[list[Identifier], list[Refusal]]:
    """Return the identifiers that may name somebody, best first and each once, and those that never do."""
    claims: dict[Identifier, None] = {}
    refused = []
    for identifier in identifiers:
        reason = _blocked(identifier, rules)
        if reason is None:
            claims[identifier] = None
        else:
            refused.append(Refusal(identifier, reason))
    return sorted(claims, key=lambda i: (rules.of(i.type).priority, i.type)), refused


def _blocked(identifier: Identifier, rules: Rules) -> Reason | None:
    value, rule = identifier.value, rules.of(identifier.type)
    if identifier.type not in rules.types and not rules.auto_add:
        return Reason.UNKNOWN_TYPE
    if not value or rule.limit < 1 or UNREADABLE in value or value in rule.blocked:
        return Reason.BLOCKED
    if any(compiled(pattern).search(value) for pattern in rule.patterns):
        return Reason.BLOCKED
    return None


@lru_cache(1024)
def compiled(pattern: str) -> Any:
    """Return a linear-time regular expression; raise ValueError with the reason when it cannot be one."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(str(error)) from None


def _misfit(
    claims: Sequence[Identifier],
    known: Sequence[Owner],
    owners: Mapping[Identifier, Owner],
    rules: Rules,
    at: int,
) -> Reason | None:
    """Say which rule the union of these profiles and identifiers would break, if any."""
    new = [identifier for identifier in claims if identifier not in owners]
    if len(known) > 1:
        if sum(len(owner.members) for owner in known) + len(known) - 1 > rules.max_merges:
            return Reason.MERGE_LIMIT
        if sum(len(owner.identifiers) for owner in known) > rules.max_identifiers:
            return Reason.MAPPING_LIMIT
    kinds = {identifier.type for identifier in new}
    if len(known) > 1:
        kinds.update(kind for owner in known for kind, _ in owner.identifiers)
    for kind in kinds:
        rule = rules.of(kind)
        apart = [{v: held.at for (t, v), held in owner.identifiers.items() if t == kind} for owner in known]
        union = {i.value: at for i in new if i.type == kind}.items() | {x for times in apart for x in times.items()}
        fullest = most_within([time for _, time in union], rule.period)
        # Rules may have been tightened: what a profile holds already is no reason to refuse what does not add to it.
        if fullest > rule.limit and fullest > max((most_within(t.values(), rule.period) for t in apart), default=0):
            return Reason.LIMIT if rule.period is None else Reason.PERIOD_LIMIT
    return None


def most_within(times: Iterable[int], period: int | None) -> int:
    """Return how many of the times fall into the fullest window of this length; all without one."""
    ordered = sorted(times)
    if period is None:
        return len(ordered)
    start = most = 0
    for end, time in enumerate(ordered):
        while time - ordered[start] >= period:
            start += 1
        most = max(most, end - start + 1)
    return most


def _within_cap(
    claims: Sequence[Identifier],
    known: Sequence[Owner],
    owners: Mapping[Identifier, Owner],
    rules: Rules,
    refused: list[Refusal],
) -> list[Identifier]:
    """Return the identifiers for which the profile has room; the others are added to `refused`."""
    room = rules.max_identifiers - sum(len(owner.identifiers) for owner in known)
    kept = []
    for identifier in claims:
        if identifier not in owners:
            if room <= 0:
                refused.append(Refusal(identifier, Reason.MAPPING_LIMIT))
                continue
            room -= 1
        kept.append(identifier)
    return kept
