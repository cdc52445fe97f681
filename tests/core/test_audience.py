"""Control groups."""

import pytest

from mien.core.audience import Group, group_of, is_told
from mien.core.definition import Control, Definition, Kind

PROFILES = range(1, 4001)


def audience(number: int = 1, **fields: object) -> Definition:
    given = {"number": number, "id": number, "kind": Kind.AUDIENCE, "key": "k", "name": "K", "query": "true"}
    return Definition(**{**given, "created_at": 1, "updated_at": 1, **fields})  # type: ignore[arg-type]


def control(one: Definition, space: str = "acme") -> set[int]:
    return {n for n in PROFILES if group_of(one, space=space, profile=n) is Group.CONTROL}


def test_a_group_never_changes() -> None:
    """These were drawn once; another draw would give people what they were kept from."""
    assert [n for n in range(1, 31) if n in control(audience(control=20))] == [4, 7, 9, 11, 13, 25, 29]


def test_it_has_the_share_it_was_given() -> None:
    assert control(audience()) == set()
    assert len(control(audience(control=100))) == len(PROFILES)
    for percent in (1, 10, 50):
        assert len(control(audience(control=percent))) == pytest.approx(len(PROFILES) * percent / 100, rel=0.3)


def test_a_higher_share_only_adds() -> None:
    assert control(audience(control=10)) < control(audience(control=30))


def test_groups_of_two_audiences_and_two_spaces_have_nothing_to_do_with_each_other() -> None:
    one = control(audience(control=50))
    for other in (control(audience(2, control=50)), control(audience(control=50), "other")):
        assert len(one & other) == pytest.approx(len(PROFILES) / 4, rel=0.15)


def test_it_stays_when_the_query_changes() -> None:
    assert control(audience(control=30)) == control(audience(control=30, number=9, query="false", id=1))


@pytest.mark.parametrize("shows", Control)
def test_who_is_told_of(shows: Control) -> None:
    one = audience(control=50, control_shows=shows)
    assert is_told(one, Group.TREATMENT)
    assert is_told(one, Group.CONTROL) == (shows is not Control.HIDE)
