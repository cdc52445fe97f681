"""Schemathesis sends whatever the description allows, and what it does not, to a running server: never a 5xx."""

from importlib.resources import files

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)

import mien.dialects.segment
from tests.server import Server, Tenant, identify

DESCRIPTION = yaml.safe_load(files(mien.dialects.segment).joinpath("openapi.yaml").read_text("utf-8"))
schema = schemathesis.openapi.from_dict(DESCRIPTION)


@pytest.fixture(scope="module")
def someone(server: Server) -> Tenant:
    tenant = server.next_tenant()
    tenant.send(identify("u1", {"a": 1}), {"type": "group", "userId": "u1", "groupId": "g1"})
    return tenant


@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_is_ever_a_server_error(case: schemathesis.Case, someone: Tenant) -> None:
    if "space" in case.path_parameters and len(case.path_parameters["space"]) % 2:
        case.path_parameters["space"] = someone.slug
    if "identifier" in case.path_parameters and len(case.path_parameters["identifier"]) % 2:
        case.path_parameters["identifier"] = "user_id:u1"
    reading = case.method == "GET" and "collections" in case.path
    response = case.call(base_url=someone.server.url, auth=(someone.token if reading else someone.write_key, ""))
    checks = [not_a_server_error, content_type_conformance, response_headers_conformance, response_schema_conformance]
    case.validate_response(response, checks=checks)


def test_the_description_is_served(someone: Tenant) -> None:
    assert someone.http.get("/segment/openapi.json").json() == DESCRIPTION
    assert someone.http.get("/openapi.json").status_code == 404
