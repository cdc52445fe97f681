"""What commands have in common."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from mien.core.message import COLLECTION
from mien.core.space import Space
from mien.errors import Invalid, SpaceNotFound
from mien.services.spaces import Change, read_catalog
from mien.settings import read_settings
from mien.store.sql import Limits, SqlStore, open_store

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Where profiles are kept: sqlite:///FILE, or postgresql://…. [env: MIEN_STORE]",
        show_default=False,
    ),
]


def collection_named(text: str) -> str:
    """Return the name of a collection; raise Invalid when it cannot be one."""
    if not COLLECTION.fullmatch(text):
        raise Invalid(
            f"`{text[:100]}` cannot name a collection: use lower-case letters, digits, `-` and `_`, at most 64."
        )
    return text


CollectionOption = Annotated[
    str, typer.Option("--collection", callback=collection_named, help="users, accounts, or any other name.")
]

PATIENT = Limits(statement=0, lock=0)
"""For work that takes as long as it takes."""

console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 250)


@contextmanager
def opened(store: str | None) -> Iterator[SqlStore]:
    """Open the store that the flag, or else the environment, names."""
    # What a person asks for may take its time, however short a request has to be.
    with open_store(read_settings(os.environ, store=store).store, Limits(connections=2, statement=0)) as found:
        yield found


def without_password(store: str) -> str:
    """Return a store's address as it may be shown."""
    return re.sub(r"(password=)[^&]*", r"\1…", re.sub(r"(://[^:/?@]*):[^/?]*@", r"\1:…@", store))


def space_named(store: SqlStore, name: str) -> Space:
    """Return a space; raise SpaceNotFound when there is none of this name."""
    space = read_catalog(store).spaces.get(name)
    if space is None:
        raise SpaceNotFound(f"There is no space `{name}`.")
    return space


def tell(changes: list[Change]) -> None:
    """Print what a file changed, and each secret that was made, this once."""
    for change in changes:
        console.print(f"  {escape(change.what)}")
        if change.secret:
            console.print(f"    its key, shown only now: [bold]{change.secret}[/bold]")
    if not changes:
        console.print("  nothing to change")
