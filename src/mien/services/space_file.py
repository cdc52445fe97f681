"""The settings of a space as they stand in a file, and what they mean."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import limits
from msgspec import Meta, Struct, field, structs
from msgspec.structs import replace

from mien.core.fold import Policy
from mien.core.message import TYPE
from mien.core.presets import PRESETS
from mien.core.rules import Login, Logout, Rules, TypeRule, compiled
from mien.core.space import DAY, Retention, Space
from mien.services.fault import Fault, at, convert

_DURATION = re.compile(r"(\d{1,6})\s*(s|m|h|d|w|y|seconds?|minutes?|hours?|days?|weeks?|years?)")
_UNITS = {"s": DAY // 86_400, "m": DAY // 1440, "h": DAY // 24, "d": DAY, "w": 7 * DAY, "y": 365 * DAY}
_PERIODS = {"daily": DAY, "weekly": 7 * DAY, "monthly": 30 * DAY, "annually": 365 * DAY, "ever": None}
LONGEST = 1000 * 365 * DAY
MOST_MEMBERS = 10_000
"""A profile is written whole: neither merges nor identifiers may go beyond this."""
Count = Annotated[int, Meta(ge=0)]


class _TypeFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    limit: Count | None = None
    period: str | None = None
    priority: int | None = None
    blocked: list[str] | None = None
    blocked_patterns: list[str] | None = None
    unique: bool | None = None
    login: bool | None = None
    immutable: bool | None = None
    fold_case: bool | None = None


class _IdentityFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    preset: str = "segment"
    types: dict[str, _TypeFile] = {}
    other: _TypeFile = field(default_factory=_TypeFile)
    auto_add: bool | None = None
    max_merges: Annotated[int, Meta(ge=0, le=MOST_MEMBERS)] | None = None
    max_identifiers: Annotated[int, Meta(ge=1, le=MOST_MEMBERS)] | None = None
    nobody: list[str] | None = None
    merge: bool | None = None
    on_login: Login | None = None
    on_logout: Logout | None = None


class _TraitsFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    policy: Literal["last_updated"] = "last_updated"
    limit: Count = 6000


class _RetentionFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    events: str = "14d"
    served_events: str = "14d"
    profiles: str = "never"
    changes: str = "14d"
    memberships: str = "365d"


class _SpaceFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The settings of a space, without its sources and without what belongs to a dialect."""

    name: str = ""
    identity: _IdentityFile = field(default_factory=_IdentityFile)
    traits: _TraitsFile = field(default_factory=_TraitsFile)
    retention: _RetentionFile = field(default_factory=_RetentionFile)
    rate_limits: dict[str, str] = {}


def space_of(slug: str, document: Mapping[str, Any]) -> Space:
    """Return the space a document describes; raise Fault with the path in the document and the reason."""
    dialects = document.get("dialects", {})
    plain = {key: value for key, value in document.items() if key != "dialects"}
    given = convert(plain, _SpaceFile)
    return Space(
        slug=slug,
        name=given.name or slug,
        policy=Policy(rules=_rules(given.identity), max_traits=given.traits.limit),
        retention=_retention(given.retention),
        rate_limits=_rates(given.rate_limits),
        dialects=dialects,
    )


def _retention(given: _RetentionFile) -> Retention:
    keep = {}
    for name, text in structs.asdict(given).items():
        with at("retention", name):
            keep[name] = duration(text)
    if keep["events"] is not None and keep["events"] < DAY:
        raise Fault("must be a day or more: repetitions are recognised as long", "retention", "events")
    return Retention(**keep)


def _rates(given: Mapping[str, str]) -> dict[str, str | None]:
    rates = {}
    for dialect, text in given.items():
        with at("rate_limits", dialect):
            rates[dialect] = _rate(text)
    return rates


def _rules(given: _IdentityFile) -> Rules:
    if given.preset not in PRESETS:
        raise Fault(f"there is no such preset; there are {', '.join(PRESETS)}", "identity", "preset")
    base = PRESETS[given.preset]
    with at("identity", "other"):
        other = _type_rule(given.other, base.other)
    types = dict(base.types)
    for name, rule in given.types.items():
        with at("identity", "types", name):
            types[name] = _type_rule(rule, base.types.get(_type_name(name), other))
    names = ("auto_add", "max_merges", "max_identifiers", "merge", "on_login", "on_logout")
    rules = replace(base, types=types, other=other, **_given(given, names))
    if given.nobody is not None:
        rules = replace(rules, nobody=frozenset("_".join(value.lower().split()) for value in given.nobody))
    for path, reason in rules.contradictions():
        raise Fault(reason, "identity", *path)
    return rules


def _given(settings: Struct, names: Iterable[str]) -> dict[str, Any]:
    """Return those of the settings that stand in the file."""
    return {name: value for name in names if (value := getattr(settings, name)) is not None}


def _type_name(text: str) -> str:
    if not TYPE.fullmatch(text):
        raise ValueError("cannot name a type: use lower-case letters, digits, `_` and `.`, at most 100")
    return text


def _type_rule(given: _TypeFile, base: TypeRule) -> TypeRule:
    rule = replace(base, **_given(given, ("limit", "priority", "unique", "login", "immutable", "fold_case")))
    blocked = base.blocked if given.blocked is None else frozenset(given.blocked)
    return replace(
        rule,
        period=base.period if given.period is None else _period(given.period),
        blocked=frozenset(value.lower() for value in blocked) if rule.fold_case else blocked,
        patterns=base.patterns if given.blocked_patterns is None else _patterns(given.blocked_patterns),
    )


def _patterns(given: Sequence[str]) -> tuple[str, ...]:
    for position, pattern in enumerate(given):
        with at("blocked_patterns", position):
            compiled(pattern)
    return tuple(given)


def _period(text: str) -> int | None:
    with at("period"):
        return _PERIODS[text] if text in _PERIODS else duration(text)


def duration(text: str) -> int | None:
    """Return the microseconds in `14d`, `12 hours` and the like; None for `never` and `forever`."""
    if text in {"never", "forever"}:
        return None
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise ValueError(f"`{text}` is not a duration: write `14d`, `12h`, `90 days` or `never`")
    micros = int(found[1]) * _UNITS[found[2][0]]
    if not 0 < micros <= LONGEST:
        raise ValueError(f"`{text}` must be more than nothing and at most 1000 years")
    return micros


def _rate(text: str) -> str | None:
    if text == "unlimited":
        return None
    try:
        limits.parse(text)
    except ValueError:
        raise ValueError(f"`{text}` is not a rate: write `100/second` or `unlimited`") from None
    return text
