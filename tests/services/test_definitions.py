"""Definitions are data of a space: applied, told apart, refused with a place and a reason."""

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from mien.core.definition import State, key_of
from mien.errors import SettingsRefused
from mien.services.preparation import advance
from mien.services.spaces import apply, export, read_catalog
from mien.store.sql import SqlStore
from mien.web.tenants import Tenants
from tests.factories import NOW, message, sheet_of, take_in, user

COUNT = "event('E').count()"


def put(store: SqlStore, definitions: str) -> list[str]:
    changes = apply(store, f"spaces:\n  acme: {definitions}\n", (), {}, now=NOW)
    return [change.what for change in changes if "space acme" not in change.what.removesuffix(" of space acme")]


def states(store: SqlStore) -> list[tuple[str, int, State]]:
    return [(r.definition.key, r.definition.number, r.definition.state) for r in store.definitions()]


def prepare(store: SqlStore) -> None:
    while advance(store, read_catalog(store).spaces, now=NOW):
        pass


def audience(query: str, more: str = "") -> str:
    return f'{{audiences: {{big: {{query: "{query}"{more}}}}}}}'


def test_where_nobody_is_yet_a_definition_is_live_at_once(store: SqlStore) -> None:
    assert put(store, audience("trait('a') = 1")) == ["create audience big of space acme"]
    assert states(store) == [("big", 1, State.LIVE)]
    assert put(store, audience("trait('a') = 1")) == []


def test_a_new_query_is_prepared_beside_the_old_one_until_everybody_is_evaluated(store: SqlStore) -> None:
    put(store, audience("trait('a') = 1"))
    take_in(store, message(traits={"a": 2}), tenant=read_catalog(store).spaces["acme"])
    assert put(store, audience("trait('a') = 2")) == ["change audience big of space acme"]
    assert states(store) == [("big", 1, State.LIVE), ("big", 2, State.PREPARING)]
    put(store, audience("trait('a') = 3"))
    assert states(store) == [("big", 1, State.LIVE), ("big", 2, State.RETIRED), ("big", 3, State.PREPARING)]
    prepare(store)
    assert states(store) == [("big", 3, State.LIVE)]


def test_what_does_not_decide_the_value_changes_in_place(store: SqlStore) -> None:
    put(store, audience("trait('a') = 1", ", name: Big, attributes: {offer: 5%}"))
    take_in(store, message(), tenant=read_catalog(store).spaces["acme"])
    put(store, audience("trait('a') = 1", ", name: Bigger, attributes: {offer: 6%}, control: {percent: 10}"))
    [record] = store.definitions()
    assert (record.definition.number, record.definition.name, record.definition.control) == (1, "Bigger", 10)
    assert record.definition.attributes == {"offer": "6%"}


def test_those_that_refer_to_what_changes_are_prepared_again(store: SqlStore) -> None:
    both = '{{computed_traits: {{n: {{query: "{}"}}, m: {{query: "trait(\'n\')"}}, o: {{query: "trait(\'x\')"}}}}}}'
    put(store, both.format(COUNT))
    take_in(store, message(), tenant=read_catalog(store).spaces["acme"])
    put(store, both.format("event('F').count()"))
    assert [key for key, _, state in states(store) if state is State.PREPARING] == ["n", "m"]


def test_a_section_that_is_given_is_the_whole_of_it(store: SqlStore) -> None:
    put(store, f'{{computed_traits: {{n: {{query: "{COUNT}"}}}}, audiences: {{a: {{query: "trait(\'n\') > 1"}}}}}}')
    take_in(store, message(event="E"), tenant=read_catalog(store).spaces["acme"])
    assert put(store, "{audiences: {}}") == ["remove audience a of space acme"]
    prepare(store)
    assert [key for key, _, _ in states(store)] == ["n"]
    assert put(store, "{}") == []
    assert put(store, "{computed_traits: {}}") == ["remove computed trait n of space acme"]
    prepare(store)
    assert states(store) == []


def test_a_definition_that_is_disabled_is_computed_no_more_and_comes_back(store: SqlStore) -> None:
    put(store, audience("trait('a') = 1"))
    take_in(store, message(traits={"a": 1}), tenant=read_catalog(store).spaces["acme"])
    put(store, audience("trait('a') = 1", ", enabled: false"))
    assert ("big", 2, State.DISABLED) in states(store)
    assert read_catalog(store).spaces["acme"].audiences == {}
    put(store, audience("trait('a') = 1", ", enabled: true"))
    prepare(store)
    assert states(store) == [("big", 3, State.LIVE)]
    assert store.count_members("acme", 3) == 1


def test_audiences_have_ids_of_their_own_which_they_keep(store: SqlStore) -> None:
    put(store, "{audiences: {a: {query: \"trait('x') = 1\"}, b: {id: 7, query: \"trait('x') = 1\"}}}")
    assert {r.definition.key: r.definition.id for r in store.definitions()} == {"a": 8, "b": 7}
    with pytest.raises(SettingsRefused, match="an audience keeps its id, which is 7"):
        put(store, "{audiences: {b: {id: 9, query: \"trait('x') = 1\"}}}")


