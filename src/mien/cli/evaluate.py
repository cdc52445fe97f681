"""`mien evaluate`: evaluate existing profiles for new definitions, here and now."""

from typing import Annotated

import typer

from mien import clock
from mien.cli.common import StoreOption, console, opened, space_named
from mien.cli.definitions import progress
from mien.services import preparation
from mien.services.pace import FIRST, Pace
from mien.services.preparation import advance
from mien.services.spaces import read_catalog
from mien.services.sweep import STEP, sweep
from mien.store.base import Store
from mien.store.computed import Evaluation


def evaluate(space: Annotated[str, typer.Argument(help="The name of the space.")], store: StoreOption = None) -> None:
    """Evaluate the profiles of a space for definitions that are new, and those whose time has come.

    A serving Mien does so by itself; beside one this is safe, and needless.
    """
    with opened(store) as found, progress("profiles") as advanced:
        space_named(found, space)
        preparing, sweeping = Pace(FIRST, preparation.STEP), Pace(FIRST, STEP)
        while _step(found, space, preparing, sweeping):
            evaluation = found.evaluations().get(space, Evaluation())
            advanced(min(evaluation.done, evaluation.total), evaluation.total)
    console.print("Every profile is evaluated, and what was being prepared is live.")


def _step(store: Store, space: str, preparing: Pace, sweeping: Pace) -> bool:
    """Evaluate some profiles; say whether there may be more."""
    catalog, now = read_catalog(store), clock.now()
    revision, mine = catalog.revision, {space: catalog.spaces[space]}
    # What is new becomes live only when nobody has yet to be looked at whole.
    swept = sweep(store, catalog.spaces, now=now, pace=sweeping, revision=revision).profiles
    return advance(store, mine, now=now, pace=preparing, revision=revision) or swept > 0
