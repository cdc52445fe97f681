"""`mien source`: where data comes from."""

from typing import Annotated

import typer
from rich.table import Table

from mien import clock
from mien.cli.common import StoreOption, console, opened
from mien.core.space import SourceKind
from mien.services import credentials
from mien.web.times import write_time

app = typer.Typer(help="Create, list and revoke the sources that send data.", no_args_is_help=True)

Space = Annotated[str, typer.Argument(help="The name of the space.")]
Name = Annotated[str, typer.Argument(help="The name of the source, such as web.")]


@app.command()
def create(
    space: Space,
    name: Name,
    kind: Annotated[
        SourceKind | None, typer.Option(help="What kind of source it is; sdk, or what it was.", show_default=False)
    ] = None,
    store: StoreOption = None,
) -> None:
    """Create a source, or give one of this name a new key. The key is shown this once."""
    with opened(store) as found:
        print(credentials.create_source(found, space, name, kind, now=clock.now()))


@app.command("list")
def list_(
    space: Annotated[str | None, typer.Argument(help="Only this space.")] = None, store: StoreOption = None
) -> None:
    """List sources, without their keys."""
    table = Table("space", "name", "id", "kind", "created", "revoked", box=None)
    with opened(store) as found:
        for s in found.tenancy().sources:
            if space in {None, s.space}:
                revoked = write_time(s.revoked_at) if s.revoked_at else ""
                table.add_row(s.space, s.name, s.id, s.kind, write_time(s.created_at), revoked)
    console.print(table)


@app.command()
def revoke(space: Space, name: Name, store: StoreOption = None) -> None:
    """Revoke a source's key: every node refuses it within a second."""
    with opened(store) as found:
        credentials.revoke_source(found, space, name, now=clock.now())
