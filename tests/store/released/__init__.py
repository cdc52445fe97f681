"""Stores as releases left them.

NNNN.sql is what a store of that schema may hold and one of the schema before could not, in plain SQL; a BLOB stands
in it as $x'…'. Every table has rows in one of them.
"""

from contextlib import closing
from pathlib import Path

from mien.core.computed import Cause, How
from mien.core.message import ACCOUNTS, Identifier
from mien.core.story import Merge
from mien.store.base import EventQuery
from mien.store.computed import Stay
from mien.store.sheet import AUDIENCE, COMPUTED
from mien.store.sql import SqlStore, open_engine
from mien.store.sql.engine import Engine
from mien.store.sql.migrate import apply, steps
from tests.factories import NOW, message, sheet_of, take_in, user

NEWEST = steps()[-1].number
U1, G1 = user("user_id", "u1"), Identifier(ACCOUNTS, "group_id", "g1")


def make(url: str, schema: int) -> None:
    """Make a store as the release of a schema left it: what was written in its time, and what was before."""
    with closing(open_engine(url)) as db, db.transaction():
        for step in steps()[:schema]:
            apply(db, step)
            _fill(db, Path(__file__).with_name(f"{step.number:04}.sql"))


def _fill(db: Engine, file: Path) -> None:
    if file.exists():
        blob = "x'" if db.words["blob"] == "BLOB" else r"'\x"
        db.script(file.read_text("utf-8").replace("$x'", blob))


def everything_is_there(store: SqlStore, schema: int = NEWEST) -> None:
    """Check what `make` wrote."""
    for check in (_schema_1, _schema_2, _schema_3)[:schema]:
        check(store)


def _schema_1(store: SqlStore) -> None:
    tenancy = store.tenancy()
    assert [space.slug for space in tenancy.spaces] == ["acme"]
    assert [(source.name, source.revoked_at is None) for source in tenancy.sources] == [("old", False), ("web", True)]
    assert [credential.name for credential in tenancy.credentials] == ["crm"]
    reasons = [row.discard.reason for row in store.discards("acme", reason=None, limit=9)]
    assert {"event_not_string", "id_value_blocked", "no_matching_identifiers"} <= set(reasons)
    profile, account = store.owner("acme", U1), store.owner("acme", G1)
    assert profile is not None
    assert account is not None
    assert store.owner("acme", user("anonymous_id", "a1")) == profile
    head, whole, sheet = store.head(profile), store.profile(profile), sheet_of(store, profile)
    assert head is not None
    assert whole is not None
    assert sheet is not None
    assert sheet.text == '"name":"Jané","plan":"pro"'.encode()
    assert sorted(whole.traits) == ["gone", "name", "plan"]
    assert [event.name for event in store.events(head, EventQuery())] == ["Bought", "Seen"]
    assert store.activity(profile)["Bought"].times == 1
    assert {row.value for row in store.identifiers(profile)} == {"u1", "a1", "jane@example.com"}
    assert [(row.linked, row.today) for row in store.links("acme", head, beyond=None, limit=9)] == [
        (account, account)
    ]


def _schema_2(store: SqlStore) -> None:
    profile = store.owner("acme", user("anonymous_id", "a2"))
    assert profile is not None
    head, whole = store.head(profile), store.profile(profile)
    assert head is not None
    assert whole is not None
    assert sorted(whole.identifiers) == [("anonymous_id", "a2"), ("user_id", "u2")]
    assert [account.message for account in store.history(head) if isinstance(account, Merge)] == ["n3"]
    assert [event.name for event in store.events(head, EventQuery())] == ["Bought", "Seen"]
    assert [proof.id for proof in store.deletions("acme", limit=9)] == ["d1"]
    assert [(row.type, row.deletion) for row in store.suppressions("acme", beyond=None, limit=9)] == [
        ("user_id", "d1")
    ]
    [dropped] = store.discards("acme", reason="suppressed", limit=9)
    assert dropped.times == 1


def it_goes_on(store: SqlStore) -> None:
    """Check that a message of old is still known, and that new ones are taken in."""
    again, new = (
        message(U1, id="m3", event="Bought"),
        message(U1, event="Bought", traits={"plan": "basic"}, at=NOW + 9),
    )
    assert take_in(store, again, new, now=NOW + 9).duplicates == 1
    profile = store.owner("acme", U1)
    assert profile is not None
    assert store.activity(profile)["Bought"].times == 2
    whole = store.profile(profile)
    assert whole is not None
    with store.begin() as unit:
        unit.erase("acme", [whole])
    assert store.owner("acme", U1) is None


def _schema_3(store: SqlStore) -> None:
    profile = store.owner("acme", user("user_id", "u4"))
    assert profile is not None
    sheet = sheet_of(store, profile)
    assert sheet is not None
    assert sheet.text == b'"buyers":true,"orders":2,"recent":false'
    assert list(sheet.kinds) == [AUDIENCE, COMPUTED, AUDIENCE]
    definitions = {record.definition.key: record.definition for record in store.definitions()}
    assert sorted(definitions) == ["buyers", "orders", "recent", "spent_7d"]
    assert [member.profile for member in store.members("acme", definitions["buyers"].number, beyond=0, limit=9)] == [
        profile
    ]
    assert store.members("acme", definitions["recent"].number, beyond=0, limit=9) == []
    head = store.head(profile)
    assert head is not None
    assert store.memberships(head, limit=9) == [
        Stay(profile, 3, 1794913600000101, None, Cause(How.MESSAGE, "o1"), None),
        Stay(profile, 4, 1794913600000100, 1795518400000101, Cause(How.MESSAGE, "o0"), Cause(How.TIME)),
    ]
    changes = store.changes("acme", beyond=None, limit=9)
    assert [change.key for row in changes for change in row.changes] == [
        *("orders", "recent", "spent_7d"),
        *("buyers", "orders", "spent_7d"),
        *("recent", "spent_7d"),
    ]
