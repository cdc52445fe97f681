"""Every table of the schema, for whoever walks through all that is kept. A migration that changes one says so."""

from typing import NamedTuple


class Table(NamedTuple):
    """A table: the columns of its primary key, and the others. `seeded` is one that a new store has rows in."""

    name: str
    key: tuple[str, ...]
    others: tuple[str, ...] = ()
    seeded: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, those of the key first."""
        return self.key + self.others


TABLES = (
    Table("spaces", ("slug",), ("document",)),
    Table("sources", ("space", "name"), ("source_id", "kind", "digest", "created_at", "revoked_at")),
    Table("credentials", ("space", "dialect", "name"), ("digest", "created_at", "revoked_at")),
    Table(
        "profiles",
        ("profile_id",),
        (
            "version",
            "space",
            "collection",
            "last_at",
            "merged_into",
            "head",
            "traits",
            "identifiers",
            "activity",
            "computed",
            "due_at",
        ),
    ),
    Table("identifiers", ("key",), ("profile_id",)),
    Table(
        "messages",
        ("profile_id", "shown", "timestamp", "received_order", "key"),
        ("space", "aged_at", "event", "body"),
    ),
    Table("seen", ("key",)),
    Table("links", ("profile_id", "linked_id", "own_era", "linked_era"), ("since",)),
    Table("history", ("profile_id", "at", "kind", "other_id"), ("body", "before_then")),
    Table("suppressions", ("key",), ("space", "collection", "type", "since", "deletion")),
    Table("deletions", ("space", "deletion"), ("at", "body")),
    Table("discards", ("key",), ("space", "reason", "last_at", "times", "body", "message_key")),
    Table("dead_secrets", ("digest",)),
    Table("definitions", ("space", "number"), ("body",)),
    Table("evaluations", ("space",), ("body",)),
    Table("memberships", ("profile_id", "number", "since"), ("space", "until", "entered", "exited")),
    Table("changes", ("space", "at", "profile_id"), ("body",)),
    Table("meta", ("name",), ("value",), seeded=True),
)

PROGRESS = "copying"
"""The table that is there only while a copy into this database is unfinished; see transfer.py."""
