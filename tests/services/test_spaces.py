"""Spaces as data: applied, refused, exported."""

from typing import Any

import pytest
import yaml

from mien.app import SECTIONS
from mien.core.space import DAY, SourceKind
from mien.errors import NotFound, SettingsRefused, SpaceNotFound
from mien.services import credentials, spaces
from mien.services.secrets import digest
from mien.store.base import SpaceRecord
from mien.store.sql import SqlStore

FILE = """
spaces:
  acme:
    name: Acme
    sources:
      web:  {kind: sdk, write_key: wk_acme_web}
      shop: {kind: server, write_key: env:SHOP_KEY}
    segment: {space_id: spa_1, tokens: {storefront: env:TOKEN}}
    identity:
      preset: segment
      types:
        anonymous_id: {limit: 5, period: weekly, priority: 3}
        loyalty_card: {limit: 1, blocked: ["0000"], blocked_patterns: ["^test"]}
      max_merges: 50
    traits: {policy: last_updated, limit: 1000}
    rate_limits: {segment: 50/second}
    retention: {events: 90 days, served_events: 14d, profiles: never}
"""
[SEGMENT] = [section for section in SECTIONS if section.dialect == "segment"]
ENVIRONMENT = {"SHOP_KEY": "wk_shop", "TOKEN": "tok_secret_0123456789"}


def apply(store: SqlStore, text: str, **environment: str) -> list[str]:
    return [change.what for change in spaces.apply(store, text, SECTIONS, {**ENVIRONMENT, **environment}, now=1)]


def test_applying_is_idempotent_and_says_what_it_changes(store: SqlStore) -> None:
    assert apply(store, FILE) == [
        "create segment credential storefront of space acme",
        "create space acme",
        "create source web of space acme",
        "create source shop of space acme",
    ]
    revision = store.revision()
    assert apply(store, FILE) == []
    assert store.revision() == revision
    assert apply(store, FILE.replace("90 days", "91 days")) == ["change space acme"]
    assert apply(store, FILE.replace("90 days", "91 days"), SHOP_KEY="wk_other") == [
        "change source shop of space acme"
    ]


def test_the_settings_mean_what_they_say(store: SqlStore) -> None:
    apply(store, FILE)
    catalog = spaces.read_catalog(store)
    acme = catalog.spaces["acme"]
    assert acme.retention.events == 90 * DAY
    assert acme.retention.profiles is None
    assert acme.rate_limits["segment"] == "50/second"
    assert acme.policy.max_traits == 1000
    rules = acme.policy.rules
    assert (rules.of("anonymous_id").period, rules.of("user_id").limit, rules.max_merges) == (7 * DAY, 1, 50)
    assert rules.of("loyalty_card").blocked == {"0000"}
    assert rules.custom_types(["anonymous_id", "user_id", "email", "group_id"]) == {"loyalty_card"}
    assert catalog.sources[digest("wk_shop")].name == "shop"
    assert catalog.credentials["segment", digest("tok_secret_0123456789")].space == "acme"


def test_no_secret_is_kept(store: SqlStore) -> None:
    apply(store, FILE)
    kept = [store.db.rows(f"SELECT * FROM {table}") for table in store.db.tables()]
    everything = repr(kept) + spaces.export(store, SECTIONS)
    assert "acme" in everything
    assert "wk_acme_web" not in everything
    assert "tok_secret" not in everything


def test_what_is_exported_applies_to_another_store_and_opens_the_same_doors(store: SqlStore) -> None:
    apply(store, FILE)
    from mien.store.sql import open_store  # noqa: PLC0415

    with open_store("sqlite:///:memory:") as other:
        exported = spaces.export(store, SECTIONS)
        apply(other, exported)
        assert spaces.export(other, SECTIONS) == exported
        assert apply(store, exported) == []
        assert spaces.read_catalog(other).sources.keys() == spaces.read_catalog(store).sources.keys()
        assert spaces.read_catalog(other).credentials.keys() == spaces.read_catalog(store).credentials.keys()


