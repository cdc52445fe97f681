"""The writer: groups, and what spoils one."""

from itertools import count

import pytest

from mien.app import SECTIONS
from mien.core.message import Submission, order_of
from mien.errors import Busy, Contended, Unavailable
from mien.services import spaces
from mien.store.base import Unit
from mien.store.sql import SqlStore, open_store
from mien.store.sql.sqlite import Sqlite
from mien.web.link import Request
from mien.writer import Writer
from tests.factories import NOW, message, take_in, user


@pytest.fixture
def acme(store: SqlStore) -> SqlStore:
    spaces.apply(store, "spaces: {acme: {}}", SECTIONS, {}, now=1)
    return store


def request(number: int, value: str) -> Request:
    return Request(number, Submission((message(user("user_id", value)),)))


def test_a_group_is_one_receipt(acme: SqlStore) -> None:
    answers = Writer(acme).take_in([request(n, f"u{n}") for n in range(3)])
    assert [(a.number, a.outcome) for a in answers] == [(0, "taken"), (1, "taken"), (2, "taken")]
    assert sum(a.receipt.accepted for a in answers) == 3


def test_one_request_that_cannot_be_written_spoils_no_other(acme: SqlStore) -> None:
    """A surrogate half cannot be hashed; parsing never lets one through, so it stands for a bug."""
    answers = Writer(acme).take_in([request(0, "u0"), request(1, "\ud800"), request(2, "u2")])
    assert [a.outcome for a in answers] == ["taken", "failed", "taken"]
    assert acme.owner("acme", user("user_id", "u0")) is not None
    assert acme.owner("acme", user("user_id", "u2")) is not None


def test_the_writer_knows_at_once_of_a_space_that_was_applied(acme: SqlStore) -> None:
    writer = Writer(acme)
    writer.take_in([request(0, "u0")])
    spaces.apply(acme, "spaces: {acme: {identity: {types: {user_id: {blocked: [u1]}}}}}", SECTIONS, {}, now=2)
    writer.take_in([request(1, "u1")])
    assert acme.owner("acme", user("user_id", "u1")) is None


def test_a_batch_that_is_always_contended_is_put_off(acme: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = count()

    def contended(*_: object) -> None:
        next(tries)
        raise Contended

    monkeypatch.setattr("mien.store.sql.store.SqlUnit.write", contended)
    with pytest.raises(Busy):
        take_in(acme, message())
    assert next(tries) == 5


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_locked_database_is_unavailable_and_recovers(acme: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.store.sql.sqlite.BUSY_MILLISECONDS", 50)
    path = acme.db.rows("PRAGMA database_list")[0][2]
    with SqlStore(Sqlite(path)) as other:
        with acme.begin() as unit:
            holds: Unit = unit
            holds.unseen([message(order=order_of(NOW))])
            with pytest.raises(Unavailable):
                take_in(other, message(user("user_id", "u1")))
        assert Writer(other).take_in([request(0, "u1")])[0].outcome == "taken"
    with open_store(f"sqlite:///{path}") as again:
        assert again.owner("acme", user("user_id", "u1")) is not None
