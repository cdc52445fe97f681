"""PostgreSQL to measure with: durable as it is delivered, with room for what is measured."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict
from tests.postgres import Cluster

from benchmarks import dataset

DURABLE = ("fsync=on", "synchronous_commit=on", "shared_buffers=512MB", "max_wal_size=4GB", "max_connections=100")


@contextmanager
def server(given: str | None) -> Iterator[str]:
    """The address of a server: the one given, or one of our own that is gone afterwards."""
    if given is not None:
        yield given
        return
    cluster = Cluster(*DURABLE)
    try:
        yield cluster.url()
    finally:
        cluster.remove()


def copy_of(server: str, count: int, *, events_each: int) -> str:
    """Return the address of a database of so many profiles that may be written to; they are made once per server."""
    name = f"bench_{count}_{events_each}"
    with psycopg.connect(server, autocommit=True) as db:
        if not db.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            db.execute(f"CREATE DATABASE {name}_unfinished")
            dataset.fill(_in(server, f"{name}_unfinished"), count, events_each=events_each)
            settle(_in(server, f"{name}_unfinished"))
            db.execute(f"ALTER DATABASE {name}_unfinished RENAME TO {name}")
        db.execute("DROP DATABASE IF EXISTS measured")
        db.execute(f"CREATE DATABASE measured TEMPLATE {name} STRATEGY FILE_COPY")
    return _in(server, "measured")


def settle(url: str) -> None:
    """Let the upkeep be done now that would otherwise fall into a measurement."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("VACUUM ANALYZE")
        db.execute("CHECKPOINT")


def _in(server: str, database: str) -> str:
    """Return the address of another database of a server."""
    parts = conninfo_to_dict(server)
    return f"postgresql:///?{'&'.join(f'{key}={value}' for key, value in {**parts, 'dbname': database}.items())}"
