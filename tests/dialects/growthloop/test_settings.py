"""The section `growthloop:` of a space, its keys, and what becomes of them."""

from typing import Any

import msgspec
import pytest
import yaml

from mien.app import SECTIONS
from mien.dialects.growthloop.settings import SECTION
from mien.dialects.growthloop.views import Rights, Views, origins_of, view_of
from mien.errors import SettingsRefused
from mien.services import credentials, spaces
from mien.services.secrets import digest
from mien.store.sql import SqlStore
from tests.dialects.growthloop.sheets import defined, space

WHOLE = {
    "keys": {
        "site": "env:KEY",
        "app": {"secret": "gl_app", "scopes": ["personalization", "other"], "entities": ["customers"]},
        "other": {"secret": "gl_other", "scopes": ["other"]},
    },
    "entities": {
        "customers": {"attributes": "*", "aliases": ["users"], "prefix": "trait_"},
        "by_email": {"attributes": ["plan", "audiences"], "id": "email"},
        "companies": {"attributes": [], "collection": "accounts"},
    },
    "audiences": ["vip"],
    "origins": ["https://shop.example"],
    "strict": True,
}


def apply(store: SqlStore, section: Any) -> list[str]:
    text = yaml.safe_dump({"spaces": {"acme": {} if section is None else {"growthloop": section}}})
    return [change.what for change in spaces.apply(store, text, SECTIONS, {"KEY": "gl_site"}, now=1)]


def rights(store: SqlStore, name: str) -> Rights:
    return view_of(spaces.read_catalog(store).spaces["acme"]).rights_of(name)


def test_what_a_key_may_do_is_kept_and_its_secret_is_not(store: SqlStore) -> None:
    changes = apply(store, WHOLE)
    assert "create growthloop credential app of space acme" in changes
    assert apply(store, WHOLE) == []
    assert rights(store, "site") == Rights(reads=True, entities=None)
    assert rights(store, "app") == Rights(reads=True, entities=frozenset({"customers"}))
    assert not rights(store, "other").reads
    document = msgspec.json.decode(store.tenancy().spaces[0].document)["dialects"]["growthloop"]
    assert document["keys"] == {
        "app": {"scopes": ["personalization", "other"], "entities": ["customers"]},
        "other": {"scopes": ["other"]},
    }
    assert "gl_" not in repr(store.tenancy().spaces) + spaces.export(store, SECTIONS)


def test_what_is_exported_opens_the_same_doors(store: SqlStore) -> None:
    apply(store, WHOLE)
    exported = yaml.safe_load(spaces.export(store, SECTIONS))["spaces"]["acme"]["growthloop"]
    assert exported["keys"]["site"] == f"sha256:{digest('gl_site').hex()}"
    assert exported["keys"]["app"]["entities"] == ["customers"]
    assert apply(store, exported) == []


def test_a_key_made_by_hand_keeps_its_limits_whatever_file_is_applied(store: SqlStore) -> None:
    apply(store, WHOLE)
    about = {"scopes": ["personalization"], "entities": ["by_email"]}
    secret = credentials.create_credential(store, "acme", SECTION, "crm", about=about, now=1)
    for section in (WHOLE, {"entities": WHOLE["entities"]}, None, WHOLE):
        apply(store, section)
        assert rights(store, "crm").entities == {"by_email"}
    again = credentials.create_credential(store, "acme", SECTION, "crm", now=1)
    assert again != secret
    assert rights(store, "crm").entities == {"by_email"}
    credentials.create_credential(store, "acme", SECTION, "crm", about={"scopes": ["other"]}, now=1)
    assert rights(store, "crm") == Rights(reads=False, entities=frozenset({"by_email"}))


def test_a_file_widens_the_keys_that_stand_in_it(store: SqlStore) -> None:
    apply(store, WHOLE)
    apply(store, {**WHOLE, "keys": {"app": "gl_app"}})
    assert rights(store, "app") == Rights(reads=True, entities=None)
    assert rights(store, "other").reads is False


def test_a_key_made_by_hand_is_checked_as_one_in_a_file(store: SqlStore) -> None:
    apply(store, WHOLE)
    with pytest.raises(SettingsRefused, match=r"acme.growthloop.keys.crm.entities\[0\]: is none of the entities"):
        credentials.create_credential(store, "acme", SECTION, "crm", about={"entities": ["no"]}, now=1)
    [segment] = [section for section in SECTIONS if section.dialect == "segment"]
    with pytest.raises(SettingsRefused, match="credentials of segment have no scopes"):
        credentials.create_credential(store, "acme", segment, "crm", about={"scopes": ["x"]}, now=1)
    assert "crm" not in {credential.name for credential in store.tenancy().credentials}


def test_applying_tells_which_attributes_have_another_name(store: SqlStore) -> None:
    """Golden case 5."""
    notes = [what for what in apply(store, WHOLE) if what.startswith("note")]
    assert "note on growthloop in space acme: entity by_email serves the trait audiences as attr_audiences" in notes


