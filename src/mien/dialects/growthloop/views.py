"""A space as this dialect serves it, put together once: entities, what keys may do, audiences as bytes."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from mien.core.audience import Group
from mien.core.definition import Definition
from mien.core.space import Space
from mien.dialects.growthloop.names import AUDIENCE_NAME, DIALECT, GROUP, LEGACY_ENTITY, NAME, PERSONALIZATION
from mien.dialects.growthloop.settings import OWN_ID, EntityFile, Kept, KeyAbout
from mien.errors import NotFound
from mien.services.spaces import Catalog
from mien.web.tenants import Tenants

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


class EntityNotFound(NotFound):
    """There is no such entity."""


class Told(Struct, frozen=True):
    """An audience as it is told of.

    `texts` are its member of `audiences` for somebody of each group, and of no group; there are none where it has
    traits among its attributes: these are put in at each request.
    """

    key: str
    """The id as it stands in an answer."""
    definition: Definition
    strict: bool
    texts: Mapping[Group | None, bytes]
    plain: bytes | None = None
    """The member where it is the same for everybody, at any time."""


class Entity(Struct, frozen=True):
    """What is served under one name. `told` are audiences by the member that says a profile is in them."""

    name: str
    collection: str
    id: str
    attributes: tuple[str, ...] | None
    prefix: str
    told: Mapping[bytes, Told]
    text: bytes
    """The member of an answer that says its name."""


class Rights(Struct, frozen=True):
    """What a key may do; `entities` are the only ones it opens, or None."""

    reads: bool
    entities: frozenset[str] | None

    def opens(self, entity: Entity) -> bool:
        """Say whether the key opens an entity."""
        return self.entities is None or entity.name in self.entities


class View(Struct, frozen=True):
    """A space as this dialect serves it. `entities` holds each under its name and its aliases."""

    space: Space
    entities: Mapping[str, Entity]
    rights: Mapping[str, Rights]
    origins: frozenset[str]

    def rights_of(self, credential: str) -> Rights:
        """Return what a key may do, by its name."""
        return self.rights.get(credential, _DEFAULT)

    def entity(self, name: str, rights: Rights) -> Entity:
        """Return an entity; raise EntityNotFound when there is none or the key does not open it."""
        entity = self.entities.get(name)
        if entity is None or not rights.opens(entity):
            raise EntityNotFound
        return entity

    def legacy(self, rights: Rights) -> Entity:
        """Return the entity whose ids the older generation takes: `users`, or else the first by name."""
        opened = {entity.name: entity for entity in self.entities.values() if rights.opens(entity)}
        if not opened:
            raise EntityNotFound
        users = self.entities.get(LEGACY_ENTITY)
        return users if users and rights.opens(users) else opened[min(opened)]

    def audiences(self, rights: Rights) -> list[Definition]:
        """Return the audiences of what a key opens, by their ids."""
        found = {
            told.definition.id: told.definition
            for entity in self.entities.values()
            if rights.opens(entity)
            for told in entity.told.values()
        }
        return [found[number] for number in sorted(found)]


def _rights(about: KeyAbout) -> Rights:
    limited = None if about.entities is None else frozenset(about.entities)
    return Rights(reads=PERSONALIZATION in about.scopes, entities=limited)


_DEFAULT = _rights(KeyAbout())


class Views:
    """The views of all spaces, each made when it is first asked for, and again when its space has changed."""

    def __init__(self) -> None:
        self._made: dict[str, View] = {}

    def of(self, space: Space) -> View:
        """Return the view of a space."""
        view = self._made.get(space.slug)
        if view is None or view.space is not space:
            view = self._made[space.slug] = view_of(space)
        return view


def view_of(space: Space) -> View:
    """Return the view of a space."""
    kept = msgspec.convert(space.dialects.get(DIALECT, {}), Kept)
    entities = {}
    for name, given in kept.entities.items():
        entity = _entity(name, given, space.audiences, kept)
        entities.update(dict.fromkeys((name, *given.aliases), entity))
    return View(
        space=space,
        entities=entities,
        rights={name: _rights(about) for name, about in kept.keys.items()},
        origins=frozenset(kept.origins),
    )


def origins_of(spaces: Iterable[Space]) -> frozenset[str]:
    """Return all origins that some space lists."""
    return frozenset(origin for space in spaces for origin in space.dialects.get(DIALECT, {}).get("origins", ()))


class Origins:
    """The origins that some space lists, gathered again when the spaces have changed."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        self._seen: tuple[Catalog | None, frozenset[str]] = (None, frozenset())

    def __call__(self) -> frozenset[str]:
        """Return them."""
        catalog = self._tenants.current()
        if self._seen[0] is not catalog:
            self._seen = (catalog, origins_of(catalog.spaces.values()))
        return self._seen[1]


def _entity(name: str, given: EntityFile, audiences: Mapping[tuple[str, str], Definition], kept: Kept) -> Entity:
    shown = [
        definition
        for (collection, key), definition in audiences.items()
        if collection == given.collection and (kept.audiences == "all" or key in kept.audiences)
    ]
    return Entity(
        name=name,
        collection=given.collection,
        id=given.id or OWN_ID[given.collection],
        attributes=None if given.attributes == "*" else tuple(dict.fromkeys(given.attributes)),
        prefix=given.prefix,
        told={b"%b:true" % _encode(definition.key): _told(definition, strict=kept.strict) for definition in shown},
        text=_encode({NAME: name})[1:-1],
    )


def _told(definition: Definition, *, strict: bool) -> Told:
    key = str(definition.id)
    if any(trait_in(value) is not None for value in definition.attributes.values()):
        return Told(key, definition, strict, {})
    groups = (None, *Group)
    texts = {group: audience(definition, definition.attributes, group, strict=strict) for group in groups}
    is_plain = definition.expires_at is None and not definition.control
    return Told(key, definition, strict, texts, texts[None] if is_plain else None)


def trait_in(value: Any) -> str | None:
    """Return the key of the trait that stands in the place of an attribute's value, or None."""
    if isinstance(value, dict) and value.keys() == {"trait"} and isinstance(value["trait"], str):
        return value["trait"]
    return None


def audience(definition: Definition, attributes: Mapping[str, Any], group: Group | None, *, strict: bool) -> bytes:
    """Return the member of `audiences` for an audience: its name, and its attributes flat beside it (seed)."""
    fields = {key: as_text(value) if strict else value for key, value in attributes.items()}
    fields[AUDIENCE_NAME] = definition.name
    if group is not None:
        fields[GROUP] = group.value
    return b'"%d":%b' % (definition.id, _encode_sorted(fields))


def as_text(value: Any) -> str:
    """Return a value as text: what is none becomes its JSON."""
    return value if isinstance(value, str) else _encode_sorted(value).decode()
