"""Finding profiles and paging through traits."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.fold import Policy
from mien.core.message import ACCOUNTS, Identifier, order_of
from mien.core.rules import Rules, TypeRule
from mien.core.space import DAY, Retention, Space
from mien.errors import ProfileNotFound
from mien.services.forget import forget
from mien.services.lookup import find, many, page_of_traits
from mien.store.sheet import TraitSheet
from mien.store.sql import SqlStore
from tests.factories import NOW, message, space, take_in, user

U1 = user("user_id", "u1")


def test_the_first_name_that_finds_somebody_counts(store: SqlStore) -> None:
    take_in(store, message(U1))
    assert find(store, space(), [user("email", "x"), U1], now=NOW) == store.owner("acme", U1)
    with pytest.raises(ProfileNotFound):
        find(store, space(), [user("email", "x")], now=NOW)
    with pytest.raises(ProfileNotFound):
        find(store, space(), [], now=NOW)


def test_a_profile_whose_time_is_over_is_not_found(store: SqlStore) -> None:
    tenant = space(retention=Retention(profiles=DAY))
    take_in(store, message(U1), tenant=tenant)
    assert find(store, tenant, [U1], now=NOW)
    with pytest.raises(ProfileNotFound):
        find(store, tenant, [U1], now=NOW + 2 * DAY)


def texts(store: SqlStore, *names: Identifier, tenant: Space | None = None, now: int = NOW) -> list[bytes | None]:
    return [found and found.sheet.text for found in many(store, tenant or space(), names, now=now)]


def test_many_names_are_answered_in_the_order_asked(store: SqlStore) -> None:
    """Of several types, some unknown, some of one profile, one twice, one of an account."""
    account = Identifier(ACCOUNTS, "group_id", "g1")
    take_in(store, message(U1, user("email", "e1"), traits={"n": 1}), message(user("user_id", "u2"), traits={"n": 2}))
    take_in(store, message(account, subject=ACCOUNTS, traits={"n": 3}))
    nobody, u2, e1 = user("user_id", "x"), user("user_id", "u2"), user("email", "e1")
    assert texts(store, u2, nobody, e1, account, U1, u2) == [b'"n":2', None, b'"n":1', b'"n":3', b'"n":1', b'"n":2']
    assert many(store, space(), [], now=NOW) == []
    one, other = many(store, space(), [e1, U1], now=NOW)
    assert one
    assert one == other
    assert one.id == find(store, space(), [U1], now=NOW)


def test_many_names_are_looked_up_as_they_are_kept(store: SqlStore) -> None:
    tenant = space(policy=Policy(rules=Rules(types={"email": TypeRule(fold_case=True)})))
    take_in(store, message(user("email", "Ann@Example.com"), traits={"n": 1}), tenant=tenant)
    assert texts(store, user("email", "ANN@example.com"), tenant=tenant) == [b'"n":1']


def test_many_names_do_not_find_what_is_absorbed_forgotten_or_over(store: SqlStore) -> None:
    tenant = space(retention=Retention(profiles=DAY))
    u2, u3, email = user("user_id", "u2"), user("user_id", "u3"), user("email", "e")
    take_in(
        store, message(U1, at=NOW - 2 * DAY, order=order_of(NOW - 2 * DAY)), message(u2), message(u3), tenant=tenant
    )
    forget(store, tenant, [u3], deletion="d", suppress=True, now=NOW)
    assert texts(store, U1, u2, u3, tenant=tenant, now=NOW + 1) == [None, b"", None]
    take_in(store, message(email, traits={"n": 1}), message(u2, email, id="merge"), tenant=tenant)
    assert texts(store, email, u2, tenant=tenant) == [b'"n":1', b'"n":1']


keys = st.text(st.sampled_from("aZ_0é"), max_size=4) | st.sampled_from(["hidden", "hidden.x", "hiddenz", "hidde"])


@given(st.sets(keys), st.none() | st.lists(keys), st.integers(1, 5))
def test_pages_neither_overlap_nor_skip(all_keys: set[str], include: list[str] | None, limit: int) -> None:
    ordered = sorted(all_keys)
    members = [msgspec.json.encode({key: key.upper()})[1:-1] for key in ordered]
    ends = [len(b",".join(members[: n + 1])).to_bytes(4, "little") for n in range(len(members))]
    sheet = TraitSheet(b",".join(members), b"".join(ends))
    assert len(sheet) == len(ordered)
    wanted = [k for k in ordered if not k.startswith("hidden") and (include is None or k in include)]
    seen: list[str] = []
    start = ""
    while True:
        page = page_of_traits(sheet, hidden="hidden", kind=None, include=include, start=start, limit=limit)
        traits = msgspec.json.decode(b"{%b}" % page.text)
        assert len(traits) <= limit
        assert traits == {key: key.upper() for key in traits}
        seen += traits
        start = page.next
        if not start:
            break
    assert seen == wanted