def test_applying_tells_which_audiences_there_are_not(store: SqlStore) -> None:
    """Known are those of the file, or else those that were defined already."""
    text: dict[str, Any] = {
        "audiences": {"vip": {"query": "trait('a') = 1"}},
        "growthloop": {"audiences": ["vip", "vpi"]},
    }
    note = "note on growthloop in space acme: there is no audience {}"
    assert notes_on(store, text) == [note.format("vpi")]
    assert notes_on(store, {"growthloop": {"audiences": ["vip", "pvi"]}}) == [note.format("pvi")]
    assert notes_on(store, {"growthloop": {"audiences": "all"}}) == []


def notes_on(store: SqlStore, given: dict[str, Any]) -> list[str]:
    changes = spaces.apply(store, yaml.safe_dump({"spaces": {"acme": given}}), SECTIONS, {}, now=1)
    return [change.what for change in changes if change.what.startswith("note")]


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"entities": {"customers": {}}}, "attributes"),
        ({"entities": {"customers": {"attributes": "all"}}}, "attributes"),
        ({"entities": {"a b": {"attributes": "*"}}}, "cannot name an entity"),
        ({"entities": {"x" * 129: {"attributes": "*"}}}, "cannot name an entity"),
        ({"entities": {"a": {"attributes": "*", "aliases": ["a"]}}}, "names the entity a, too"),
        (
            {"entities": {"a": {"attributes": "*", "aliases": ["c"]}, "b": {"attributes": "*", "aliases": ["c"]}}},
            "entities.b: `c` names the entity a, too",
        ),
        ({"entities": {"a": {"attributes": "*", "collection": "Things!"}}}, "entities.a.collection"),
        ({"entities": {"a": {"attributes": "*", "collection": "things"}}}, "entities.a.id"),
        ({"entities": {"a": {"attributes": "*", "id": "User Id"}}}, "is no type of identifier"),
        ({"entities": {"a": {"attributes": "*", "prefix": ""}}}, "entities.a.prefix"),
        ({"entities": {"a": {"attributes": "*", "colour": 1}}}, "entities.a.colour: there is no such setting"),
        ({"audiences": "some"}, "audiences"),
        ({"origins": ["*"]}, r"origins\[0\]: is no origin"),
        ({"origins": ["https://a.example", "https://b.example/"]}, r"origins\[1\]: is no origin"),
        ({"origins": ["null"]}, "is no origin"),
        ({"origins": ["https://a.example:443"]}, r"origins\[0\]: never matches: browsers leave `:443` out of https"),
        ({"origins": ["http://[::1]:80"]}, r"origins\[0\]: never matches: browsers leave `:80` out of http"),
        ({"strict": "yes"}, "strict"),
        ({"keys": {"a": ""}}, "keys.a: a secret cannot be empty"),
        ({"keys": {"a": {}}}, "keys.a"),
        ({"keys": {"a": {"secret": "x", "scope": "y"}}}, "keys.a"),
        ({"keys": {"a": {"secret": "x", "scopes": ["A B"]}}}, r"keys.a.scopes\[0\]: is no scope"),
        ({"keys": {"a": {"secret": "x", "entities": ["b"]}}}, r"keys.a.entities\[0\]: is none"),
        ({"keys": {"a": "x", "b": {"secret": "x"}}}, "has the same secret as"),
    ],
)
def test_what_is_refused(store: SqlStore, section: Any, reason: str) -> None:
    with pytest.raises(SettingsRefused, match=reason):
        apply(store, section)
    assert store.tenancy().spaces == []


def test_nothing_is_served_unless_it_is_configured() -> None:
    assert view_of(space(defined(1, "vip", "VIP"), entities={"none": {"attributes": []}})).entities.keys() == {"none"}
    assert not view_of(msgspec.structs.replace(space(), dialects={})).entities


def test_only_published_audiences_of_the_collection_are_told_of() -> None:
    """Golden case 12."""
    vip, rest = defined(2, "vip", "VIP"), defined(1, "rest", "Rest")
    large = defined(3, "large", "Large", collection="accounts")
    everybody = Rights(reads=True, entities=None)
    assert [one.id for one in view_of(space(vip, rest, large)).audiences(everybody)] == [1, 2]
    published = view_of(space(vip, rest, large, audiences=["vip", "large"]))
    assert [one.id for one in published.audiences(everybody)] == [2]
    both = {"customers": {"attributes": "*"}, "companies": {"attributes": "*", "collection": "accounts"}}
    companies = Rights(reads=True, entities=frozenset({"companies"}))
    assert [one.id for one in view_of(space(vip, large, entities=both)).audiences(companies)] == [3]


def test_the_older_generation_asks_for_users_or_else_the_first_entity() -> None:
    everybody = Rights(reads=True, entities=None)
    names = {"b": {"attributes": "*"}, "a": {"attributes": "*"}}
    assert view_of(space(entities=names)).legacy(everybody).name == "a"
    assert view_of(space(entities=names)).legacy(Rights(reads=True, entities=frozenset({"b"}))).name == "b"
    names = {**names, "z": {"attributes": "*", "aliases": ["users"]}}
    assert view_of(space(entities=names)).legacy(everybody).name == "z"


def test_a_view_is_made_again_when_its_space_has_changed() -> None:
    views, one = Views(), space()
    assert views.of(one) is views.of(one)
    assert views.of(space()) is not views.of(one)


def test_the_origins_of_all_spaces() -> None:
    one, other = space(origins=["https://a.example"]), space(origins=["https://b.example"])
    assert origins_of([one, other, space()]) == {"https://a.example", "https://b.example"}
