"""`mien audience`: who is in, why, and what a query would come to."""

from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from mien import clock
from mien.cli import definitions as common
from mien.cli.causes import caused, who
from mien.cli.common import CollectionOption, StoreOption, console, opened, space_named
from mien.cli.definitions import (
    AsJson,
    At,
    Examples,
    Named,
    Query,
    Replace,
    SampleSize,
    SpaceName,
    WhatIf,
)
from mien.core.definition import Kind
from mien.core.message import USERS
from mien.dialects.segment.names import lookups, profile_of
from mien.errors import Invalid
from mien.services import members as service
from mien.services.close_up import defined, named
from mien.services.lookup import find, head
from mien.services.preview import Question
from mien.web.times import write_time

app = typer.Typer(help="Audiences: who is in, why, and what a query would come to.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="The key of the audience, or its numeric id.")]


@app.command("list")
def list_(space: SpaceName, store: StoreOption = None) -> None:
    """List audiences with their size, and how far those are that are being prepared."""
    common.listed(space, Kind.AUDIENCE, store=store)


@app.command()
def members(
    space: SpaceName,
    key: Key,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
    after: Annotated[str | None, typer.Option(help="Begin after this profile: a use_… id.")] = None,
    store: StoreOption = None,
) -> None:
    """List who is in an audience, since when, and what brought them in."""
    with opened(store) as found:
        tenant = space_named(found, space)
        audience = named(defined(found, tenant), Kind.AUDIENCE, key)
        beyond = 0 if after is None else profile_of(audience.collection, after)
        if beyond is None:
            raise Invalid("--after is not the id of a profile.")
        page = service.members(found, tenant, audience, beyond=beyond, limit=limit, now=clock.now())
    table = Table("who", "id", "since", "by", box=None)
    for row in page.members:
        own = who(audience.collection, row.profile, None)
        table.add_row(who(audience.collection, row.profile, row.name), own, write_time(row.since), caused(row.cause))
    console.print(table)
    if page.next is not None:
        console.print(f"More: --after {who(audience.collection, page.next, None)}")


@app.command()
def why(
    space: SpaceName,
    key: Key,
    identifier: Named,
    what_if: WhatIf = None,
    at: At = None,
    as_json: AsJson = False,
    store: StoreOption = None,
) -> None:
    """Say why somebody is in an audience or is not, what would change that, and when it changes by itself."""
    common.explain(space, Kind.AUDIENCE, key, identifier, what_if=what_if, at=at, as_json=as_json, store=store)


@app.command()
def preview(
    space: SpaceName,
    query: Query,
    collection: CollectionOption = USERS,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Count people who are not known, too.")] = False,
    examples: Examples = 10,
    sample_size: SampleSize = None,
    as_json: AsJson = False,
    store: StoreOption = None,
) -> None:
    """Count who would be in an audience before it is saved, and name some. Nothing is stored."""
    question = Question(kind=Kind.AUDIENCE, query=query, collection=collection, anonymous=anonymous)
    common.try_out(space, question, examples=examples, sample_size=sample_size, as_json=as_json, store=store)


@app.command()
def history(
    space: SpaceName,
    identifier: Named,
    collection: CollectionOption = USERS,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
    store: StoreOption = None,
) -> None:
    """List when somebody entered audiences and left them, the latest first, and why."""
    with opened(store) as found:
        tenant, now = space_named(found, space), clock.now()
        profile = head(found, tenant, find(found, tenant, lookups(collection, identifier), now=now), now=now)
        visits = service.visits(found, tenant, profile, limit=limit)
    table = Table("audience", "entered", "by", "left", "by", box=None)
    for key, stay in visits:
        left = (write_time(stay.until) if stay.until is not None else "", caused(stay.left) if stay.left else "")
        table.add_row(key, write_time(stay.since), caused(stay.entered), *left)
    console.print(table)


@app.command()
def sizes(
    space: SpaceName,
    key: Key,
    days: Annotated[int, typer.Option(min=1, max=4000, help="How many days back.")] = 30,
    store: StoreOption = None,
) -> None:
    """Show how many were in an audience at the end of each day, UTC, and how many entered and left."""
    with opened(store) as found:
        tenant = space_named(found, space)
        audience = named(defined(found, tenant), Kind.AUDIENCE, key)
        rows = service.sizes(found, tenant, audience, days=days, now=clock.now())
    table = Table("day", box=None)
    for name in ("size", "entered", "left"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(write_time(row.day)[:10], f"{row.size:,}", f"{row.entered:,}", f"{row.left:,}")
    console.print(table)


@app.command()
def create(  # noqa: PLR0913, PLR0917 (each is an option)
    space: SpaceName,
    name: Annotated[str, typer.Argument(help="What people call it; its key is made of that.")],
    query: Annotated[str, typer.Option(help="The condition; see docs/reference/definitions.md.")],
    key: Annotated[str | None, typer.Option(help="A key of your own.")] = None,
    number: Annotated[int | None, typer.Option("--id", min=1, help="A numeric id of your own.")] = None,
    collection: CollectionOption = USERS,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            "--attribute", metavar="KEY=VALUE", help="Data of the audience; JSON, or text. Repeat for more."
        ),
    ] = None,
    expires: Annotated[str | None, typer.Option(metavar="TIME", help="When it ends.")] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="People who are not known may enter.")] = False,
    replace: Replace = False,
    store: StoreOption = None,
) -> None:
    """Define an audience. It becomes live once all profiles are evaluated for it."""
    body = {
        "query": query,
        "id": number,
        "collection": collection,
        "description": description,
        "attributes": dict(_attribute(text) for text in attribute or ()),
        "expires": expires,
        "anonymous": anonymous,
    }
    common.define(space, Kind.AUDIENCE, name, body, key=key, replace=replace, store=store)


@app.command()
def remove(space: SpaceName, key: Key, store: StoreOption = None) -> None:
    """Remove an audience; everybody leaves it."""
    common.undefine(space, Kind.AUDIENCE, key, store=store)


def _attribute(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise Invalid(f"`{text}` is not an attribute: write KEY=VALUE.")
    try:
        return key, msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return key, value
