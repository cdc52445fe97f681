"""`mien forget`, `mien deletions` and `mien suppression`: the duties that come with personal data."""

from typing import Annotated

import typer
from rich.table import Table

from mien import clock
from mien.cli.common import CollectionOption, StoreOption, console, opened, space_named
from mien.core.message import USERS, Identifier
from mien.dialects.segment.names import lookups
from mien.errors import Invalid
from mien.services import forget as service
from mien.services.secrets import new_id
from mien.web.times import write_time

suppression = typer.Typer(help="List and end the suppression of identifiers.", no_args_is_help=True)

SpaceName = Annotated[str, typer.Argument(help="The name of the space.")]
Named = Annotated[str, typer.Argument(help="type:value, such as user_id:1234; or its own id, such as use_….")]


def forget(
    space: SpaceName,
    identifier: Named,
    suppress: Annotated[bool, typer.Option(help="Keep them from coming back.")] = True,
    collection: CollectionOption = USERS,
    store: StoreOption = None,
) -> None:
    """Delete somebody from every table, and keep them from coming back. It cannot be undone."""
    with opened(store) as found:
        done = service.forget(
            found,
            space_named(found, space),
            _names(collection, identifier),
            deletion=new_id("del"),
            suppress=suppress,
            now=clock.now(),
        )
    erased = ", ".join(f"{count} {what}" for what, count in done.erased._asdict().items())
    console.print(f"Deleted: {erased}. Suppressed: {done.suppressed} identifiers. Proof: {done.id}")


def deletions(
    space: SpaceName,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    store: StoreOption = None,
) -> None:
    """List the proofs of deletions, the latest first. They hold no personal data."""
    table = Table("when", "proof", "collection", "hash of the identifier", "deleted", "suppressed", box=None)
    with opened(store) as found:
        space_named(found, space)
        for d in found.deletions(space, limit=limit):
            deleted = ", ".join(f"{count} {what}" for what, count in d.erased._asdict().items() if count)
            table.add_row(write_time(d.at), d.id, d.collection, d.subject.hex(), deleted, str(d.suppressed))
    console.print(table)


@suppression.command("list")
def list_(
    space: SpaceName,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 1000,
    store: StoreOption = None,
) -> None:
    """List what is suppressed, the oldest first: the types and hashes of identifiers, for the values are nowhere."""
    table = Table("since", "collection", "type", "hash", "proof", box=None)
    with opened(store) as found:
        space_named(found, space)
        for s in found.suppressions(space, beyond=None, limit=limit):
            table.add_row(write_time(s.since), s.collection, s.type, s.key.hex(), s.deletion)
    console.print(table)


@suppression.command()
def end(space: SpaceName, identifier: Named, collection: CollectionOption = USERS, store: StoreOption = None) -> None:
    """Let an identifier come back. What was deleted stays deleted."""
    with opened(store) as found:
        ended = service.unsuppress(found, space_named(found, space), _names(collection, identifier))
    console.print("It may come back." if ended else "It was not suppressed.")


def _names(collection: str, identifier: str) -> list[Identifier]:
    """Return whom is meant, exactly as written: what cannot be undone does not try other spellings."""
    names = lookups(collection, identifier)
    if not names:
        raise Invalid("An identifier is written type:value, such as user_id:1234.")
    return names[:1]
