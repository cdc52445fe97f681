"""What tests share: real stores, and a real server that all end-to-end tests talk to."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mien.store.sql import SqlStore, open_store
from tests.server import Server, Tenant, running

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

ENGINES = ["sqlite"]
"""Every engine passes every test that takes `store`; none is left out."""


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    """A new, empty store."""
    assert request.param == "sqlite"
    with open_store(f"sqlite:///{tmp_path / 'mien.db'}") as opened:
        yield opened


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Mien with many spaces."""
    with running(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def tenant(server: Server) -> Tenant:
    """A space of the running Mien that no other test uses."""
    return server.next_tenant()
