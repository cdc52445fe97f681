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

from mien.services.spaces import Change
from mien.settings import read_settings
from mien.store.sql import SqlStore, open_store

StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="Where profiles are kept: sqlite:///FILE. [env: MIEN_STORE]", show_default=False),
]

console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 250)


@contextmanager
def opened(store: str | None) -> Iterator[SqlStore]:
    """Open the store that the flag, or else the environment, names."""
    with open_store(read_settings(os.environ, store=store).store) as found:
        yield found


def without_password(store: str) -> str:
    """Return a store's address as it may be shown."""
    return re.sub(r"(password=)[^&]*", r"\1…", re.sub(r"(://[^:/?@]*):[^/?]*@", r"\1:…@", store))


def tell(changes: list[Change]) -> None:
    """Print what a file changed, and each secret that was made, this once."""
    for change in changes:
        console.print(f"  {escape(change.what)}")
        if change.secret:
            console.print(f"    its key, shown only now: [bold]{change.secret}[/bold]")
    if not changes:
        console.print("  nothing to change")
