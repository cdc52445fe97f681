"""Schemathesis sends whatever the description allows, and what it does not, to a running server: never a 5xx."""

from collections.abc import Iterator
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

import mien.dialects.growthloop
from tests.dialects.growthloop.conftest import Shop
from tests.server import identify

DESCRIPTION = yaml.safe_load(files(mien.dialects.growthloop).joinpath("openapi.yaml").read_text("utf-8"))
schema = schemathesis.openapi.from_dict(DESCRIPTION)


@pytest.fixture(scope="module")
def someone(shops: Iterator[Shop], limited: Shop) -> Shop:
    shop = next(shops)
    shop.send(identify("u1", {"a": 1, "b": {"z": 1, "a": 2}, "audiences": 3}))
    return shop


@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_is_ever_a_server_error(case: schemathesis.Case, someone: Shop) -> None:
    if "entity" in case.path_parameters and len(case.path_parameters["entity"]) % 2:
        case.path_parameters["entity"] = "customers"
    if "id" in case.path_parameters and len(case.path_parameters["id"]) % 2:
        case.path_parameters["id"] = "u1"
    headers = {"authorization": f"Bearer {someone.key}"}
    response = case.call(base_url=someone.server.url, headers=headers)
    checks = [not_a_server_error, content_type_conformance, response_headers_conformance, response_schema_conformance]
    case.validate_response(response, checks=checks)


def test_the_description_is_served(someone: Shop) -> None:
    assert someone.http.get("/growthloop/openapi.json").json() == DESCRIPTION
    assert someone.http.get("/openapi.json").status_code == 404