def changed(**settings: Any) -> str:
    file = yaml.safe_load(FILE)
    file["spaces"]["acme"].update(settings)
    return yaml.safe_dump(file)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("spaces: [", "not YAML"),
        ("", "spaces:"),
        ("[]", "spaces:"),
        ("spaces:", "Expected `object`"),
        ("spaces: {acme: []}", "acme: Expected `object`"),
        ("spaces: {acme: {sources: []}}", "acme.sources: Expected `object`"),
        ("spaces: {acme: {segment: []}}", "acme.segment: Expected `object`"),
        ("spaces: {acme: {rate_limits: 5}}", "acme.rate_limits: Expected `object`"),
        ("spaces: {}\nmore: 1", "more"),
        ("spaces: {'No!': {}}", "cannot name a space"),
        (changed(colour="red"), "colour"),
        (changed(retention={"events": "soon"}), "not a duration"),
        (changed(retention={"events": "1h"}), "a day or more"),
        (changed(rate_limits={"segment": "fast"}), "not a rate"),
        (changed(identity={"preset": "guess"}), "there are segment, mparticle/default"),
        (changed(identity={"types": {"k": {"immutable": True}}}), "must be `unique` and `login`"),
        (changed(identity={"on_login": "isolate"}), "merge: true"),
        (changed(identity={"types": {"k": {"priority": 9, "login": True}}}), "rank first"),
        (changed(identity={"types": {"x": {"blocked_patterns": ["(?=a)"]}}}), "blocked_patterns"),
        (changed(identity={"types": {"Not OK": {}}}), "lower-case"),
        (changed(identity={"types": {"x": {"limit": "many"}}}), "int"),
        (changed(sources={"web": {"kind": "wizard"}}), "wizard"),
        (changed(sources={"web": {"write_key": "env:NOT_SET"}}), "NOT_SET is not set"),
        (changed(sources={"web": {"write_key": ""}}), "cannot be empty"),
        (changed(sources={"web": {"write_key": "sha256:zz"}}), "acme.sources.web"),
        (changed(sources={"a": {"write_key": "same"}, "b": {"write_key": "same"}}), "the same secret"),
        (changed(sources={"no\nway": {}}), "cannot be a name"),
        (changed(segment={"tokens": {"x": "y"}, "colour": 1}), "colour"),
        (changed(rate_limits={"segmnt": "5/second"}), "rate_limits.segmnt: names no dialect"),
        (changed(dialects={}), "not a section"),
        (changed(traits={"limit": -1}), "limit"),
        (changed(identity={"types": {"x": {"limit": -1}}}), "limit"),
        (changed(identity={"types": {"x": {"period": "0d"}}}), "more than nothing"),
        (changed(retention={"events": "999999y"}), "1000 years"),
        (FILE + "  beta: {segment: {space_id: spa_1}}", "the same id"),
        (FILE + "  spa_1: {}", "the same id"),
        (FILE + "  beta: {segment: {tokens: {x: env:TOKEN}}}", "the same secret"),
    ],
)
def test_a_file_that_is_wrong_anywhere_changes_nothing(store: SqlStore, text: str, reason: str) -> None:
    with pytest.raises(SettingsRefused, match=reason):
        apply(store, text)
    assert store.revision() == 0


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("  acme:", "  Acme:", "line 3: Acme: cannot name a space"),
        ("name: Acme", "name: [Acme]", "line 4: acme.name: Expected `str`, got `array`"),
        ("name: Acme", "name: Acme\n    name: Ajax", "line 5: name stands here for the second time"),
        ("name: Acme", "name: Acme: Ajax", "line 4, column 15: not YAML"),
        ("name: Acme", "name: *acme", "line 4, column 11: not YAML: found undefined alias"),
        ("kind: sdk", "kind: wizard", "line 6: acme.sources.web.kind: Invalid enum value 'wizard'"),
        ("wk_acme_web", "env:NOT_SET", "line 6: acme.sources.web.write_key: the environment variable NOT_SET"),
        ("wk_acme_web", "''", "line 6: acme.sources.web.write_key: a secret cannot be empty"),
        ("wk_acme_web", "sha256:00", "line 6: acme.sources.web.write_key: a hash has 64"),
        ("env:SHOP_KEY", "wk_acme_web", "line 7: acme.sources.shop: has the same secret as acme.sources.web"),
        ("shop:", "web: ", "line 7: web stands here for the second time; the first is on line 6"),
        ("shop:", "a$b:", "line 7: acme.sources.'a$b': `a$b` cannot be a name"),
        ("space_id:", "space:", "line 8: acme.segment.space: there is no such setting"),
        ("env:TOKEN", "env:NOT_SET", "line 8: acme.segment.tokens.storefront: the environment variable NOT_SET"),
        (
            "preset: segment",
            "preset: guess",
            "line 10: acme.identity.preset: there is no such preset; there are segment",
        ),
        ("limit: 5", "limit: many", "line 12: acme.identity.types.anonymous_id.limit: Expected `int`, got `str`"),
        ("weekly", "fortnightly", "line 12: acme.identity.types.anonymous_id.period: `fortnightly` is not"),
        ("loyalty_card", "Loyalty", "line 13: acme.identity.types.Loyalty: cannot name a type"),
        (
            "{limit: 1,",
            "{immutable: true,",
            "line 13: acme.identity.types.loyalty_card.immutable: an immutable type must be `unique` and `login` too",
        ),
        ("^test", "(?=x)", "line 13: acme.identity.types.loyalty_card.blocked_patterns[0]: "),
        ("max_merges: 50", "other: {period: 0d}", "line 14: acme.identity.other.period: `0d` must be more"),
        ("policy: last_updated, ", "colour: red, ", "line 15: acme.traits.colour: there is no such setting"),
        ("50/second", "fast", "line 16: acme.rate_limits.segment: `fast` is not a rate"),
        ("{segment: 50", "{segmnt: 50", "line 16: acme.rate_limits.segmnt: names no dialect"),
        ("90 days", "soon", "line 17: acme.retention.events: `soon` is not a duration"),
        ("90 days", "1h", "line 17: acme.retention.events: must be a day or more"),
        ("never}", "never}\n    colour: red", "line 18: acme.colour: there is no such setting"),
        ("never}", "never}\n    dialects: {}", "line 18: acme.dialects: is not a section"),
        (
            "never}",
            "never}\n  spa_1: {}",
            "line 18: spa_1.segment.space_id: has the same id as acme.segment.space_id",
        ),
        ("never}", "never}\nmore: 1", "line 18: more: there is no such setting"),
    ],
)
def test_a_refusal_names_the_line_and_the_path(store: SqlStore, right: str, wrong: str, message: str) -> None:
    assert FILE.count(right) == 1
    with pytest.raises(SettingsRefused) as caught:
        apply(store, FILE.replace(right, wrong))
    assert str(caught.value).startswith(message)


