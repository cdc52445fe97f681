"""What tests share: real stores, and a real server that all end-to-end tests talk to."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mien.store.sql import SqlStore, open_store
from tests.postgres import Cluster, new_schema
from tests.server import Server, Tenant, running

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

ENGINES = ["sqlite", "postgresql"]
"""Every engine passes every test that takes `url`, `store` or `open_again`; none is left out."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server: the one that MIEN_TEST_POSTGRES names, or one begun for the tests."""
    given = os.environ.get("MIEN_TEST_POSTGRES")
    if given:
        yield given
        return
    cluster = Cluster()
    yield cluster.url()
    cluster.remove()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server that a test may stop, crash and begin again; it leaves it running."""
    begun = Cluster()
    yield begun
    begun.remove()


def empty_store(request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the address of an empty store of the engine a fixture is asked for."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'mien.db'}"
    return new_schema(request.getfixturevalue("postgres"))


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that is empty at first."""
    return empty_store(request, tmp_path)


@pytest.fixture(params=ENGINES)
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of another store, of every engine beside every engine."""
    folder = tmp_path / "other"
    folder.mkdir()
    return empty_store(request, folder)


@pytest.fixture
def open_again(url: str) -> Callable[[], SqlStore]:
    """Open one store, empty at first; each time over a connection of its own."""
    return lambda: open_store(url)


@pytest.fixture
def store(open_again: Callable[[], SqlStore]) -> Iterator[SqlStore]:
    """A new, empty store."""
    with open_again() as opened:
        yield opened


@pytest.fixture(scope="session", params=ENGINES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Mien with many spaces, over each engine."""
    folder = tmp_path_factory.mktemp("server")
    url = empty_store(request, folder)
    with running(folder, store=url) as started:
        yield started


@pytest.fixture
def tenant(server: Server) -> Tenant:
    """A space of the running Mien that no other test uses."""
    return server.next_tenant()
