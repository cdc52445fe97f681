"""`mien profile`: one profile, as a person reads it."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from mien import clock
from mien.cli.common import StoreOption, opened
from mien.core.message import USERS
from mien.core.profile import Profile
from mien.core.space import Space
from mien.dialects.segment.names import lookups, segment_id
from mien.errors import ProfileNotFound, SpaceNotFound
from mien.services.lookup import find
from mien.services.spaces import read_catalog
from mien.web.times import write_time

app = typer.Typer(help="Look at one profile.", no_args_is_help=True)


@app.command()
def show(
    space: Annotated[str, typer.Argument(help="The name of the space.")],
    identifier: Annotated[str, typer.Argument(help="type:value, such as user_id:1234; or a use_… id.")],
    collection: Annotated[str, typer.Option(help="users or accounts.")] = USERS,
    store: StoreOption = None,
) -> None:
    """Print everything kept of a profile: each value with the message, the source and the time that set it."""
    with opened(store) as found:
        spaces = read_catalog(found).spaces
        if space not in spaces:
            raise SpaceNotFound(f"There is no space `{space}`.")
        profile = found.profile(find(found, spaces[space], lookups(collection, identifier), now=clock.now()))
    if profile is None:
        raise ProfileNotFound
    Console().print_json(msgspec.json.encode(_readable(spaces[space], profile)).decode())


def _readable(space: Space, profile: Profile) -> dict[str, Any]:
    expires_at = space.expires_at(profile.last.at)
    return {
        "id": str(profile.id),
        "segment_id": segment_id(profile.collection, profile.id),
        "collection": profile.collection,
        "created_at": write_time(profile.first.at),
        "updated_at": write_time(profile.last.at),
        "expires_at": None if expires_at is None else write_time(expires_at),
        "identifiers": [
            {
                "type": kind,
                "value": value,
                "since": write_time(held.at),
                "source": held.source,
                "message": held.message,
            }
            for (kind, value), held in profile.identifiers.items()
        ],
        "traits": {
            key: {
                "value": msgspec.json.decode(trait.value) if trait.value else None,
                "removed": not trait.value,
                "at": write_time(trait.write.timestamp),
                "source": trait.write.source,
                "message": trait.write.message,
            }
            for key, trait in sorted(profile.traits.items())
        },
        "activity": {
            event: {"count": seen.times, "first": write_time(seen.first), "last": write_time(seen.last)}
            for event, seen in sorted(profile.activity.items())
        },
        "absorbed": [segment_id(profile.collection, member) for member in profile.members],
    }
