"""`mien copy`: move a store to another place, such as from a file to PostgreSQL."""

from contextlib import closing
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mien.cli.common import PATIENT, console
from mien.store.sql import open_engine
from mien.store.sql.transfer import Transfer


def copy(
    source: Annotated[
        str, typer.Option("--from", help="The store as it is: sqlite:///FILE or postgresql://….", show_default=False)
    ],
    target: Annotated[
        str, typer.Option("--to", help="Where it is to be: an empty database, of any kind.", show_default=False)
    ],
) -> None:
    """Copy a whole store to another place, and compare the two.

    Stop Mien first: what is written to the store while it is copied would be missing. That is noticed when the two
    are compared, and the copy is refused.

    However it is interrupted, the same command goes on where it was. Until it is finished nobody else opens the
    target.
    """
    with closing(open_engine(source, PATIENT, create=False)) as old, closing(open_engine(target, PATIENT)) as new:
        transfer = Transfer(old, new)
        if transfer.moved:
            console.print(f"Going on after {transfer.moved:,} rows.")
        try:
            _run(transfer)
        except KeyboardInterrupt:
            console.print("Interrupted. The same command goes on from here.")
            raise typer.Exit(130) from None
    console.print(f"Copied {transfer.moved:,} rows; the two hold the same. Start Mien with the new store.")


def _run(transfer: Transfer) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("counting", total=None)
        rows = transfer.rows()
        bar.update(task, total=rows, completed=transfer.moved)
        for table, moved in transfer.move():
            bar.update(task, advance=moved, description=f"copying {table}")
        bar.update(task, description="copied")
        task = bar.add_task("comparing", total=2 * rows)
        for table, read in transfer.compare():
            bar.update(task, advance=read, description=f"comparing {table}")
        bar.update(task, description="compared")
        transfer.finish()
