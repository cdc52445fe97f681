"""`mien changes`: what readers saw change."""

from typing import Annotated

import typer
from rich.table import Table

from mien.cli.causes import caused, safe, who
from mien.cli.common import StoreOption, console, opened, space_named
from mien.cli.definitions import SpaceName
from mien.core.profile import Profile
from mien.core.space import Space
from mien.errors import Invalid
from mien.services.members import best_name, changed
from mien.web.times import write_time


def changes(
    space: SpaceName,
    after: Annotated[str | None, typer.Option(help="Begin after this place: what the last page ended with.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many profiles at most.")] = 50,
    store: StoreOption = None,
) -> None:
    """List what became of computed traits and audiences for readers, the oldest first, and why."""
    table = Table("when", "who", "id", "key", "was", "is", "by", box=None)
    with opened(store) as found:
        tenant = space_named(found, space)
        page = changed(found, tenant, beyond=_place(after), limit=limit)
    for row in page.rows:
        names = _names(tenant, row.profile, page.profiles.get(row.profile))
        for one in row.changes:
            texts = (safe(text.decode()) for text in (one.was, one.now))
            table.add_row(write_time(row.at, digits=6), *names, one.key, *texts, caused(one.cause))
    console.print(table)
    if page.next is not None:
        console.print("More: --after {}.{}".format(*page.next))


def _names(space: Space, number: int, profile: Profile | None) -> tuple[str, str]:
    """Return how people name a profile, and its own id; both are empty for one that is gone."""
    if profile is None:
        return "", ""
    return who(profile.collection, number, best_name(space, profile)), who(profile.collection, number, None)


def _place(after: str | None) -> tuple[int, int] | None:
    if after is None:
        return None
    at, _, profile = after.partition(".")
    if not (at.isdecimal() and profile.isdecimal()):
        raise Invalid("--after is not a place that a page ended with.")
    return int(at), int(profile)
