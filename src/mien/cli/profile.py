"""`mien profile`: one profile, as a person reads it."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from mien import clock
from mien.cli.common import CollectionOption, StoreOption, opened, space_named
from mien.cli.story import sentence
from mien.cli.story import why as reasons
from mien.core.message import USERS
from mien.core.profile import Profile
from mien.core.space import Space
from mien.core.story import Merge
from mien.dialects.segment.names import lookups, profile_of, segment_id
from mien.errors import ProfileNotFound
from mien.services import story
from mien.services.lookup import find
from mien.services.lookup import head as head_of
from mien.services.unmerge import unmerge as undo
from mien.store.base import Head
from mien.store.sql import SqlStore
from mien.web.times import write_time

app = typer.Typer(help="Look at one profile.", no_args_is_help=True)


SpaceName = Annotated[str, typer.Argument(help="The name of the space.")]
Named = Annotated[str, typer.Argument(help="type:value, such as user_id:1234; or its own id, such as use_….")]


@app.command()
def show(
    space: SpaceName, identifier: Named, collection: CollectionOption = USERS, store: StoreOption = None
) -> None:
    """Print everything kept of a profile: each value with the message, the source and the time that set it."""
    with opened(store) as found:
        tenant = space_named(found, space)
        profile = found.profile(find(found, tenant, lookups(collection, identifier), now=clock.now()))
    if profile is None:
        raise ProfileNotFound
    Console().print_json(msgspec.json.encode(_readable(tenant, profile)).decode())


@app.command()
def history(
    space: SpaceName, identifier: Named, collection: CollectionOption = USERS, store: StoreOption = None
) -> None:
    """Tell what happened to a profile: its identifiers, merges and what undid them, and what was refused."""
    with opened(store) as found:
        head = _head(found, space, identifier, collection)
        for at, event in story.history(found, space, head):
            print(f"{write_time(at)}  {sentence(collection, event)}")


@app.command()
def why(space: SpaceName, identifier: Named, collection: CollectionOption = USERS, store: StoreOption = None) -> None:
    """Say why the identifiers of a profile are one person's."""
    with opened(store) as found:
        head = _head(found, space, identifier, collection)
        print(f"{segment_id(collection, head.id)}:")
        merges = [account for account in found.history(head) if isinstance(account, Merge)]
        for reason in reasons(story.origins(found, space, head), merges, collection):
            print(f"- {reason}")


@app.command()
def unmerge(
    space: SpaceName,
    absorbed: Annotated[
        str, typer.Argument(help="The id of the profile that was absorbed, such as use_… (see history).")
    ],
    forever: Annotated[bool, typer.Option(help="The two never become one again.")] = False,
    collection: CollectionOption = USERS,
    store: StoreOption = None,
) -> None:
    """Undo a merge: both profiles are as they would be had it not happened."""
    with opened(store) as found:
        profile = profile_of(collection, absorbed)
        if profile is None:
            raise ProfileNotFound(f"`{absorbed}` is not the id of a profile.")
        done = undo(
            found, space_named(found, space), profile, forever=forever, now=clock.now(), ids=clock.profile_ids()
        )
        print(sentence(collection, done))


def _head(found: SqlStore, space: str, identifier: str, collection: str) -> Head:
    tenant, now = space_named(found, space), clock.now()
    return head_of(found, tenant, find(found, tenant, lookups(collection, identifier), now=now), now=now)


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
        "kept_apart_from": [
            segment_id(profile.collection, other) for other in sorted({other for _, other in profile.apart})
        ],
    }
