"""What GrowthLoop keeps in a space: keys with scopes, the entities that are served, and to which pages."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from mien.core.message import ACCOUNTS, COLLECTION, USERS
from mien.dialects.growthloop.names import DIALECT, ENTITY, PERSONALIZATION, RESERVED
from mien.services.fault import Fault, at
from mien.services.spaces import Section

OWN_ID = {USERS: "user_id", ACCOUNTS: "group_id"}
"""The type of identifier by which an entity is asked for, unless it names another; other collections have to."""

_TYPE = re.compile(r"[a-z0-9_.]{1,100}")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_OWN_PORT = {"http": ":80", "https": ":443"}
"""The ports that browsers leave out of an origin."""
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_SCOPE = re.compile(r"[a-z0-9_:.-]{1,64}")


class KeyAbout(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What a key may do: its scopes, and the only entities it opens, if it is limited to some."""

    scopes: tuple[str, ...] = (PERSONALIZATION,)
    entities: list[str] | None = None


class _Key(KeyAbout, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    secret: str


class EntityFile(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """An entity: a collection, the type of the ids it is asked by, and the traits that are served of it.

    A trait whose key the answer needs itself is served under `prefix` and the key.
    """

    attributes: list[str] | Literal["*"]
    collection: str = USERS
    id: str | None = None
    aliases: list[str] = []
    prefix: str = "attr_"


class Shared(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The section without its keys."""

    entities: dict[str, EntityFile] = {}
    audiences: list[str] | Literal["all"] = "all"
    origins: list[str] = []
    strict: bool = False


class GrowthLoopSection(Shared, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The section `growthloop:` of a space."""

    keys: dict[str, str | _Key] = {}


class Kept(Shared, omit_defaults=True, kw_only=True):
    """The section as it is kept."""

    keys: dict[str, KeyAbout] = {}


def check(section: GrowthLoopSection) -> Sequence[str]:
    """Raise Fault for what cannot be; return what the operator should know of what is."""
    seen: dict[str, str] = {}
    for name, entity in section.entities.items():
        with at("entities", name):
            _check_entity(name, entity, seen)
    for position, origin in enumerate(section.origins):
        if not _ORIGIN.fullmatch(origin):
            raise Fault("is no origin: write `https://shop.example`, without a path", "origins", position)
        scheme, _, rest = origin.partition("://")
        if rest.endswith(_OWN_PORT[scheme]):
            raise Fault(f"never matches: browsers leave `{_OWN_PORT[scheme]}` out of {scheme}", "origins", position)
    for name, key in section.keys.items():
        if isinstance(key, _Key):
            with at("keys", name):
                _check_key(key, section.entities)
    return list(_notes(section))


def _check_entity(name: str, entity: EntityFile, seen: dict[str, str]) -> None:
    for text in (name, *entity.aliases):
        if not ENTITY.fullmatch(text):
            raise Fault(f"`{text}` cannot name an entity: use letters, digits, `-` and `_`, at most 128")
        if text in seen:
            raise Fault(f"`{text}` names the entity {seen[text]}, too")
        seen[text] = name
    if not COLLECTION.fullmatch(entity.collection):
        raise Fault("cannot name a collection: use lower-case letters, digits, `-` and `_`, at most 64", "collection")
    if entity.id is None and entity.collection not in OWN_ID:
        raise Fault(f"say by which type of identifier a profile of {entity.collection} is asked for", "id")
    if entity.id is not None and not _TYPE.fullmatch(entity.id):
        raise Fault("is no type of identifier", "id")
    if not _PREFIX.fullmatch(entity.prefix):
        raise Fault("must be 1 to 32 letters, digits, `_`, `.` or `-`", "prefix")


def _check_key(key: _Key, entities: Iterable[str]) -> None:
    for position, scope in enumerate(key.scopes):
        if not _SCOPE.fullmatch(scope):
            raise Fault("is no scope", "scopes", position)
    for position, name in enumerate(key.entities or ()):
        if name not in entities:
            raise Fault("is none of the entities of this space", "entities", position)


def _notes(section: GrowthLoopSection) -> Iterator[str]:
    for name, entity in section.entities.items():
        for key in sorted(RESERVED.intersection(entity.attributes)):
            yield f"entity {name} serves the trait {key} as {entity.prefix}{key}"


SECTION = Section(
    dialect=DIALECT,
    fields=GrowthLoopSection,
    secrets="keys",
    about=frozenset({"scopes", "entities"}),
    audiences="audiences",
    check=check,
)