def test_what_is_exported_is_what_was_applied(store: SqlStore) -> None:
    put(
        store,
        """
    computed_traits:
      n: {name: Orders, query: "event('E').count()", description: All of them, collection: accounts}
    audiences:
      a:
        id: 4
        query: "trait('x') = 1"
        attributes: {offer: 20%}
        expires: 2027-01-01T00:00:00Z
        anonymous: true
        control: {percent: 10, shows: show}
        enabled: false
""",
    )
    written = export(store, ())
    assert apply(store, written, (), {}, now=NOW) == []
    before = store.definitions()
    assert before[1].definition.expires_at == 1_798_761_600_000_000
    assert export(store, ()) == written


@pytest.mark.parametrize(
    ("definitions", "reason"),
    [
        (audience("trait('a') >"), r"acme\.audiences\.big\.query.*column 13"),
        (audience(COUNT), "query"),
        ("{computed_traits: {n: {query: \"trait('a') = 1\"}}}", "query"),
        ("{audiences: {Big: {query: x}}}", "cannot be a key"),
        (audience("trait('big') = true"), "refers to itself: big → big"),
        ("{audiences: {a: {query: \"trait('b') = 1\"}, b: {query: \"trait('a') = 1\"}}}", "refers to itself"),
        (
            f'{{computed_traits: {{a: {{query: "{COUNT}"}}}}, audiences: {{a: {{query: "trait(\'x\') = 1"}}}}}}',
            "is the key",
        ),
        (audience("trait('a') = 1", ", attributes: {audience_name: x}"), "audience's own name"),
        (audience("trait('a') = 1", ", expires: soon"), "must be a date or time"),
        (audience("trait('a') = 1", ", control: {percent: 101}"), "control.percent"),
        (audience("trait('a') = 1", ", colour: red"), "colour"),
        (audience("trait('a') = 1", ", collection: My Shops"), "cannot name a collection"),
        (audience("ANY event('E').count() > 1"), "accounts"),
        (
            "{audiences: {a: {id: 1, query: \"trait('x') = 1\"}, b: {id: 1, query: \"trait('x') = 1\"}}}",
            "the id of a",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_place_and_nothing_changes(
    definitions: str, reason: str, store: SqlStore
) -> None:
    with pytest.raises(SettingsRefused, match=reason):
        put(store, definitions)
    assert store.definitions() == []
    assert store.tenancy().spaces == []


@pytest.mark.parametrize(
    ("name", "key"),
    [("Big Spenders", "big_spenders"), ("orders_90d", "orders_90d"), ("lastOrder", "last_order"), ("  é!  ", "")],
)
def test_a_key_is_the_name_in_snake_case(name: str, key: str) -> None:
    assert key_of(name) == key


def test_a_thousand_names_more_make_too_many(store: SqlStore) -> None:
    many = ", ".join(f"k{n}: {{query: \"trait('x')\"}}" for n in range(1001))
    with pytest.raises(SettingsRefused, match="more than 1000"):
        put(store, f"{{computed_traits: {{{many}}}}}")


def test_a_space_of_somebody_else_is_left_alone(store: SqlStore) -> None:
    apply(store, f'spaces: {{other: {{computed_traits: {{n: {{query: "{COUNT}"}}}}}}}}', (), {}, now=NOW)
    put(store, f'{{computed_traits: {{n: {{query: "{COUNT}"}}}}}}')
    take_in(store, message(user("user_id", "u9"), event="E"), tenant=read_catalog(store).spaces["acme"])
    put(store, "{computed_traits: {}}")
    prepare(store)
    assert [record.space for record in store.definitions()] == ["other"]


def test_one_that_is_not_understood_any_more_does_not_keep_the_others_from_being_computed(store: SqlStore) -> None:
    put(store, f'{{computed_traits: {{n: {{query: "{COUNT}"}}, old: {{query: "trait(\'x\')"}}}}}}')
    [old] = [record for record in store.definitions() if record.definition.key == "old"]
    with store.begin() as unit:
        unit.save_definition(old._replace(definition=replace(old.definition, query="a word of tomorrow's language")))
    with capture_logs() as lines:
        tenants = Tenants(store)
        put(store, "{retention: {events: 30d}}")
        tenants.refresh()
    assert tenants.current().revision == store.revision()
    assert [record.definition.key for record in tenants.current().unread] == ["old"]
    [line] = [line for line in lines if line["log_level"] == "warning"]
    assert (line["space"], line["key"]) == ("acme", "old")
    with pytest.raises(SettingsRefused, match=r"computed_traits\.old\.query: is not understood by this Mien"):
        put(store, audience("trait('a') = 1"))
    take_in(store, message(event="E"), tenant=tenants.current().spaces["acme"])
    sheet = sheet_of(store, user("user_id", "u1"))
    assert sheet is not None
    assert sheet.text == b'"n":1'


def test_a_sum_that_json_cannot_hold_is_no_value(store: SqlStore) -> None:
    put(store, "{computed_traits: {n: {query: \"event('E').sum(property('x'))\"}}}")
    tenant = read_catalog(store).spaces["acme"]
    for _ in range(2):
        take_in(store, message(event="E", properties=b'{"x":1e308}'), tenant=tenant)
    sheet = sheet_of(store, user("user_id", "u1"))
    assert sheet is not None
    assert sheet.text == b""
