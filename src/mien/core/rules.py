"""The identity rules of a space: what each type of identifier may do, and which values never identify anybody."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import re2
from msgspec import Struct

from mien.core.message import Identifier

UNREADABLE = "\ufffd"
"""Stands where a character of the input could not be read; a value that holds it identifies nobody."""

MOST = 1_000_000
"""A limit may not be higher: counting within a period looks at every value."""

NOBODY = frozenset(
    {
        *("null", "undefined", "none", "nil", "nan", "void", "unknown", "n/a", "na", "true", "false"),
        *("anonymous", "guest", "unidentified", "not_authenticated", "not_set", "(not_set)"),
        *("[object_object]", "{}", "[]", "0", "-1", "infinity", "-infinity", "00000000-0000-0000-0000-000000000000"),
        *("id", "distinct_id", "distinctid", "user_id", "userid", "email"),
    }
)
"""Values that never identify anybody, unless a space has a list of its own; spaces are written `_`.

They come from programs that had nothing to send: unset variables, placeholders, names of fields.
"""


class Login(StrEnum):
    """What the first sight of a login identifier does beside an anonymous profile the message also names."""

    CONVERT = "convert"
    """The anonymous profile becomes the known one."""
    LINK = "link"
    """A new profile is made, which remembers the anonymous one."""
    ISOLATE = "isolate"
    """A new profile is made, and nothing is carried over."""


class Logout(StrEnum):
    """To whom a device belongs after a logout."""

    NEW = "new"
    """To a new anonymous profile, each time."""
    BACK = "back"
    """To the anonymous profile that already holds its identifiers."""


class TypeRule(Struct, frozen=True, kw_only=True):
    """How one type of identifier behaves.

    A profile holds at most `limit` values within any `period` microseconds (None: ever). A lower `priority`
    number ranks higher. `blocked` values, and those that match one of `patterns` (RE2), identify nobody.

    `unique`: where profiles are not merged, a value goes over to the profile a message names. `login`: a profile that
    holds one is known, and is not found by a message that has none of its login identifiers. `immutable`: set once,
    and a profile that holds one is not found by a message that does not name it. `fold_case`: values are kept and
    looked up in lower case.
    """

    limit: int = 5
    period: int | None = None
    priority: int = 3
    blocked: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    unique: bool = False
    login: bool = False
    immutable: bool = False
    fold_case: bool = False


class Contradiction(NamedTuple):
    """What is wrong with rules: where, by the names of the settings, and why."""

    path: tuple[str, ...]
    reason: str


class Rules(Struct, frozen=True, kw_only=True):
    """The identity rules of one space. Types that are not listed follow `other`, if `auto_add` lets them in.

    With `merge` all profiles that one message names become one. Without, the best ranking identifier that names one
    decides, and a later type only breaks a tie.
    """

    types: Mapping[str, TypeRule] = {}
    other: TypeRule = TypeRule()
    auto_add: bool = True
    max_merges: int = 100
    max_identifiers: int = 1000
    nobody: frozenset[str] = NOBODY
    merge: bool = True
    on_login: Login = Login.CONVERT
    on_logout: Logout = Logout.BACK

    def of(self, type: str) -> TypeRule:  # noqa: A002 (the glossary's word)
        """Return the rule for a type of identifier."""
        return self.types.get(type, self.other)

    def custom_types(self, known: Iterable[str]) -> frozenset[str]:
        """Return the types this space configures beyond `known`."""
        return frozenset(self.types) - frozenset(known)

    @property
    def guards(self) -> bool:
        """Whether some profiles are not found by every message that names them."""
        return any(rule.login or rule.immutable for rule in (*self.types.values(), self.other))

    def canonical(self, identifier: Identifier) -> Identifier:
        """Return the identifier as it is kept and looked up."""
        if self.types.get(identifier.type, self.other).fold_case:
            return identifier._replace(value=identifier.value.lower())
        return identifier

    def rank(self, identifier: Identifier) -> tuple[int, str]:
        """Return what sorts identifiers best first."""
        return self.of(identifier.type).priority, identifier.type

    def is_nobody(self, identifier: Identifier) -> bool:
        """Say whether a value identifies nobody."""
        value, rule = identifier.value, self.of(identifier.type)
        if not value.strip() or rule.limit < 1 or UNREADABLE in value or value in rule.blocked:
            return True
        # The longest placeholder is short: most values are not looked at twice.
        if len(value) <= _LONGEST and "_".join(value.lower().split()) in self.nobody:
            return True
        return any(compiled(pattern).search(value) for pattern in rule.patterns)

    def contradictions(self) -> Iterator[Contradiction]:
        """Yield what contradicts itself."""
        for name, rule in [*self.types.items(), ("other", self.other)]:
            where = (name,) if name == "other" else ("types", name)
            yield from (Contradiction((*where, *one.path), one.reason) for one in _contradictions_of(rule))
            if rule.immutable and name == "other":
                yield Contradiction(("other", "immutable"), "name the type: it cannot hold for every other type")
        yield from self._contradictions_in_ranking()
        if self.merge and self.on_login is not Login.CONVERT:
            yield Contradiction(("on_login",), f"`{self.on_login}` keeps profiles apart that `merge: true` makes one")
        if self.merge and self.on_logout is Logout.NEW:
            yield Contradiction(("on_logout",), "`new` keeps profiles apart that `merge: true` makes one")
        if self.on_login is not Login.CONVERT and not self._types_that("login"):
            yield Contradiction(("on_login",), f"`{self.on_login}` needs a type with `login: true`")

    def _types_that(self, behave: str) -> list[str]:
        return [name for name, rule in self.types.items() if getattr(rule, behave)]

    def _contradictions_in_ranking(self) -> Iterator[Contradiction]:
        """Yield types that rank before one which has to come first: an immutable one, then one that logs in."""
        others = [*self.types.items(), *([("other", self.other)] if self.auto_add else [])]
        for behave in ("immutable", "login"):
            last = max((self.types[name].priority for name in self._types_that(behave)), default=None)
            for name, rule in others:
                if last is not None and not getattr(rule, behave) and rule.priority < last:
                    where = (name,) if name == "other" else ("types", name)
                    yield Contradiction((*where, "priority"), f"must be {last} or more: `{behave}` types rank first")


def _contradictions_of(rule: TypeRule) -> Iterator[Contradiction]:
    if rule.limit > MOST:
        yield Contradiction(("limit",), f"at most {MOST:,}")
    if rule.immutable:
        if not rule.unique or not rule.login:
            yield Contradiction(("immutable",), "an immutable type must be `unique` and `login` too")
        if rule.limit != 1 or rule.period is not None:
            yield Contradiction(("immutable",), "an immutable type has `limit: 1` and no period: it is set once")
    for pattern in rule.patterns:
        try:
            compiled(pattern)
        except ValueError as error:
            yield Contradiction(("blocked_patterns",), f"`{pattern}`: {error}")


@lru_cache(1024)
def compiled(pattern: str) -> Any:
    """Return a linear-time regular expression; raise ValueError with the reason when it cannot be one."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        raise ValueError(reason.decode() if isinstance(reason, bytes) else str(reason)) from None


_LONGEST = 100
"""How long a placeholder may be."""
