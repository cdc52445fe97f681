"""Query: what a definition asks, as a tree. The language is Segment's (reference: 4.4); parser.py reads its text.

An audience asks a Condition, a computed trait a Scalar. Durations are microseconds.
"""

from enum import StrEnum
from typing import Literal as OneOf

from msgspec import Struct

from mien.core.values import Value

Path = tuple[str, ...]
"""The keys to walk from an object to a value within it."""


class Literal(Struct, frozen=True):
    """A value that stands in the query."""

    value: Value


class TraitRef(Struct, frozen=True):
    """A trait of the profile: custom, computed, or an audience by its key."""

    path: Path


class PropertyRef(Struct, frozen=True):
    """A property of the event that is looked at, or, with `parent`, of the event around it."""

    path: Path
    parent: bool = False


class ContextRef(Struct, frozen=True):
    """A value in the context of the event that is looked at."""

    path: Path


class TimeRef(Struct, frozen=True):
    """The time of the event that is looked at, as ISO 8601 text in UTC. Ours: Segment has no word for it."""


EventValue = PropertyRef | ContextRef | TimeRef


class Sliding(Struct, frozen=True):
    """Events that happened less than `oldest` ago and, where `newest` is given, at least that long ago."""

    oldest: int
    newest: int | None = None


class Session(Struct, frozen=True):
    """Events of the session that goes on: it ends when nothing has happened for `idle`."""

    idle: int


class AfterParent(Struct, frozen=True):
    """Events at least `first` and at most `last` after the event around them."""

    first: int
    last: int


Window = Sliding | Session | AfterParent


class Stream(Struct, frozen=True):
    """The events of one name that satisfy a condition, come from none of some sources, and lie in a window."""

    event: str
    where: "Condition | None" = None
    excluded: tuple[str, ...] = ()
    window: Window | None = None


class Reducer(StrEnum):
    """How a stream becomes one value."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    MODE = "mode"
    FIRST = "first"
    LAST = "last"
    UNIQUE = "unique"
    UNIQUE_COUNT = "unique_count"
    """`unique(…).count()`"""


class Reduction(Struct, frozen=True):
    """A stream reduced to one value.

    `of` is what is reduced, None for `count`. `kind` is how values are understood: `number` or `string` for MIN and
    MAX; `number`, `string` or `array` for MODE. `frequency` is the least number of times for MODE.
    """

    stream: Stream
    reducer: Reducer
    of: EventValue | None = None
    kind: OneOf["number", "string", "array"] = "string"
    frequency: int = 2


Scalar = Literal | TraitRef | EventValue | Reduction


class Operator(StrEnum):
    """A comparison, by the name of its function."""

    EQUALS = "equals"
    DIFFERS = "differs"
    ABSENT = "absent"
    EXISTS = "exists"
    GREATER_THAN = "greater_than"
    AT_LEAST = "at_least"
    LESS_THAN = "less_than"
    AT_MOST = "at_most"
    CONTAINS = "contains"
    OMITS = "omits"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    MATCHES = "matches"
    """A pattern in which `*` is any text and `?` one character. Ours, for mParticle's `pattern` (reference: 4.4)."""
    ONE_OF = "one_of"
    NONE_OF = "none_of"
    BEFORE_DATE = "before_date"
    AFTER_DATE = "after_date"
    WITHIN_LAST = "within_last"
    WITHIN_NEXT = "within_next"
    BEFORE_LAST = "before_last"
    AFTER_NEXT = "after_next"


class Comparison(Struct, frozen=True):
    """A scalar compared with `operands`; `span` is the duration of those comparisons that look at a clock.

    EQUALS to AT_MOST, OMITS, STARTS_WITH, ENDS_WITH, MATCHES, BEFORE_DATE and AFTER_DATE have one operand, CONTAINS,
    ONE_OF and NONE_OF one or more, the others none.
    """

    scalar: Scalar
    operator: Operator
    operands: tuple[Scalar, ...] = ()
    span: int = 0


class And(Struct, frozen=True):
    """All parts hold."""

    parts: "tuple[Condition, ...]"


class Or(Struct, frozen=True):
    """One of the parts holds."""

    parts: "tuple[Condition, ...]"


class Not(Struct, frozen=True):
    """The part does not hold."""

    part: "Condition"


class AnyMember(Struct, frozen=True):
    """It holds for one of an account's users."""

    part: "Condition"


class AllMembers(Struct, frozen=True):
    """It holds for every user of an account; for an account without users, too."""

    part: "Condition"


Condition = Comparison | And | Or | Not | AnyMember | AllMembers
Query = Condition | Scalar
