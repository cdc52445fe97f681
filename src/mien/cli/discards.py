"""`mien discards`: what was not taken in, and why."""

from typing import Annotated

import typer
from rich.table import Table

from mien.cli.common import StoreOption, console, opened
from mien.web.times import write_time


def discards(
    space: Annotated[
        str | None, typer.Argument(help="Only this space; all, and what belongs to none, if left out.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many rows at most.")] = 50,
    store: StoreOption = None,
) -> None:
    """List what was discarded, those reported last first. The reasons are explained in docs/reference/discards.md."""
    table = Table("last", "times", "space", "source", "message", "type", "reason", "detail", box=None)
    with opened(store) as found:
        for discard, count, last_at in found.discards(space, reason=reason, limit=limit):
            table.add_row(
                write_time(last_at, digits=3),
                str(count),
                discard.space,
                discard.source,
                discard.message,
                discard.kind,
                discard.reason,
                discard.detail,
            )
    console.print(table)
