"""What is computed: definitions, who is due, who is in which audience, and what changed."""

from collections.abc import Collection, Iterable
from itertools import groupby

from mien.core.computed import AT_ONCE, Noted, Passage
from mien.core.identity import OWN_ID
from mien.core.message import USERS, Identifier, Message, identifier_key
from mien.core.profile import Profile
from mien.errors import Contended
from mien.store.base import Head
from mien.store.computed import Backlog, ChangesRow, DefinitionRecord, Evaluation, Member, Size, Stay
from mien.store.sql import documents
from mien.store.sql.engine import Engine, Row
from mien.store.sql.messages import message_of
from mien.store.sql.profiles import COLUMNS

_FIRST, _LAST = -(2**63), 2**63 - 1
_DAY = 86_400_000_000
_PAGE = 500
_MOST_WAITING = 10_000


class EvaluationReads:
    """Reading what is computed."""

    db: Engine

    def profiles(self, profiles: Iterable[int]) -> dict[int, Profile]:
        """See Store."""
        rows = self.db.among(f"SELECT {COLUMNS} FROM profiles WHERE profile_id", set(profiles))
        return {row[0]: documents.profile_of(*row) for row in rows}

    def happened(
        self, space: str, profiles: Iterable[int], events: Collection[str], *, first: int = _FIRST, last: int = _LAST
    ) -> list[Message]:
        """See Store."""
        names = [name.encode() for name in sorted(events)]
        rows = self.db.each(
            "SELECT profile_id, timestamp, received_order, event, body FROM messages"
            " WHERE profile_id = ? AND shown = 1 AND timestamp BETWEEN ? AND ?"
            f" AND event IN ({', '.join('?' * len(names))})",
            [(profile, first, last, *names) for profile in profiles] if names else [],
        )
        return [message_of(space, *row) for row in rows]

    def due(self, *, now: int, limit: int) -> list[tuple[int, int]]:
        """See Store."""
        return [
            (due, profile)
            for due, profile in self.db.rows(
                "SELECT due_at, profile_id FROM profiles WHERE due_at IS NOT NULL AND due_at <= ?"
                " ORDER BY due_at LIMIT ?",
                (now, limit),
            )
        ]

    def backlog(self, *, now: int) -> Backlog:
        """See Store."""
        some = f"SELECT 1 FROM profiles WHERE due_at = {AT_ONCE} LIMIT {_MOST_WAITING}"
        at_once: int = self.db.value(f"SELECT count(*) FROM ({some}) AS waiting")
        since = self.db.value(f"SELECT min(due_at) FROM profiles WHERE due_at > {AT_ONCE} AND due_at <= ?", now)
        return Backlog(at_once, since)

    def is_behind(self, space: str, upto: int) -> bool:
        """See Store."""
        last = 0
        while True:
            rows = self.db.rows(
                "SELECT profile_id, computed FROM profiles WHERE due_at = 0 AND space = ? AND profile_id > ?"
                " ORDER BY profile_id LIMIT ?",
                (space, last, _PAGE),
            )
            if any(documents.read_computed(computed, 0).upto < upto for _, computed in rows):
                return True
            if len(rows) < _PAGE:
                return False
            last = rows[-1][0]

    def profiles_beyond(self, space: str, profile: int, *, limit: int, computed: bool) -> list[Profile]:
        """See Store."""
        rows = self.db.rows(
            # Not by the index of spaces: it is not in this order, and all of it would be sorted for each page.
            f"SELECT {COLUMNS} FROM profiles WHERE profile_id > ? AND space || '' = ? AND merged_into IS NULL"
            f"{' AND computed IS NOT NULL' if computed else ''} ORDER BY profile_id LIMIT ?",
            (profile, space, limit),
        )
        return [documents.profile_of(*row) for row in rows]

    def count_profiles(self, space: str) -> int:
        """See Store."""
        count: int = self.db.value("SELECT count(*) FROM profiles WHERE space = ? AND merged_into IS NULL", space)
        return count

    def users_of(self, space: str, head: Head) -> list[int]:
        """See Store."""
        return self.linked_today(space, (head.id, *head.members), USERS)

    def linked_today(self, space: str, profiles: Iterable[int], collection: str) -> list[int]:
        """Return the profiles of a collection that these are linked with, by their ids of today."""
        linked = self.db.among("SELECT linked_id FROM links WHERE profile_id", set(profiles))
        keys = {identifier_key(space, Identifier(collection, OWN_ID, str(other))) for (other,) in linked}
        today = self.db.among("SELECT profile_id FROM identifiers WHERE key", keys)
        return sorted({profile for (profile,) in today})

    def members(self, space: str, number: int, *, beyond: int, limit: int) -> list[Member]:
        """See Store."""
        rows = self.db.rows(
            "SELECT profile_id, since, entered FROM memberships"
            " WHERE space = ? AND number = ? AND until IS NULL AND profile_id > ? ORDER BY profile_id LIMIT ?",
            (space, number, beyond, limit),
        )
        return [Member(profile, since, documents.read_cause(entered)) for profile, since, entered in rows]

    def count_members(self, space: str, number: int) -> int:
        """See Store."""
        count: int = self.db.value(
            "SELECT count(*) FROM memberships WHERE space = ? AND number = ? AND until IS NULL", space, number
        )
        return count

    def memberships(self, head: Head, *, limit: int) -> list[Stay]:
        """See Store."""
        rows = self.db.among(
            "SELECT profile_id, since, number, until, entered, exited FROM memberships WHERE profile_id",
            [head.id, *head.members],
        )
        latest = sorted(rows, key=lambda row: (row[1], row[2]), reverse=True)[:limit]
        return [_stay(row) for row in latest]

    def sizes(self, space: str, number: int) -> list[Size]:
        """See Store."""
        days: dict[int, list[int]] = {}
        for place, column in enumerate(("since", "until")):
            rows = self.db.rows(
                f"SELECT {column} / {_DAY}, count(*) FROM memberships WHERE space = ? AND number = ?"
                f" AND {column} IS NOT NULL GROUP BY 1",
                (space, number),
            )
            for day, times in rows:
                days.setdefault(day, [0, 0])[place] = times
        size, found = 0, []
        for day in sorted(days):
            entered, left = days[day]
            size += entered - left
            found.append(Size(day * _DAY, size, entered, left))
        return found

    def changes(self, space: str, *, beyond: tuple[int, int] | None, limit: int) -> list[ChangesRow]:
        """See Store."""
        rows = self.db.rows(
            "SELECT at, profile_id, body FROM changes WHERE space = ? AND (at, profile_id) > (?, ?)"
            " ORDER BY at, profile_id LIMIT ?",
            (space, *(beyond or (_FIRST, _FIRST)), limit),
        )
        return [ChangesRow(at, profile, documents.read_changes(body)) for at, profile, body in rows]

    def definitions(self) -> list[DefinitionRecord]:
        """See Store."""
        rows = self.db.rows("SELECT space, body FROM definitions ORDER BY space, number")
        return [DefinitionRecord(space, documents.read_definition(body)) for space, body in rows]

    def evaluations(self) -> dict[str, Evaluation]:
        """See Store."""
        return {
            space: documents.read_evaluation(body)
            for space, body in self.db.rows("SELECT space, body FROM evaluations")
        }


