"""`mien token`: credentials that read."""

from typing import Annotated

import typer
from rich.table import Table

from mien import clock
from mien.app import SECTIONS
from mien.cli.common import StoreOption, console, opened
from mien.errors import SettingsRefused
from mien.services import credentials, spaces
from mien.web.times import write_time

app = typer.Typer(help="Create, list and revoke the credentials that read profiles.", no_args_is_help=True)

Space = Annotated[str, typer.Argument(help="The name of the space.")]
Name = Annotated[str, typer.Argument(help="The name of the credential, such as storefront/production.")]
Dialect = Annotated[str, typer.Option(help="Whose API it opens.")]


Scopes = Annotated[
    list[str] | None, typer.Option("--scope", help="What it may do, once for each scope (growthloop).")
]
Entities = Annotated[
    list[str] | None, typer.Option("--entity", help="The only entities it opens, once for each (growthloop).")
]


def _section(dialect: str) -> spaces.Section:
    for section in SECTIONS:
        if section.dialect == dialect:
            return section
    raise SettingsRefused(f"There is no dialect `{dialect}`.")


@app.command()
def create(
    space: Space,
    name: Name,
    dialect: Dialect = "segment",
    scope: Scopes = None,
    entity: Entities = None,
    store: StoreOption = None,
) -> None:
    """Create a credential, or give one of this name a new secret. The secret is shown this once.

    Scopes and entities stay as they were where none are given.
    """
    about = {key: given for key, given in {"scopes": scope, "entities": entity}.items() if given}
    with opened(store) as found:
        print(credentials.create_credential(found, space, _section(dialect), name, about=about, now=clock.now()))


@app.command("list")
def list_(
    space: Annotated[str | None, typer.Argument(help="Only this space.")] = None, store: StoreOption = None
) -> None:
    """List credentials, and what each is limited to, without their secrets."""
    table = Table("space", "dialect", "name", "limited to", "created", "revoked", box=None)
    with opened(store) as found:
        for c, about in credentials.listed(found, space, SECTIONS):
            limits = "; ".join(f"{what}: {', '.join(names)}" for what, names in about.items())
            revoked = write_time(c.revoked_at) if c.revoked_at else ""
            table.add_row(c.space, c.dialect, c.name, limits, write_time(c.created_at), revoked)
    console.print(table)


@app.command()
def revoke(space: Space, name: Name, dialect: Dialect = "segment", store: StoreOption = None) -> None:
    """Revoke a credential: every node refuses it within a second."""
    with opened(store) as found:
        credentials.revoke_credential(found, space, _section(dialect).dialect, name, now=clock.now())