def test_spaces_may_share_settings_and_a_mistake_in_them_has_its_own_line(store: SqlStore) -> None:
    shared = "spaces:\n  a:\n    retention: &keep\n      events: 30d\n  b: {retention: *keep}\n"
    assert apply(store, shared) == ["create space a", "create space b"]
    assert spaces.read_catalog(store).spaces["b"].retention.events == 30 * DAY
    with pytest.raises(SettingsRefused, match=r"^line 4: a\.retention\.events: `soon` is not"):
        apply(store, shared.replace("30d", "soon"))


def test_of_two_that_are_the_same_the_one_in_the_file_is_refused(store: SqlStore) -> None:
    apply(store, "spaces: {acme: {sources: {a: {write_key: k1}, b: {write_key: k2}}}}")
    with pytest.raises(SettingsRefused, match=r"^line 2: acme\.sources\.a: has the same secret as acme\.sources\.b$"):
        apply(store, "spaces:\n  {acme: {sources: {a: {write_key: k2}}}}")


def test_what_is_wrong_with_a_space_that_was_kept_is_said_by_its_path(store: SqlStore) -> None:
    with store.begin() as unit:
        unit.save_space(SpaceRecord("acme", b'{"retention": {"events": "soon"}, "dialects": {}}'))
    with pytest.raises(SettingsRefused, match=r"^acme\.retention\.events: `soon` is not a duration"):
        spaces.read_catalog(store)


