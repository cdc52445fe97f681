"""Spaces: what they are as data, applied from a file and written back to one."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from mien.core.definition import Definition, Kind, State
from mien.core.plan import COMPUTED_STATES, is_understood, plans
from mien.core.space import Credential, Source, SourceKind, Space
from mien.services import definitions
from mien.services.fault import Fault, Path, at, convert, dotted
from mien.services.secrets import digest, digest_given, new_secret, shown
from mien.services.space_file import space_of
from mien.services.transact import transact
from mien.services.yaml_lines import Document, read_yaml
from mien.store.base import SpaceRecord, Store, Unit
from mien.store.computed import DefinitionRecord, Evaluation

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. /-]{0,99}")


def _nothing_to_say(_: Any) -> Sequence[str]:
    return ()


class Section(Struct, frozen=True):
    """What a dialect keeps in a space: the fields of its section in the file.

    `secrets` names the field that maps the names of credentials to their secrets, which are kept apart, hashed. A
    secret is text; or, where the fields allow it, an object with the text as `secret`, of which the rest, `about`,
    is kept in the section. `unique` names a field whose value no other space may have; it is the space's own name
    where it is not given. `audiences` names a field that may list keys of audiences. `check` raises
    Fault for fields that contradict each other, and returns what the operator should know of them.
    """

    dialect: str
    fields: type[Struct]
    secrets: str
    unique: str = ""
    about: frozenset[str] = frozenset()
    audiences: str = ""
    check: Callable[[Any], Sequence[str]] = _nothing_to_say


class Change(Struct, frozen=True):
    """One thing that applying a file did. `secret` is a secret that was made, to be shown once."""

    what: str
    secret: str | None = None


class _File(Struct, forbid_unknown_fields=True):
    spaces: dict[str, Any]


class _SourceFile(Struct, forbid_unknown_fields=True):
    kind: SourceKind = SourceKind.SDK
    write_key: str | None = None


class Catalog(Struct, frozen=True):
    """All spaces, and the sources and credentials that are valid, each found by the hash of its secret.

    `named` are the same credentials by space, dialect and name. `number` tells the store from others; nobody outside
    knows it. `unread` are the definitions that this program does not understand, and does not compute.
    """

    revision: int
    spaces: Mapping[str, Space]
    sources: Mapping[bytes, Source]
    credentials: Mapping[tuple[str, bytes], Credential]
    named: Mapping[tuple[str, str, str], Credential]
    number: int
    unread: Sequence[DefinitionRecord] = ()


def read_catalog(store: Store) -> Catalog:
    """Return the catalog as it is now."""
    tenancy = store.tenancy()
    defined = store.definitions()
    evaluations = store.evaluations()
    valid = [c for c in tenancy.credentials if c.revoked_at is None]
    return Catalog(
        revision=tenancy.revision,
        number=tenancy.number,
        spaces={
            record.slug: with_definitions(
                _space(record),
                [d.definition for d in defined if d.space == record.slug],
                evaluations.get(record.slug, Evaluation()),
            )
            for record in tenancy.spaces
        },
        sources={s.digest: s for s in tenancy.sources if s.revoked_at is None},
        credentials={(c.dialect, c.digest): c for c in valid},
        named={(c.space, c.dialect, c.name): c for c in valid},
        unread=[d for d in defined if d.definition.state in COMPUTED_STATES and not is_understood(d.definition)],
    )


def as_of_now(store: Store, space: Space) -> Space:
    """Return a space as it is within a transaction: its rules and definitions change only between transactions."""
    return read_catalog(store).spaces.get(space.slug, space)


class Catalogs:
    """The catalog, read again when it has changed."""

    def __init__(self) -> None:
        self._catalog: Catalog | None = None

    def current(self, store: Store) -> Catalog:
        """Return the catalog as it is now."""
        if self._catalog is None or store.revision() != self._catalog.revision:
            self._catalog = read_catalog(store)
        return self._catalog


def _space(record: SpaceRecord) -> Space:
    with at(record.slug):
        return space_of(record.slug, msgspec.json.decode(record.document))


def with_definitions(space: Space, defined: Sequence[Definition], evaluation: Evaluation) -> Space:
    """Return a space as it computes by its definitions."""
    made = plans(defined, upto=evaluation.target, settled=evaluation.settled, epoch=evaluation.epoch)
    live = [d for d in defined if d.state is State.LIVE and d.kind is Kind.AUDIENCE]
    return msgspec.structs.replace(
        space,
        policy=msgspec.structs.replace(space.policy, plans=made),
        audiences={(d.collection, d.key): d for d in live},
    )


def apply(
    store: Store, text: str, sections: Sequence[Section], environment: Mapping[str, str], *, now: int
) -> list[Change]:
    """Make the spaces in a YAML file what the file says; return what that changed, nothing when nothing did.

    The settings of a space become those of the file. Sources and credentials in the file are made or changed;
    others are left alone, for they may have been made by hand. Everything is checked before anything is changed:
    SettingsRefused names the line, the path and the reason. Raise Busy when others write without an end.
    """
    document = read_yaml(text)
    given_spaces = _spaces(document)

    def change(unit: Unit) -> list[Change]:
        plan = _Plan(store, sections, environment, now)
        with document.naming_lines("spaces"):
            for slug, given in given_spaces.items():
                plan.space(slug, {} if given is None else given)
            plan.check_unique()
        for record in plan.records:
            unit.save_space(record)
        for source in plan.sources:
            unit.save_source(source)
        for credential in plan.credentials:
            unit.save_credential(credential)
        for definition in plan.definitions:
            unit.save_definition(definition)
        for slug, evaluation in plan.evaluations.items():
            unit.save_evaluation(slug, evaluation, revised=True)
        return plan.changes

    # Alone: whoever takes messages in meanwhile must do so by the definitions of before, and have done so.
    return transact(store, change, alone=True)


def _spaces(document: Document) -> dict[str, Any]:
    with document.naming_lines():
        if not isinstance(document.data, dict) or "spaces" not in document.data:
            raise Fault("the file must hold `spaces:` with a space under each name")
        file: _File = convert(document.data, _File)
        return file.spaces


class _Plan:
    """What a file would change."""

    def __init__(self, store: Store, sections: Sequence[Section], environment: Mapping[str, str], now: int) -> None:
        tenancy = store.tenancy()
        self._store = store
        self.definitions: list[DefinitionRecord] = []
        self.evaluations: dict[str, Evaluation] = {}
        self.records: list[SpaceRecord] = []
        self.sources: list[Source] = []
        self.credentials: list[Credential] = []
        self.changes: list[Change] = []
        self._sections = {section.dialect: section for section in sections}
        self._environment = environment
        self._now = now
        self._dead = tenancy.dead
        self._documents = {r.slug: r.document for r in tenancy.spaces}
        self._sources = {(s.space, s.name): s for s in tenancy.sources}
        self._credentials = {(c.space, c.dialect, c.name): c for c in tenancy.credentials}
        self._given: list[Path] = []

    def space(self, slug: str, given: Any) -> None:
        """Plan one space; raise Fault with the path from the space's name on."""
        with at(slug):
            if not SLUG.fullmatch(slug):
                raise Fault("cannot name a space: use lower-case letters, digits, `-` and `_`, at most 63")
            if "dialects" in convert(given, dict[str, Any]):
                raise Fault("is not a section; write each dialect by its name", "dialects")
            self._settings(slug, given)
            self._definitions(slug, {name: given[name] for name in definitions.SECTIONS if name in given})
            sources = convert(given.get("sources"), dict[str, _SourceFile] | None, "sources")
            for name, source in (sources or {}).items():
                with at("sources", name):
                    self._source(slug, name, source)

    def _settings(self, slug: str, given: Mapping[str, Any]) -> None:
        own = {k: v for k, v in given.items() if k not in {"sources", *definitions.SECTIONS, *self._sections}}
        dialects = {}
        notes: list[Change] = []
        for dialect, section in self._sections.items():
            self._given.append((slug, dialect, section.unique))
            if dialect in given:
                with at(dialect):
                    dialects[dialect] = self._section(slug, section, given[dialect], notes)
                    notes += self._unknown(slug, section, dialects[dialect], given)
            elif about := self._about(slug, section):
                dialects[dialect] = {section.secrets: about}
        settings = {**own, "dialects": dialects}
        space_of(slug, settings)
        for dialect in own.get("rate_limits", {}):
            if dialect not in self._sections:
                raise Fault("names no dialect", "rate_limits", dialect)
        document = msgspec.json.encode(settings, order="deterministic")
        if document != self._documents.get(slug):
            self.changes.append(Change(f"{'change' if slug in self._documents else 'create'} space {slug}"))
            self.changes += notes
            self.records.append(SpaceRecord(slug, document))
            self._documents[slug] = document

    def _definitions(self, slug: str, given: Mapping[str, Any]) -> None:
        if not given:
            return
        have = [record.definition for record in self._store.definitions() if record.space == slug]
        evaluation = self._store.evaluations().get(slug, Evaluation())
        profiles = self._store.count_profiles(slug)
        revision = definitions.revise(have, evaluation, given, profiles=profiles, now=self._now)
        self.definitions += [DefinitionRecord(slug, definition) for definition in revision.saved]
        self.changes += [Change(f"{sentence} of space {slug}") for sentence in revision.sentences]
        if revision.evaluation != evaluation:
            self.evaluations[slug] = revision.evaluation

    def _unknown(
        self, slug: str, section: Section, kept: Mapping[str, Any], given: Mapping[str, Any]
    ) -> list[Change]:
        """Return a note for each audience that a section lists and that is none, neither in the file nor else."""
        listed = kept.get(section.audiences)
        if not isinstance(listed, list):
            return []
        known = given.get("audiences")
        if not isinstance(known, Mapping):
            known = self._audiences(slug)
        where = f"note on {section.dialect} in space {slug}"
        return [Change(f"{where}: there is no audience {key}") for key in listed if key not in known]

    def _audiences(self, slug: str) -> set[str]:
        return {
            record.definition.key
            for record in self._store.definitions()
            if record.space == slug
            and record.definition.kind is Kind.AUDIENCE
            and record.definition.state is not State.RETIRED
        }

    def _about(self, slug: str, section: Section) -> dict[str, Any]:
        """Return what is kept of a section's credentials beside their secrets: a file without them leaves it so."""
        document = self._documents.get(slug, b'{"dialects":{}}')
        about: dict[str, Any] = msgspec.json.decode(document)["dialects"].get(section.dialect, {})
        return {**about.get(section.secrets, {})}

    def _section(self, slug: str, section: Section, given: Any, notes: list[Change]) -> dict[str, Any]:
        read = convert({} if given is None else given, section.fields)
        notes += [Change(f"note on {section.dialect} in space {slug}: {note}") for note in section.check(read)]
        fields, about = msgspec.to_builtins(read), self._about(slug, section)
        for name, whole in (fields.pop(section.secrets, None) or {}).items():
            rest = {} if isinstance(whole, str) else whole
            with at(section.secrets, name):
                self._credential(slug, section, name, rest.pop("secret", whole))
            about[name] = rest
        kept = {key: value for key, value in fields.items() if value is not None}
        about = {name: rest for name, rest in about.items() if rest}
        return {**kept, section.secrets: about} if about else kept

    def _source(self, slug: str, name: str, given: _SourceFile) -> None:
        have = self._sources.get((slug, name))
        secret, made = given.write_key, None
        if secret is None:
            made = None if have else new_secret("wk")
            hashed = have.digest if have else digest(made or "")
        else:
            with at("write_key"):
                hashed = self._digest(secret)
        source = new_source(slug, name, given.kind, hashed, now=have.created_at if have else self._now)
        self._given.append((slug, "sources", name))
        if source != have and not self._is_dead(have, hashed):
            self.changes.append(Change(f"{'change' if have else 'create'} source {name} of space {slug}", made))
            self.sources.append(source)
            self._sources[slug, name] = source

    def _credential(self, slug: str, section: Section, name: str, secret: str) -> None:
        dialect = section.dialect
        have = self._credentials.get((slug, dialect, name))
        hashed = self._digest(secret)
        credential = new_credential(slug, dialect, name, hashed, now=have.created_at if have else self._now)
        self._given.append((slug, dialect, section.secrets, name))
        if credential != have and not self._is_dead(have, hashed):
            self.changes.append(
                Change(f"{'change' if have else 'create'} {dialect} credential {name} of space {slug}")
            )
            self.credentials.append(credential)
            self._credentials[slug, dialect, name] = credential

    def _is_dead(self, have: Source | Credential | None, hashed: bytes) -> bool:
        """Say whether this very secret was revoked or replaced by hand: a file that holds it changes nothing."""
        if hashed not in self._dead:
            return have is not None and have.revoked_at is not None and have.digest == hashed
        if have is None:
            raise ValueError("is a secret that was revoked: give another one")
        return True

    def _digest(self, secret: str) -> bytes:
        if secret.startswith("env:"):
            name = secret.removeprefix("env:")
            if not self._environment.get(name):
                raise ValueError(f"the environment variable {name} is not set")
            secret = self._environment[name]
        if not secret:
            raise ValueError("a secret cannot be empty")
        return digest_given(secret)

    def check_unique(self) -> None:
        """Refuse secrets that open two doors, and two spaces under one name of a vendor.

        Of two that are the same, the one refused is in the file, and is the later one there.
        """
        order = {path: place for place, path in enumerate(self._given)}
        seen: dict[object, Path] = {}
        for path, what, value in sorted(self._held(), key=lambda held: order.get(held[0], -1)):
            other = seen.setdefault((what, value), path)
            if other != path:
                raise Fault(f"has the same {what} as {dotted(other)}", *path)

    def _held(self) -> Iterator[tuple[Path, str, object]]:
        """Yield what no two may share: where it is, what it is called, and what it is."""
        for source in self._sources.values():
            yield (source.space, "sources", source.name), "secret", source.digest
        for section in self._sections.values():
            dialect = section.dialect
            for c in self._credentials.values():
                if c.dialect == dialect:
                    yield (c.space, dialect, section.secrets, c.name), "secret", (dialect, c.digest)
            for slug, document in self._documents.items() if section.unique else ():
                own = msgspec.json.decode(document)["dialects"].get(dialect, {})
                yield (slug, dialect, section.unique), "id", (dialect, own.get(section.unique, slug))


