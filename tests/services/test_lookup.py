"""Finding profiles and paging through traits."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.space import DAY, Retention
from mien.errors import ProfileNotFound
from mien.services.lookup import find, page_of_traits
from mien.store.base import TraitSheet
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
        page = page_of_traits(sheet, hidden="hidden", include=include, start=start, limit=limit)
        traits = msgspec.json.decode(b"{%b}" % page.text)
        assert len(traits) <= limit
        assert traits == {key: key.upper() for key in traits}
        seen += traits
        start = page.next
        if not start:
            break
    assert seen == wanted