def test_a_space_may_be_no_more_than_a_name(store: SqlStore) -> None:
    assert apply(store, "spaces:\n  acme:\n") == ["create space acme"]
    assert spaces.read_catalog(store).spaces["acme"].name == "acme"


def test_two_sources_may_exchange_their_keys(store: SqlStore) -> None:
    one = "spaces: {acme: {sources: {a: {write_key: k1}, b: {write_key: k2}}}}"
    apply(store, one)
    apply(store, one.replace("k1", "k0").replace("k2", "k1").replace("k0", "k2"))
    assert spaces.read_catalog(store).sources[digest("k1")].name == "b"


def test_other_types_lend_their_rule_to_those_configured(store: SqlStore) -> None:
    apply(store, "spaces: {acme: {identity: {other: {limit: 2}, types: {card: {priority: 7}}}}}")
    rules = spaces.read_catalog(store).spaces["acme"].policy.rules
    assert (rules.of("card").limit, rules.of("card").priority, rules.of("unheard_of").limit) == (2, 7, 2)


def test_a_source_without_a_key_is_given_one_once(store: SqlStore) -> None:
    first = spaces.apply(store, "spaces: {acme: {sources: {web: {}}}}", SECTIONS, {}, now=1)
    secret = next(change.secret for change in first if change.secret)
    assert digest(secret) in spaces.read_catalog(store).sources
    assert apply(store, "spaces: {acme: {sources: {web: {}}}}") == []


def test_a_revoked_secret_stays_revoked_when_a_file_still_holds_it(store: SqlStore) -> None:
    apply(store, FILE)
    credentials.revoke_credential(store, "acme", "segment", "storefront", now=5)
    credentials.revoke_source(store, "acme", "web", now=5)
    assert apply(store, FILE) == []
    assert "storefront" not in spaces.export(store, SECTIONS)
    assert spaces.read_catalog(store).credentials == {}
    assert apply(store, FILE, TOKEN="tok_new_0123456789") == ["change segment credential storefront of space acme"]
    assert len(spaces.read_catalog(store).credentials) == 1


def test_made_secrets_open_what_they_are_for(store: SqlStore) -> None:
    apply(store, FILE)
    key = credentials.create_source(store, "acme", "app", SourceKind.SDK, now=1)
    secret = credentials.create_credential(store, "acme", SEGMENT, "crm", now=1)
    catalog = spaces.read_catalog(store)
    assert catalog.sources[digest(key)].name == "app"
    assert catalog.credentials["segment", digest(secret)].name == "crm"
    again = credentials.create_source(store, "acme", "app", SourceKind.SDK, now=2)
    assert digest(key) not in spaces.read_catalog(store).sources
    assert spaces.read_catalog(store).sources[digest(again)].id == catalog.sources[digest(key)].id


def test_what_is_not_there_is_said(store: SqlStore) -> None:
    with pytest.raises(SpaceNotFound):
        credentials.create_source(store, "acme", "app", SourceKind.SDK, now=1)
    with pytest.raises(NotFound, match="no source `x`"):
        credentials.revoke_source(store, "acme", "x", now=1)
    with pytest.raises(NotFound, match="no segment credential `x`"):
        credentials.revoke_credential(store, "acme", "segment", "x", now=1)


def test_credentials_of_a_dialect_or_a_space_that_is_no_more_are_listed_all_the_same(store: SqlStore) -> None:
    with store.begin() as unit:
        for space, dialect in (("gone", "segment"), ("gone", "spoken no more")):
            unit.save_credential(spaces.new_credential(space, dialect, "crm", b"digest", now=1))
    listed = credentials.listed(store, None, SECTIONS)
    assert [(one.space, one.dialect, about) for one, about in listed] == [
        ("gone", "segment", {}),
        ("gone", "spoken no more", {}),
    ]
