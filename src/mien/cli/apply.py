"""`mien apply` and `mien export`: spaces from a file, and back to one."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mien import clock
from mien.app import SECTIONS
from mien.cli.common import StoreOption, opened, tell
from mien.services import spaces


def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="YAML; see docs/reference/spaces.md.")],
    store: StoreOption = None,
) -> None:
    """Make the spaces in FILE what the file says. Doing so again changes nothing."""
    with opened(store) as found:
        changes = spaces.apply(
            found, file.read_text("utf-8", "surrogateescape"), SECTIONS, os.environ, now=clock.now()
        )
    tell(changes)


def export(store: StoreOption = None) -> None:
    """Print all spaces as a file that `mien apply` takes. Secrets stand in it as their hashes."""
    with opened(store) as found:
        print(spaces.export(found, SECTIONS), end="")
