"""Collections of any name, through Segment's API and the command line."""

import json
from typing import Any

from tests.server import Server, Tenant, identify, track


def at(value: str, kind: str = "id", collection: str = "stores") -> dict[str, Any]:
    """Return a context that names a profile of a collection."""
    return {"externalIds": [{"id": value, "type": kind, "collection": collection, "encoding": "none"}]}


def of_store(value: str, traits: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an identify call that describes a store."""
    return {"type": "identify", "traits": traits, "context": at(value), **fields}


def test_a_store_has_a_profile_of_its_own(tenant: Tenant) -> None:
    tenant.send(of_store("ulm", {"city": "Ulm", "email": "ulm@shop.c"}), of_store("ulm", {"open": True}))
    assert tenant.traits("id:ulm", "stores") == {"city": "Ulm", "email": "ulm@shop.c", "open": True}
    assert tenant.identifiers("id:ulm", "stores") == {("id", "ulm")}
    assert tenant.get("id:ulm/traits").status_code == 404
    assert tenant.get("id:ulm/traits", "shops").status_code == 404
    assert tenant.get("email:ulm@shop.c/traits").status_code == 404
    own = tenant.segment_id("id:ulm", "stores")
    assert own.startswith("ent_")
    assert tenant.traits(own, "stores")["city"] == "Ulm"
    assert tenant.pages("", "stores") == [{"segment_id": own}]


def test_what_a_user_does_at_a_store_is_an_event_of_both(tenant: Tenant) -> None:
    bought = track("ann", "Bought", {"price": 5}, context=at("ulm"), messageId="m1")
    tenant.send(bought, identify("ann", {"plan": "pro"}, context=at("ulm")))
    for identifier, collection in (("user_id:ann", "users"), ("id:ulm", "stores")):
        [event] = tenant.events(identifier, collection)
        assert event["properties"] == {"price": 5}
        assert [row["collection"] for row in event["external_ids"]] == [collection]
        assert list(event["related"]) == [collection]
        assert tenant.pages(f"{identifier}/links", collection) == []
    assert tenant.traits("user_id:ann") == {"plan": "pro"}
    assert tenant.traits("id:ulm", "stores") == {}


def test_a_third_collection_is_passed_over_and_listed(tenant: Tenant) -> None:
    context = {**at("ulm"), "groupId": "g1"}
    tenant.send(track("ann", context=context, messageId="m1"))
    assert tenant.get("id:ulm/traits", "stores").status_code == 404
    assert tenant.get("group_id:g1/traits", "accounts").status_code == 200
    assert tenant.discards() == [("collections_limit_exceeded", "m1")]


def test_stores_are_merged_told_of_unmerged_and_forgotten_as_users_are(tenant: Tenant, server: Server) -> None:
    both = {"externalIds": at("ulm")["externalIds"] + at("u-7", "code")["externalIds"]}
    tenant.send(of_store("ulm", {"city": "Ulm"}), {**of_store("", {"tables": 4}), "context": at("u-7", "code")})
    tenant.send(track("ann", "Visited", context=both, messageId="bridge"))
    stores = (tenant.slug, "id:ulm", "--collection", "stores")
    assert tenant.traits("code:u-7", "stores") == {"city": "Ulm", "tables": 4}
    assert json.loads(server.mien("profile", "show", *stores))["segment_id"].startswith("ent_")
    assert "code:u-7 came by message" in server.mien("profile", "why", *stores)
    told = server.mien("profile", "history", *stores)
    young = next(word for word in told.split() if word.startswith("ent_"))
    assert "was undone" in server.mien("profile", "unmerge", tenant.slug, young, "--collection", "stores")
    assert tenant.traits("id:ulm", "stores") == {"city": "Ulm"}
    assert tenant.traits("code:u-7", "stores") == {"tables": 4}
    assert [event["message_id"] for event in tenant.events("user_id:ann")] == ["bridge"]
    assert "1 profiles" in server.mien("forget", *stores)
    assert tenant.get("id:ulm/traits", "stores").status_code == 404
    assert tenant.get("user_id:ann/traits").status_code == 200