def new_source(slug: str, name: str, kind: SourceKind, hashed: bytes, *, now: int) -> Source:
    """Return a source; its id follows from the space and its name, so that a new key keeps it."""
    _check_name(name)
    return Source(
        space=slug,
        name=name,
        id=digest(f"{slug}/{name}").hex()[:10],
        kind=kind,
        digest=hashed,
        created_at=now,
    )


def new_credential(slug: str, dialect: str, name: str, hashed: bytes, *, now: int) -> Credential:
    """Return a credential."""
    _check_name(name)
    return Credential(space=slug, dialect=dialect, name=name, digest=hashed, created_at=now)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Fault(f"`{name}` cannot be a name: use letters, digits, space and `_ . / -`, at most 100")


def export(store: Store, sections: Sequence[Section]) -> str:
    """Return all spaces as YAML that `apply` takes; secrets stand there as their hashes, revoked ones do not."""
    tenancy = store.tenancy()
    defined = store.definitions()
    spaces = {}
    for record in tenancy.spaces:
        document = msgspec.json.decode(record.document)
        dialects = document.pop("dialects", {})
        document["sources"] = {
            s.name: {"kind": str(s.kind), "write_key": shown(s.digest)}
            for s in tenancy.sources
            if s.space == record.slug and s.revoked_at is None
        }
        for section in sections:
            own = dialects.get(section.dialect, {})
            about = own.get(section.secrets, {})
            secrets = {
                c.name: {"secret": shown(c.digest), **about[c.name]} if c.name in about else shown(c.digest)
                for c in tenancy.credentials
                if (c.space, c.dialect, c.revoked_at) == (record.slug, section.dialect, None)
            }
            if secrets or section.dialect in dialects:
                document[section.dialect] = {**own, section.secrets: secrets}
        document.update(definitions.written([d for d in defined if d.space == record.slug]))
        spaces[record.slug] = document
    return yaml.safe_dump({"spaces": spaces}, sort_keys=False, allow_unicode=True)
