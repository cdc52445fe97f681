"""The settings of a space as they stand in a file, and what they mean."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import limits
import msgspec
from msgspec import Meta, Struct, field

from mien.core.fold import Policy
from mien.core.identity import Rules, TypeRule, compiled, preset
from mien.core.space import DAY, Retention, Space
from mien.errors import SettingsRefused

_DURATION = re.compile(r"(\d{1,6})\s*(s|m|h|d|w|y|seconds?|minutes?|hours?|days?|weeks?|years?)")
_UNITS = {"s": DAY // 86_400, "m": DAY // 1440, "h": DAY // 24, "d": DAY, "w": 7 * DAY, "y": 365 * DAY}
_PERIODS = {"daily": DAY, "weekly": 7 * DAY, "monthly": 30 * DAY, "annually": 365 * DAY, "ever": None}
LONGEST = 1000 * 365 * DAY
Count = Annotated[int, Meta(ge=0)]


class _TypeFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    limit: Count | None = None
    period: str | None = None
    priority: int | None = None
    blocked: list[str] | None = None
    blocked_patterns: list[str] | None = None


class _IdentityFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    preset: Literal["segment"] = "segment"
    types: dict[str, _TypeFile] = {}
    other: _TypeFile = field(default_factory=_TypeFile)
    auto_add: bool = True
    max_merges: Count | None = None
    max_identifiers: Count | None = None


class _TraitsFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    policy: Literal["last_updated"] = "last_updated"
    limit: Count = 6000


class _RetentionFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    events: str = "14d"
    served_events: str = "14d"
    profiles: str = "never"


class _SpaceFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The settings of a space, without its sources and without what belongs to a dialect."""

    name: str = ""
    identity: _IdentityFile = field(default_factory=_IdentityFile)
    traits: _TraitsFile = field(default_factory=_TraitsFile)
    retention: _RetentionFile = field(default_factory=_RetentionFile)
    rate_limits: dict[str, str] = {}


def space_of(slug: str, document: Mapping[str, Any]) -> Space:
    """Return the space a document describes; raise SettingsRefused with the place and the reason."""
    dialects = document.get("dialects", {})
    plain = {key: value for key, value in document.items() if key != "dialects"}
    try:
        given = msgspec.convert(plain, _SpaceFile)
        return Space(
            slug=slug,
            name=given.name or slug,
            policy=Policy(rules=_rules(given.identity), max_traits=given.traits.limit),
            retention=_retention(given.retention),
            rate_limits={dialect: _rate(rate) for dialect, rate in given.rate_limits.items()},
            dialects=dialects,
        )
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsRefused(f"In space `{slug}`: {error}") from None


def _retention(given: _RetentionFile) -> Retention:
    keep = Retention(
        events=duration(given.events),
        served_events=duration(given.served_events),
        profiles=duration(given.profiles),
    )
    if keep.events is not None and keep.events < DAY:
        raise ValueError("`retention.events` must be a day or more: repetitions are recognised as long")
    return keep


def _rules(given: _IdentityFile) -> Rules:
    base = preset(given.preset)
    other = _type_rule("other", given.other, base.other)
    own = {t: _type_rule(t, rule, base.types.get(t, other)) for t, rule in given.types.items()}
    types = {**base.types, **own}
    return Rules(
        types=types,
        other=other,
        auto_add=given.auto_add,
        max_merges=base.max_merges if given.max_merges is None else given.max_merges,
        max_identifiers=base.max_identifiers if given.max_identifiers is None else given.max_identifiers,
    )


def _type_rule(name: str, given: _TypeFile, base: TypeRule) -> TypeRule:
    if not re.fullmatch(r"[a-z0-9_.]{1,100}", name):
        raise ValueError(f"`identity.types`: `{name}` has other than lower-case letters, digits, `_` and `.`")
    patterns = tuple(base.patterns if given.blocked_patterns is None else given.blocked_patterns)
    for pattern in patterns:
        try:
            compiled(pattern)
        except ValueError as error:
            raise ValueError(f"`identity.types.{name}.blocked_patterns`: `{pattern}`: {error}") from None
    return TypeRule(
        limit=base.limit if given.limit is None else given.limit,
        period=base.period if given.period is None else _period(given.period),
        priority=base.priority if given.priority is None else given.priority,
        blocked=base.blocked if given.blocked is None else frozenset(given.blocked),
        patterns=patterns,
    )


def _period(text: str) -> int | None:
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
        raise ValueError(f"`rate_limits`: `{text}` is not a rate: write `100/second` or `unlimited`") from None
    return text
