"""Messages, and the events that are a view of them."""

import heapq
from collections.abc import Iterable, Sequence
from itertools import islice

from msgspec.structs import replace

from mien.core.fold import Entry
from mien.core.message import Message
from mien.core.unmerge import Twin
from mien.store.base import Event, EventQuery, Head, Place
from mien.store.sql import documents
from mien.store.sql.documents import MessageDocument, message_key
from mien.store.sql.engine import Engine, Row

_COLUMNS = ("profile_id", "shown", "timestamp", "received_order", "key", "space", "aged_at", "event", "body")
_FIRST = Place(-(2**63), -(2**63), b"")
_PLACE = "profile_id = ? AND shown = ? AND timestamp = ? AND received_order = ? AND key = ?"
_LAST = Place(2**63 - 1, 2**63 - 1, b"\xff" * 17)


class MessageReads:
    """Reading events."""

    db: Engine

    def events(self, head: Head, query: EventQuery) -> list[Event]:
        """See Store."""
        # A query for each absorbed profile, merged here: an ordered walk of the index that stops at the limit.
        parts = [self._events_of(profile, query) for profile in (head.id, *head.members)]
        merged = heapq.merge(*parts, key=lambda row: row[:3], reverse=not query.ascending)
        return [_event(row) for row in islice(merged, query.limit)]

    def _events_of(self, profile: int, query: EventQuery) -> list[Row]:
        lowest = _FIRST if query.after is None else Place(query.after, *_LAST[1:])
        highest = _LAST if query.before is None else Place(query.before, *_FIRST[1:])
        if query.beyond is not None:
            if query.ascending:
                lowest = max(lowest, query.beyond)
            else:
                highest = min(highest, query.beyond)
        wanted, names = "", []
        if query.include is not None:
            wanted += f" AND event IN ({', '.join('?' * len(query.include))})"
            names += sorted(query.include)
        if query.exclude:
            wanted += f" AND event NOT IN ({', '.join('?' * len(query.exclude))})"
            names += sorted(query.exclude)
        way = "ASC" if query.ascending else "DESC"
        return self.db.rows(
            "SELECT timestamp, received_order, key, event, body FROM messages"
            " WHERE profile_id = ? AND shown = 1"
            " AND (timestamp, received_order, key) > (?, ?, ?) AND (timestamp, received_order, key) < (?, ?, ?)"
            f"{wanted} ORDER BY timestamp {way}, received_order {way}, key {way} LIMIT ?",
            (profile, *lowest, *highest, *(name.encode() for name in names), query.limit),
        )

    def place(self, space: str, head: Head, timestamp: int, message: str) -> Place | None:
        """See Store."""
        key = message_key(space, message)
        rows = self.db.each(
            "SELECT received_order FROM messages WHERE profile_id = ? AND shown = 1 AND timestamp = ? AND key = ?",
            [(profile, timestamp, key) for profile in (head.id, *head.members)],
        )
        return Place(timestamp, rows[0][0], key) if rows else None

    def entry(self, space: str, head: Head, message: str, *, at: int | None = None) -> Entry | None:
        """See Store."""
        key = message_key(space, message)
        first, last = (_FIRST.timestamp, _LAST.timestamp) if at is None else (at, at)
        found = self.db.each(
            "SELECT profile_id, timestamp, received_order, event, body FROM messages"
            " WHERE profile_id = ? AND shown = ? AND timestamp BETWEEN ? AND ? AND key = ?",
            [(profile, shown, first, last, key) for profile in (head.id, *head.members) for shown in (0, 1)],
        )
        return next((_entry(space, profile, tuple(row)) for profile, *row in found), None)


