"""Story: what happened to a profile's identity, kept with it and never growing without bound.

How it came by an identifier stands beside the identifier, and each merge is an account of its own. Notes are the
rest: what was refused, and what went over to another profile. The same thing again counts once more.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mien.core.message import Identifier

MOST_NOTES = 50
"""How many notes of a sort a profile keeps: those that happened last."""

GONE_OVER = "gone_over"
"""The identifier went over to another profile."""
REMOVED = "removed"
"""The identifier was removed by hand."""
LEFT = (GONE_OVER, REMOVED)
"""What is noted when an identifier leaves a profile."""
MADE_BESIDE = "made_beside"
"""The profile was made when somebody logged in beside another, anonymous one."""


class Note(NamedTuple):
    """Something that happened to an identifier: a Reason for which it was refused, GONE_OVER or REMOVED.

    `rule` is the type whose limit decided, and `other` the profile it went to; `message` and `source` are those of
    the last time, when `profile` had taken in `serial` messages. Times are microseconds since 1970. The identifier is
    known by its hash: it may be somebody else's.
    """

    what: str
    type: str
    key: bytes
    rule: str
    other: int
    times: int
    first_at: int
    last_at: int
    message: str
    source: str
    profile: int
    serial: int


Notes = Sequence[Note]


def note(notes: Notes, more: Iterable[Note]) -> Notes:
    """Return the notes with more of them; beyond MOST_NOTES of those that left, and of others, the last stay.

    The same thing again counts once more; but when an identifier left, each time is noted, for undoing a merge has to
    know what was whose when.
    """
    by_key: dict[tuple[object, ...], Note] = {}
    for new in (*notes, *more):
        key = (new.what, new.key, new.other, *((new.profile, new.serial) if new.what in LEFT else ()))
        have = by_key.pop(key, None)
        by_key[key] = new if have is None else _again(have, new)
    ordered = sorted(by_key.values(), key=lambda n: n.last_at)
    left = [n for n in ordered if n.what in LEFT][-MOST_NOTES:]
    others = [n for n in ordered if n.what not in LEFT][-MOST_NOTES:]
    return (*left, *others)


def _again(have: Note, new: Note) -> Note:
    last = max(have, new, key=lambda n: n.last_at)
    return last._replace(
        times=have.times + new.times,
        first_at=min(have.first_at, new.first_at),
    )


class Merge(NamedTuple):
    """How two profiles became one: the account of it, with which it can be undone.

    `serial` is how many messages the survivor had taken in before. `named` are the identifiers of the message that
    named profiles, with the profile each named; `refused` were passed over.
    """

    survivor: int
    absorbed: int
    serial: int
    at: int
    message: str
    source: str
    named: tuple[tuple[Identifier, int], ...]
    refused: tuple[tuple[Identifier, str], ...]


class Unmerge(NamedTuple):
    """How a merge was undone: when, of which profile, and what came of it.

    `came` are the profiles that hold today what the two held. `unkept` are the keys of traits that were set since by
    messages that are no longer kept.
    """

    merge: Merge
    at: int
    forever: bool
    came: tuple[int, int]
    unkept: tuple[str, ...]
