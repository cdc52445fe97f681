"""`mien token`: credentials that read."""

from typing import Annotated

import typer
from rich.table import Table

from mien import clock
from mien.app import SECTIONS
from mien.cli.common import StoreOption, console, opened
from mien.errors import SettingsRefused
from mien.services import spaces
from mien.web.times import write_time

app = typer.Typer(help="Create, list and revoke the credentials that read profiles.", no_args_is_help=True)

Space = Annotated[str, typer.Argument(help="The name of the space.")]
Name = Annotated[str, typer.Argument(help="The name of the credential, such as storefront/production.")]
Dialect = Annotated[str, typer.Option(help="Whose API it opens.")]


def _check(dialect: str) -> str:
    if dialect not in {section.dialect for section in SECTIONS}:
        raise SettingsRefused(f"There is no dialect `{dialect}`.")
    return dialect


@app.command()
def create(space: Space, name: Name, dialect: Dialect = "segment", store: StoreOption = None) -> None:
    """Create a credential, or give one of this name a new secret. The secret is shown this once."""
    with opened(store) as found:
        print(spaces.create_credential(found, space, _check(dialect), name, now=clock.now()))


@app.command("list")
def list_(
    space: Annotated[str | None, typer.Argument(help="Only this space.")] = None, store: StoreOption = None
) -> None:
    """List credentials, without their secrets."""
    table = Table("space", "dialect", "name", "created", "revoked", box=None)
    with opened(store) as found:
        for c in found.tenancy().credentials:
            if space in {None, c.space}:
                revoked = write_time(c.revoked_at) if c.revoked_at else ""
                table.add_row(c.space, c.dialect, c.name, write_time(c.created_at), revoked)
    console.print(table)


@app.command()
def revoke(space: Space, name: Name, dialect: Dialect = "segment", store: StoreOption = None) -> None:
    """Revoke a credential: every node refuses it within a second."""
    with opened(store) as found:
        spaces.revoke_credential(found, space, _check(dialect), name, now=clock.now())