class MessageWrites:
    """Writing messages, within a transaction."""

    db: Engine

    def unseen(self, messages: Sequence[Message]) -> list[Message]:
        """See Unit."""
        by_key: dict[bytes, Message] = {}
        for message in messages:
            by_key.setdefault(message_key(message.space, message.id), message)
        new = self.db.add("seen", ("key",), [(key,) for key in sorted(by_key)])
        return [message for key, message in by_key.items() if key in new]

    def entries_since(self, space: str, profile: int, serial: int) -> list[Entry]:
        """Return the messages a profile took in after so many, in that order."""
        rows = self.db.rows(
            "SELECT timestamp, received_order, event, body FROM messages WHERE profile_id = ?", (profile,)
        )
        entries = [_entry(space, profile, row) for row in rows]
        return sorted((entry for entry in entries if entry.serial > serial), key=lambda entry: entry.serial)

    def twins_of(self, profile: int) -> list[Row]:
        """Return where other profiles keep events of a profile, too."""
        rows = self.db.rows(
            "SELECT shown, timestamp, received_order, key, body FROM messages WHERE profile_id = ? AND shown = 1",
            (profile,),
        )
        found = [(row, documents.read_message(row[-1]).twin) for row in rows]
        return [(twin[0], *row[:4]) for row, twin in found if twin is not None]

    def remove_messages(self, entries: Iterable[Entry]) -> None:
        """Delete messages where they are kept."""
        self.delete_messages([(entry.profile, *_place(entry.message)) for entry in entries])

    def delete_messages(self, places: Iterable[Row]) -> int:
        """Delete the messages in these places; return how many there were."""
        return self.db.change(f"DELETE FROM messages WHERE {_PLACE}", places)

    def write_twins(self, twins: Iterable[Twin]) -> None:
        """Say of messages that are kept with another profile, too, who their twin is."""
        for kept_with, message, twin in twins:
            place = (kept_with, *_place(message))
            body = self.db.value(f"SELECT body FROM messages WHERE {_PLACE}", *place)
            if body is not None:
                changed = replace(documents.read_message(body), twin=twin)
                self.db.change(f"UPDATE messages SET body = ? WHERE {_PLACE}", [(documents.encode(changed), *place)])

    def write_messages(self, entries: Iterable[Entry]) -> None:
        """Keep messages with their profiles."""
        self.db.load("messages", _COLUMNS, [_row(entry) for entry in entries])

    def purge_messages(self, space: str, *, before: int, limit: int) -> int:
        """See Unit."""
        gone = self.db.rows(
            "SELECT profile_id, shown, timestamp, received_order, key FROM messages"
            " WHERE space = ? AND aged_at < ? ORDER BY aged_at LIMIT ?",
            (space, before, limit),
        )
        self.db.change("DELETE FROM seen WHERE key = ?", [(row[-1],) for row in gone])
        return self.delete_messages(gone)


def _place(message: Message) -> Row:
    """Return where a message stands among those of a profile."""
    shown = int(message.event is not None)
    return (shown, message.timestamp, message.order, message_key(message.space, message.id))


def _row(entry: Entry) -> Row:
    message = entry.message
    document = MessageDocument(
        message.id,
        message.kind,
        message.source,
        entry.claimed,
        entry.refused,
        message.properties,
        message.context,
        message.subject,
        message.traits,
        entry.absorbed,
        entry.serial,
        entry.twin,
    )
    return (
        entry.profile,
        *_place(message),
        message.space,
        max(message.timestamp, message.received_at),
        None if message.event is None else message.event.encode(),
        documents.encode(document),
    )


def _event(row: Row) -> Event:
    timestamp, order, key, name, body = row
    message = documents.read_message(body)
    return Event(
        place=Place(timestamp, order, key),
        name=name.decode(),
        kind=message.kind,
        message=message.id,
        source=message.source,
        claimed=message.claimed,
        refused=message.refused,
        properties=message.properties,
        context=message.context,
    )


def message_of(space: str, profile: int, timestamp: int, order: int, name: bytes | None, body: bytes) -> Message:
    """Return a message from its row."""
    return _entry(space, profile, (timestamp, order, name, body)).message


def _entry(space: str, profile: int, row: Row) -> Entry:
    timestamp, order, name, body = row
    d = documents.read_message(body)
    message = Message(
        space=space,
        source=d.source,
        id=d.id,
        kind=d.kind,
        timestamp=timestamp,
        order=order,
        identifiers=(*d.claimed, *(refusal.identifier for refusal in d.refused)),
        subject=d.subject,
        traits=d.traits,
        event=None if name is None else name.decode(),
        properties=d.properties,
        context=d.context,
    )
    return Entry(profile, message, d.claimed, d.refused, d.absorbed, d.serial, d.twin)
