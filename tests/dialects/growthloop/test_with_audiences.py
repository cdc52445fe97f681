"""The Personalization API with real audiences (seed; reference: growthloop 8, cases 1 to 3, 9, 10 and 12)."""

import json
from itertools import count
from typing import Any

import pytest
import yaml

from tests.dialects.growthloop.conftest import Shop, section, until
from tests.dialects.growthloop.test_render import SEED
from tests.server import ADMITTED, Server, identify, space, track

_numbers = count()
AUDIENCES = {
    "churned_users": {
        "id": 1,
        "name": "chruned users",
        "query": "event('Churned').count() >= 1",
        "attributes": {"offer": "20%"},
    },
    "onboarding": {
        "id": 2,
        "name": "Onboarding",
        "query": "event('Signed Up').count() >= 1",
        "attributes": {"bruh": "10%"},
    },
    "plain": {"id": 30, "name": "Plain", "query": "event('Seen').count() >= 1"},
    "journey": {
        "id": 4,
        "name": "Journey",
        "query": "trait('journey_offer').exists()",
        "attributes": {"offer": {"trait": "journey_offer"}},
    },
}


def begun(server: Server, defined: dict[str, Any], **settings: Any) -> Shop:
    """Return a new space with audiences, once it serves them."""
    slug = f"aud-{next(_numbers):03}"
    about = {**section(slug), **settings}
    file = server.folder / f"{slug}.yaml"
    whole = space(slug, {**ADMITTED, "growthloop": about, "audiences": defined})
    file.write_text(yaml.safe_dump({"spaces": {slug: whole}}))
    server.mien("apply", str(file))
    shop = Shop(server, slug)
    published = len(defined) if about.get("audiences", "all") == "all" else len(about["audiences"])
    until(lambda: (answer := shop.ask("audiences")).status_code == 200 and len(answer.json()) == published)
    return shop


@pytest.fixture
def shop(server: Server) -> Shop:
    return begun(server, AUDIENCES)


def test_the_seed(shop: Shop) -> None:
    """Case 1: equal as parsed, and in the order of keys."""
    seed = json.loads(SEED)
    traits = {key: value for key, value in seed.items() if not key.startswith(("audience", "entity_"))}
    shop.send(identify("user_12345", traits), track("user_12345", "Churned"), track("user_12345", "Signed Up"))
    answer = shop.ask("entities/customers/user_12345")
    assert json.dumps(answer.json(), indent=4) == SEED


def test_audiences_are_counted_and_each_has_what_is_its_own(shop: Shop) -> None:
    """Cases 2 and 3: what was acknowledged shows in the very next read."""
    shop.send(identify("u1", {"a": 1}))
    assert shop.entity("customers/u1")["audiences"] == {}
    shop.send(track("u1", "Seen"), track("u1", "Churned"))
    answer = shop.entity("customers/u1")
    assert answer["audiences"] == {
        "1": {"audience_name": "chruned users", "offer": "20%"},
        "30": {"audience_name": "Plain"},
    }
    assert answer["audience_count"] == 2
    assert all(key.isdigit() for key in answer["audiences"])
    assert not answer.keys() & AUDIENCES.keys()
    chosen = shop.entity("customers/u1", params={"audiences": "30"})
    assert (chosen["audience_count"], list(chosen["audiences"])) == (1, ["30"])


def test_a_journey_writes_to_one_profile_and_no_other(shop: Shop) -> None:
    """Case 9."""
    shop.send(identify("u1", {"journey_offer": "5%"}), identify("u2", {"journey_offer": "50%"}), identify("u3"))
    offers = [shop.entity(f"customers/{user}")["audiences"].get("4", {}).get("offer") for user in ("u1", "u2", "u3")]
    assert offers == ["5%", "50%", None]


@pytest.mark.parametrize(("shows", "groups"), [("hide", set()), ("show_with_group", {"control"})])
def test_a_control_group(server: Server, shows: str, groups: set[str]) -> None:
    """Case 10."""
    everybody = {"percent": 100, "shows": shows}
    shop = begun(server, {"plain": {**AUDIENCES["plain"], "control": everybody}})
    shop.send(track("u1", "Seen"))
    answer = shop.entity("customers/u1")
    assert {about["group"] for about in answer["audiences"].values()} == groups
    assert answer["audience_count"] == len(groups)


def test_the_list_and_the_older_generation(server: Server) -> None:
    """Case 12."""
    shop = begun(server, AUDIENCES, audiences=["plain", "onboarding"])
    assert shop.ask("audiences").json() == [
        {"audience_id": 2, "audience_name": "Onboarding"},
        {"audience_id": 30, "audience_name": "Plain"},
    ]
    shop.send(track("u1", "Seen"), track("u1", "Churned"))
    assert shop.entity("customers/u1")["audiences"] == {"30": {"audience_name": "Plain"}}
    older = shop.ask("audiences", params={"identifier": "u1"}).json()
    assert older["audiences"] == [{"audience_id": 30, "audience_name": "Plain"}]


def test_entering_an_audience_is_a_change(shop: Shop) -> None:
    """The traits are the same; the answer is not."""
    shop.send(identify("u1", {"a": 1}))
    etag = shop.ask("entities/customers/u1").headers["etag"]
    shop.send(track("u1", "Seen"))
    assert shop.ask("entities/customers/u1", headers={"if-none-match": etag}).status_code == 200


def test_an_answer_can_say_why_somebody_is_in_an_audience(shop: Shop) -> None:
    shop.send({**track("u1", "Seen"), "messageId": "seen"}, identify("u1", {"a": 1}))
    why = shop.entity("customers/u1", params={"explain": "1"})["explanations"]
    since = why["audiences"]["30"].pop("since")
    assert since.endswith("Z")
    assert why["audiences"] == {
        "30": {"query": AUDIENCES["plain"]["query"], "changed_by": "message", "message_id": "seen"}
    }
    assert why["a"]["message_id"]


def test_stores_are_an_entity_with_audiences_of_their_own(server: Server) -> None:
    """Any name can be a collection: fed through Segment's API, and served here by the type of id it says."""
    busy = {"busy": {"id": 5, "collection": "stores", "query": "event('Sale').count() >= 2"}}
    stores = {"collection": "stores", "id": "store_id", "attributes": "*"}
    shop = begun(server, busy, entities={**section("any")["entities"], "stores": stores})
    named = {"externalIds": [{"collection": "stores", "type": "store_id", "id": "007", "encoding": "none"}]}
    shop.send({"type": "identify", "traits": {"city": "Ulm"}, "context": named})
    for who in ("u1", "u2"):
        shop.send({**track(who, "Sale"), "context": named})
    assert shop.ask("entities/stores/007").json() == {
        "audience_count": 1,
        "audiences": {"5": {"audience_name": "busy"}},
        "city": "Ulm",
        "entity_id": "007",
        "entity_name": "stores",
    }
    assert shop.ask("entities/stores/7").status_code == 404
