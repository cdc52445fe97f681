"""`mien migrate`: bring the schema of the store up to date, or say what is missing."""

import os
from contextlib import closing
from typing import Annotated

import typer

from mien.cli.common import PATIENT, StoreOption, console
from mien.settings import read_settings
from mien.store.sql import open_engine
from mien.store.sql.migrate import Step, migrate, missing, schema_of


def migrate_(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 when steps are missing.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Bring the schema of the store up to date.

    Every command does so when it opens the store; this one has no other purpose, and waits as long as it takes.
    """
    url = read_settings(os.environ, store=store).store
    with closing(open_engine(url, PATIENT, create=not check)) as db:
        schema, _ = schema_of(db)
        found = missing(db) if check else migrate(db)
    if not found:
        console.print(f"Nothing to do: the schema is at {schema}.")
    elif check:
        console.print(f"The schema is at {schema}. Missing:")
        _list(found)
        raise typer.Exit(1)
    else:
        console.print(f"The schema went from {schema} to {found[-1].number}:")
        _list(found)


def _list(steps: list[Step]) -> None:
    for step in steps:
        console.print(f"  {step.number} {step.name}")
