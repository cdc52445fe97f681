"""Rows of what is computed: how far it is, who is in an audience, what changed."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from mien.core.computed import Cause, Change
from mien.core.definition import Definition


class Evaluation(Struct, frozen=True, kw_only=True, array_like=True):
    """How far a space is with its definitions.

    Every profile was evaluated for those up to the number `settled`; readers see values by `epoch`. Those up to
    `target` are being evaluated: `cursor` is the last profile that was, None when nothing is to be done; `done` of
    `total` profiles, since `began_at`. `last_id` is the highest id that an audience ever had.
    """

    settled: int = 0
    epoch: int = 1
    target: int = 0
    cursor: int | None = None
    done: int = 0
    total: int = 0
    began_at: int = 0
    last_id: int = 0


class Backlog(NamedTuple):
    """Profiles whose time has come: how many have to be looked at at once, up to 10,000, and since when the one
    of the others waits that waits longest; None when none does.
    """

    at_once: int
    since: int | None


class DefinitionRecord(NamedTuple):
    """A definition of a space."""

    space: str
    definition: Definition


class Member(NamedTuple):
    """Somebody in an audience: since when, and why."""

    profile: int
    since: int
    cause: Cause


class Stay(NamedTuple):
    """A time that somebody was in an audience, by the number of its definition; `until` is None while they are."""

    profile: int
    number: int
    since: int
    until: int | None
    entered: Cause
    left: Cause | None


class Size(NamedTuple):
    """How many were in an audience at the end of a day, and how many had entered and left in it.

    `day` is the time at which it began, UTC.
    """

    day: int
    size: int
    entered: int
    left: int


class ChangesRow(NamedTuple):
    """What readers saw change of a profile at once."""

    at: int
    profile: int
    changes: Sequence[Change]