class EvaluationWrites:
    """Writing what is computed, within a transaction."""

    db: Engine

    def write_passages(self, space: str, passages: Iterable[tuple[int, Passage]]) -> None:
        """Note who entered and left audiences; of one profile and audience in the order given."""
        rounds: dict[tuple[int, int], int] = {}
        ordered = []
        for profile, passage in passages:
            turn = rounds[profile, passage.number] = rounds.get((profile, passage.number), -1) + 1
            ordered.append((turn, passage.entered, profile, passage))
        ordered.sort(key=lambda row: row[:3])
        for (_, entered), part in groupby(ordered, key=lambda row: row[:2]):
            rows = [(p.at, documents.encode(p.cause), space, p.number, profile) for _, _, profile, p in part]
            self.db.change(_ENTER if entered else _EXIT, rows)

    def write_noted(self, space: str, noted: Iterable[Noted]) -> None:
        """Note what changed for readers."""
        rows = [(space, at, profile, documents.encode(list(changes))) for profile, at, changes in noted]
        self.db.load("changes", ("space", "at", "profile_id", "body"), rows)

    def look_again(self, profiles: Iterable[int]) -> None:
        """See Unit."""
        wanted = sorted(set(profiles))
        found = self.db.change(
            "UPDATE profiles SET due_at = 0, version = version + 1 WHERE profile_id = ? AND merged_into IS NULL",
            [(profile,) for profile in wanted],
        )
        if found != len(wanted):
            raise Contended

    def put_off(self, profile: int, *, until: int) -> None:
        """See Unit."""
        for version, due_at, computed in self.db.rows(
            "SELECT version, due_at, computed FROM profiles WHERE profile_id = ?", (profile,)
        ):
            kept = documents.stale_computed(computed) if due_at == AT_ONCE else computed
            written = self.db.change(
                "UPDATE profiles SET due_at = ?, computed = ? WHERE profile_id = ? AND version = ?",
                [(until, kept, profile, version)],
            )
            if not written:
                raise Contended

    def end_memberships(self, space: str, number: int, *, into: int | None, limit: int) -> int:
        """See Unit."""
        rows = self.db.rows(
            "SELECT profile_id, since, until, entered, exited FROM memberships"
            " WHERE space = ? AND number = ? LIMIT ?",
            (space, number, limit),
        )
        self.db.change(
            "INSERT INTO memberships (space, number, profile_id, since, until, entered, exited)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (profile_id, number, since) DO NOTHING",
            [(space, into, *row) for row in rows if into is not None and row[2] is not None],
        )
        return self.db.change(
            "DELETE FROM memberships WHERE profile_id = ? AND number = ? AND since = ?",
            [(row[0], number, row[1]) for row in rows],
        )

    def save_definition(self, record: DefinitionRecord) -> None:
        """See Unit."""
        self._save(
            "INSERT INTO definitions (space, number, body) VALUES (?, ?, ?)"
            " ON CONFLICT (space, number) DO UPDATE SET body = excluded.body",
            (record.space, record.definition.number, documents.encode(record.definition)),
        )

    def remove_definition(self, record: DefinitionRecord) -> None:
        """See Unit."""
        self._save("DELETE FROM definitions WHERE space = ? AND number = ?", (record.space, record.definition.number))

    def save_evaluation(self, space: str, evaluation: Evaluation, *, revised: bool) -> None:
        """See Unit."""
        sql = (
            "INSERT INTO evaluations (space, body) VALUES (?, ?)"
            " ON CONFLICT (space) DO UPDATE SET body = excluded.body"
        )
        row = (space, documents.encode(evaluation))
        if revised:
            self._save(sql, row)
        else:
            self.db.change(sql, [row])

    def _save(self, sql: str, row: Row) -> None:
        self.db.change(sql, [row])
        self.db.change("UPDATE meta SET value = value + 1 WHERE name = 'revision'", [()])

    def purge_changes(self, space: str, *, before: int, limit: int) -> int:
        """See Unit."""
        gone = self.db.rows(
            "SELECT space, at, profile_id FROM changes WHERE space = ? AND at < ? ORDER BY at LIMIT ?",
            (space, before, limit),
        )
        return self.db.change("DELETE FROM changes WHERE space = ? AND at = ? AND profile_id = ?", gone)

    def purge_memberships(self, space: str, *, before: int, limit: int) -> int:
        """See Unit."""
        gone = self.db.rows(
            "SELECT profile_id, number, since FROM memberships"
            " WHERE space = ? AND until IS NOT NULL AND until < ? ORDER BY until LIMIT ?",
            (space, before, limit),
        )
        return self.db.change("DELETE FROM memberships WHERE profile_id = ? AND number = ? AND since = ?", gone)


_ENTER = (
    "INSERT INTO memberships (since, entered, space, number, profile_id) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (profile_id, number, since) DO UPDATE SET entered = excluded.entered, until = NULL, exited = NULL"
)
_EXIT = (
    "UPDATE memberships SET until = ?, exited = ? WHERE space = ? AND number = ? AND profile_id = ? AND until IS NULL"
)


def _stay(row: Row) -> Stay:
    profile, since, number, until, entered, exited = row
    left = None if exited is None else documents.read_cause(exited)
    return Stay(profile, number, since, until, documents.read_cause(entered), left)
