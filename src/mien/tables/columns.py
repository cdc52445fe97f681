"""What the columns of a table are, and what a row of it says."""

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from mien.core.message import TYPE, USERS, Identifier, Kind, Message
from mien.core.rules import Rules
from mien.errors import Invalid
from mien.web.times import read_time

MAX_VALUES = 1000
"""Traits or properties of one row."""
MAX_BYTES = 256 * 1024
"""The JSON of all of them."""
MAX_ID_LENGTH = 1024

_encode = msgspec.json.Encoder(order="deterministic").encode
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
_EPOCH = re.compile(r"[0-9]{9,14}(\.[0-9]{1,9})?")
"""Seconds or milliseconds since 1970 as text: a date such as 20261122 has fewer digits."""


class RowRefused(Exception):
    """A row cannot be taken in. The reason holds none of its values."""


class Columns(Struct, frozen=True, kw_only=True):
    """What to make of the columns of a table whose rows describe, or happened to, profiles of a collection.

    `identifiers` are pairs of a column and a type; the first that a row has is its key. All other columns are values:
    traits, or properties where rows are events, under their own names unless `names` has another, and no others than
    those in `names` and `only` where `only` is given. `timestamp` and `event_column` are no values. With `infer`,
    text that is a number, or true or false, becomes that.
    """

    identifiers: Sequence[tuple[str, str]]
    collection: str = USERS
    names: Mapping[str, str] = {}
    only: frozenset[str] | None = None
    timestamp: str | None = None
    event: str | None = None
    event_column: str | None = None
    infer: bool = False

    @property
    def events(self) -> bool:
        """Whether rows are events."""
        return self.event is not None or self.event_column is not None

    def check(self, header: Sequence[str] | None) -> None:
        """Raise Invalid when these columns contradict themselves, or are not those a header names."""
        if not self.identifiers:
            raise Invalid("Say which column identifies a row, such as `--id store_id=id`.")
        for _, kind in self.identifiers:
            if not TYPE.fullmatch(kind):
                raise Invalid(
                    f"`{kind[:100]}` cannot be a type of identifier: use lower-case letters, digits, `_` and `.`."
                )
        if self.event is not None and (self.event_column is not None or not self.event):
            raise Invalid("Rows have the name of an event, or a column that holds it: give one of the two.")
        if header is not None:
            self._check_header(header)

    def _check_header(self, header: Sequence[str]) -> None:
        given = [column for column, _ in self.identifiers] + [*self.names, *sorted(self.only or ())]
        for column in [*given, self.timestamp, self.event_column]:
            if column is not None and column not in header:
                raise Invalid(f"There is no column `{column[:100]}`: the header names {', '.join(header)[:500]}.")
        seen: dict[str, str] = {}
        for column in header:
            key = self.key_of(column)
            if key is not None and seen.setdefault(key, column) != column:
                raise Invalid(f"The columns `{seen[key]}` and `{column}` would both be kept as `{key}`.")

    def key_of(self, column: str) -> str | None:
        """Return the key under which the values of a column are kept, None when they are not."""
        if column in self.names:
            return self.names[column]
        if self.only is not None:
            return column if column in self.only else None
        special = column in {self.timestamp, self.event_column} or any(column == c for c, _ in self.identifiers)
        return None if special else column


class Said(NamedTuple):
    """What a row says. `timestamp` and `event` are None where the table has none."""

    identifiers: tuple[Identifier, ...]
    timestamp: int | None
    event: str | None
    values: Mapping[str, bytes]

    def digest(self, source: str, times: int = 0) -> str:
        """Return the id of its message: the same for the same source and content, but for the times it was said.

        It does not depend on when, or on which line, it was read.
        """
        values = {key: Raw(value) for key, value in self.values.items()}
        content = [source, self.identifiers, self.timestamp, self.event, values, times]
        return f"import-{blake2b(_encode(content), digest_size=16).hexdigest()}"

    def message(self, space: str, source: str, id: str, *, now: int, order: int) -> Message:  # noqa: A002
        """Return the message; what has no time happens now."""
        collection = self.identifiers[0].collection
        given = {key: Raw(value) for key, value in self.values.items()}
        return Message(
            space=space,
            source=source,
            id=id,
            kind=Kind.IDENTIFY if self.event is None else Kind.TRACK,
            timestamp=now if self.timestamp is None else self.timestamp,
            order=order,
            identifiers=self.identifiers,
            subject=collection,
            traits=dict(self.values) if self.event is None else {},
            event=self.event,
            properties=b"{}" if self.event is None else _encode(given),
        )


def read_row(row: Mapping[str, Any], columns: Columns, rules: Rules) -> Said:
    """Return what a row says; raise RowRefused with the reason when it cannot be taken in."""
    try:
        return Said(
            identifiers=_identifiers(row, columns, rules),
            timestamp=_timestamp(row, columns),
            event=_event(row, columns),
            values=_values(row, columns),
        )
    except UnicodeEncodeError:
        raise RowRefused("it holds a character that cannot be kept") from None


def _identifiers(row: Mapping[str, Any], columns: Columns, rules: Rules) -> tuple[Identifier, ...]:
    found: dict[Identifier, None] = {}
    for column, kind in columns.identifiers:
        text = _id_text(row.get(column), column)
        if text:
            found[rules.canonical(Identifier(columns.collection, kind, text))] = None
    if not found:
        raise RowRefused("it has no identifier")
    if all(rules.is_nobody(identifier) for identifier in found):
        raise RowRefused("its identifier has a value that identifies nobody")
    return tuple(found)


def _id_text(value: Any, column: str) -> str:
    """Return an identifier as text, without the blanks around it; nothing when there is none."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowRefused(f"`{column}` is an identifier, but neither text nor a whole number")
    text = str(value).strip()
    if len(text) > MAX_ID_LENGTH:
        raise RowRefused(f"`{column}` is longer than {MAX_ID_LENGTH:,} characters")
    text.encode()
    return text


def _timestamp(row: Mapping[str, Any], columns: Columns) -> int | None:
    if columns.timestamp is None:
        return None
    given = row.get(columns.timestamp)
    if isinstance(given, str) and _EPOCH.fullmatch(given.strip()):
        given = float(given)
    time = read_time(given)
    if time is None:
        raise RowRefused(f"`{columns.timestamp}` is not a time")
    return time


def _event(row: Mapping[str, Any], columns: Columns) -> str | None:
    if columns.event_column is None:
        return columns.event
    name = row.get(columns.event_column)
    if not isinstance(name, str) or not name.strip():
        raise RowRefused(f"`{columns.event_column}` does not name an event")
    return name.strip().replace("\0", "\ufffd")


def _values(row: Mapping[str, Any], columns: Columns) -> dict[str, bytes]:
    values: dict[str, bytes] = {}
    for column, value in row.items():
        key = columns.key_of(column)
        if key is not None:
            if key in values:
                raise RowRefused(f"two of its columns would be kept as `{key}`")
            values[key] = _encode(inferred(value) if columns.infer and isinstance(value, str) else value)
    if len(values) > MAX_VALUES:
        raise RowRefused(f"it has more than {MAX_VALUES:,} values")
    if sum(len(key) + len(value) for key, value in values.items()) > MAX_BYTES:
        raise RowRefused(f"it is larger than {MAX_BYTES:,} bytes")
    return values


def inferred(text: str) -> str | bool | int | float:
    """Return the number, or the truth, that a text is; the text where it is neither.

    Numbers have up to 15 digits before the point, no zeros in front, and no exponent.
    """
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)
