"""The presets, by the documented examples of each vendor.

Each conversation is a list of calls, with the profile each of them lands on (reference: mparticle 3.4 to 3.6,
clevertap 5). Types have their names in Mien: `user_id` is mParticle's customer id and CleverTap's identity, `ios.id`
is the IDFV.
"""

from itertools import count

import pytest

from mien.core.fold import Outcome, Policy, State, fold
from mien.core.message import Identifier, Kind
from mien.core.presets import PRESETS, preset
from mien.core.profile import Profile
from tests.factories import message, user


class Space:
    """What messages leave behind, kept in memory."""

    def __init__(self, name: str) -> None:
        self.policy = Policy(rules=preset(name))
        self.profiles: dict[int, Profile] = {}
        self.owners: dict[Identifier, int] = {}
        self.ids = count(1)
        self.names: dict[int, str] = {}

    def call(self, *identifiers: str, kind: Kind = Kind.IDENTIFY) -> str:
        """Take a call in; return P1, P2, … in the order in which profiles came to be."""
        named = [user(*text.split(":")) for text in identifiers]
        outcome = fold(State(self.owners, self.profiles), [message(*named, kind=kind)], self.policy, ids=self.ids)
        self._keep(outcome)
        [entry] = outcome.entries
        return self.names.setdefault(entry.profile, f"P{len(self.names) + 1}")

    def logout(self, *identifiers: str) -> str:
        return self.call(*identifiers, kind=Kind.LOGOUT)

    def _keep(self, outcome: Outcome) -> None:
        self.profiles |= {profile.id: profile for profile in outcome.profiles}
        self.owners |= {**outcome.claims, **outcome.moves}

    def held(self, name: str) -> set[str]:
        profile = next(i for i, given in self.names.items() if given == name)
        return {value for _, value in self.profiles[profile].identifiers}


def test_profile_conversion() -> None:
    """The documented example: an anonymous profile becomes known, and a logout begins another."""
    space = Space("mparticle/conversion")
    assert space.call("ios.id:phone") == "P1"
    assert space.call("user_id:bob", "email:b@x.c", "ios.id:phone") == "P1"
    assert space.logout("ios.id:phone") == "P2"
    assert space.call("user_id:bob", "email:b@x.c", "ios.id:phone") == "P1"
    assert space.call("roku_id:tv") == "P3"
    assert space.call("user_id:bob", "roku_id:tv") == "P1"
    assert space.held("P1") == {"bob", "b@x.c", "phone", "tv"}


def test_a_unique_identifier_goes_over_and_leaves_an_orphan() -> None:
    space = Space("mparticle/conversion")
    assert space.call("user_id:bob") == "P1"
    assert space.call("email:old@x.c") == "P2"
    assert space.call("user_id:bob", "email:old@x.c") == "P1"
    assert space.held("P2") == set()


def test_a_second_value_of_a_type_is_not_taken() -> None:
    space = Space("mparticle/default")
    space.call("user_id:bob", "email:first@x.c")
    space.call("user_id:bob", "email:second@x.c")
    assert space.held("P1") == {"bob", "first@x.c"}


def test_profile_isolation_goes_back_to_the_anonymous_profile() -> None:
    space = Space("mparticle/isolation")
    assert space.call("ios.id:phone") == "P1"
    assert space.call("user_id:bob", "ios.id:phone") == "P2"
    assert space.logout("ios.id:phone") == "P1"
    assert space.call("user_id:bob", "ios.id:phone") == "P2"
    assert space.held("P1") == {"phone"}


def test_profile_link_remembers_the_anonymous_profile_and_always_begins_anew() -> None:
    space = Space("mparticle/link")
    assert space.call("ios.id:phone") == "P1"
    assert space.call("user_id:bob", "ios.id:phone") == "P2"
    assert space.logout("ios.id:phone") == "P3"
    second = next(i for i, name in space.names.items() if name == "P2")
    first = next(i for i, name in space.names.items() if name == "P1")
    assert [(note.what, note.other) for note in space.profiles[second].notes if note.other] == [
        ("made_beside", first)
    ]


def test_a_known_profile_is_not_found_by_its_device() -> None:
    space = Space("mparticle/default")
    assert space.call("user_id:bob", "ios.id:phone") == "P1"
    assert space.call("ios.id:phone") == "P2"
    assert space.call("user_id:ann", "ios.id:phone") == "P2"
    assert space.held("P1") == {"bob"}


def test_an_immutable_identifier_is_set_once() -> None:
    space = Space("mparticle/default")
    assert space.call("user_id:bob", "email:b@x.c") == "P1"
    assert space.call("user_id:rob", "email:b@x.c") == "P2"
    assert (space.held("P1"), space.held("P2")) == ({"bob"}, {"rob", "b@x.c"})


def test_best_match_collects_several_values_and_never_merges() -> None:
    space = Space("mparticle/best-match")
    assert space.call("email:one@x.c", "ios.id:phone") == "P1"
    assert space.call("email:two@x.c", "ios.id:phone") == "P1"
    assert space.call("user_id:ann") == "P2"
    assert space.call("user_id:ann", "email:one@x.c") == "P2"
    assert space.held("P1") == {"one@x.c", "two@x.c", "phone"}


def test_a_later_type_only_breaks_a_tie() -> None:
    """Two values of the best ranking type name two profiles; the device decides between them."""
    space = Space("mparticle/best-match")
    space.call("email:one@x.c", "ios.id:phone")
    space.call("email:two@x.c", "ios.id:tablet")
    assert space.call("email:one@x.c", "email:two@x.c", "ios.id:phone") == "P1"
    assert space.call("email:one@x.c", "email:two@x.c") == "P2", "the one made last"


def test_clevertap_makes_one_of_devices_that_share_an_identity() -> None:
    space = Space("clevertap")
    assert space.call("device_id:d1") == "P1"
    assert space.call("device_id:d2", "user_id:bob") == "P2"
    assert space.call("device_id:d1", "user_id:bob") == "P1"
    assert space.call("user_id:bob", "email:New@x.c") == "P1"
    assert space.held("P1") == {"d1", "d2", "bob", "New@x.c"}


def test_clevertap_gives_the_fifty_first_device_a_profile_of_its_own() -> None:
    space = Space("clevertap")
    for n in range(50):
        assert space.call("user_id:bob", f"device_id:d{n}") == "P1"
    space.call("user_id:bob", "device_id:d50")
    assert len(space.held("P1")) == 51
    assert space.call("device_id:d50") == "P2"


@pytest.mark.parametrize(
    "value", ["undefined", "NULL", "na", "N/A", "0", "nil", "-1", "-Infinity", "NaN", "xxxxxx", "none"]
)
def test_clevertap_refuses_values_that_pull_people_together(value: str) -> None:
    outcome = fold(State(), [message(user("user_id", value))], Policy(rules=preset("clevertap")), ids=count(1))
    assert outcome.profiles == []


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_without_contradictions(name: str) -> None:
    assert list(preset(name).contradictions()) == []
