"""Spaces: what they are as data, applied from a file and written back to one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from mien.core.space import Credential, Source, SourceKind, Space
from mien.errors import NotFound, SettingsRefused, SpaceNotFound
from mien.services.secrets import digest, digest_given, new_secret, shown
from mien.services.space_file import space_of
from mien.store.base import SpaceRecord, Store, Tenancy

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. /-]{0,99}")


class Section(Struct, frozen=True):
    """What a dialect keeps in a space: the fields of its section in the file.

    `secrets` names the field that maps the names of credentials to their secrets; it is kept apart, hashed.
    `unique` names a field whose value no other space may have; it is the space's own name where it is not given.
    """

    dialect: str
    fields: type[Struct]
    secrets: str
    unique: str


class Change(Struct, frozen=True):
    """One thing that applying a file did. `secret` is a secret that was made, to be shown once."""

    what: str
    secret: str | None = None


class _File(Struct, forbid_unknown_fields=True):
    spaces: dict[str, dict[str, Any] | None]


class _SourceFile(Struct, forbid_unknown_fields=True):
    kind: SourceKind = SourceKind.SDK
    write_key: str | None = None


class Catalog(Struct, frozen=True):
    """All spaces, and the sources and credentials that are valid, each found by the hash of its secret."""

    revision: int
    spaces: Mapping[str, Space]
    sources: Mapping[bytes, Source]
    credentials: Mapping[tuple[str, bytes], Credential]


def read_catalog(store: Store) -> Catalog:
    """Return the catalog as it is now."""
    tenancy = store.tenancy()
    return Catalog(
        revision=tenancy.revision,
        spaces={r.slug: space_of(r.slug, msgspec.json.decode(r.document)) for r in tenancy.spaces},
        sources={s.digest: s for s in tenancy.sources if s.revoked_at is None},
        credentials={(c.dialect, c.digest): c for c in tenancy.credentials if c.revoked_at is None},
    )


def apply(
    store: Store, text: str, sections: Sequence[Section], environment: Mapping[str, str], *, now: int
) -> list[Change]:
    """Make the spaces in a YAML file what the file says; return what that changed, nothing when nothing did.

    The settings of a space become those of the file. Sources and credentials in the file are made or changed;
    others are left alone, for they may have been made by hand. Everything is checked before anything is changed:
    SettingsRefused names the place and the reason.
    """
    given_spaces = _read(text).spaces
    with store.begin() as unit:
        plan = _Plan(store.tenancy(), sections, environment, now)
        for slug, given in given_spaces.items():
            plan.space(slug, given or {})
        plan.check_unique()
        for record in plan.records:
            unit.save_space(record)
        for source in plan.sources:
            unit.save_source(source)
        for credential in plan.credentials:
            unit.save_credential(credential)
    return plan.changes


def _read(text: str) -> _File:
    try:
        return msgspec.convert(yaml.safe_load(text), _File)
    except yaml.YAMLError as error:
        raise SettingsRefused(f"The file is not YAML: {error}") from None
    except msgspec.ValidationError as error:
        raise SettingsRefused(f"The file must hold `spaces:` with a space under each name: {error}") from None


class _Plan:
    """What a file would change."""

    def __init__(
        self, tenancy: Tenancy, sections: Sequence[Section], environment: Mapping[str, str], now: int
    ) -> None:
        self.records: list[SpaceRecord] = []
        self.sources: list[Source] = []
        self.credentials: list[Credential] = []
        self.changes: list[Change] = []
        self._sections = {section.dialect: section for section in sections}
        self._environment = environment
        self._now = now
        self._documents = {r.slug: r.document for r in tenancy.spaces}
        self._sources = {(s.space, s.name): s for s in tenancy.sources}
        self._credentials = {(c.space, c.dialect, c.name): c for c in tenancy.credentials}

    def space(self, slug: str, given: Mapping[str, Any]) -> None:
        """Plan one space."""
        if not SLUG.fullmatch(slug):
            raise SettingsRefused(
                f"`{slug}` cannot name a space: use lower-case letters, digits, `-` and `_`, at most 63"
            )
        if "dialects" in given:
            raise SettingsRefused(f"In space `{slug}`: `dialects` is not a section; write each dialect by its name")
        strange = set(given.get("rate_limits") or ()) - self._sections.keys()
        if strange:
            raise SettingsRefused(f"In space `{slug}`: `rate_limits` names no dialect: {', '.join(sorted(strange))}")
        own = {k: v for k, v in given.items() if k not in {"sources", *self._sections}}
        dialects: dict[str, Any] = {}
        for dialect, section in self._sections.items():
            if dialect in given:
                dialects[dialect] = self._section(slug, section, given[dialect])
        document = msgspec.json.encode({**own, "dialects": dialects}, order="deterministic")
        space_of(slug, msgspec.json.decode(document))
        if document != self._documents.get(slug):
            self.changes.append(Change(f"{'change' if slug in self._documents else 'create'} space {slug}"))
            self.records.append(SpaceRecord(slug, document))
            self._documents[slug] = document
        sources = _convert(given.get("sources") or {}, dict[str, _SourceFile], f"{slug}.sources")
        for name, source in sources.items():
            self._source(slug, name, source)

    def _section(self, slug: str, section: Section, given: Any) -> dict[str, Any]:
        fields = msgspec.to_builtins(_convert(given or {}, section.fields, f"{slug}.{section.dialect}"))
        for name, secret in (fields.pop(section.secrets, None) or {}).items():
            self._credential(slug, section.dialect, name, secret)
        return {key: value for key, value in fields.items() if value is not None}

    def _source(self, slug: str, name: str, given: _SourceFile) -> None:
        have = self._sources.get((slug, name))
        where = f"{slug}.sources.{name}"
        secret, made = given.write_key, None
        if secret is None:
            made = None if have else new_secret("wk")
            hashed = have.digest if have else digest(made or "")
        else:
            hashed = self._digest(where, secret)
        source = new_source(slug, name, given.kind, hashed, now=have.created_at if have else self._now)
        if source != have and not _revoked(have, hashed):
            self.changes.append(Change(f"{'change' if have else 'create'} source {name} of space {slug}", made))
            self.sources.append(source)
            self._sources[slug, name] = source

    def _credential(self, slug: str, dialect: str, name: str, secret: str) -> None:
        have = self._credentials.get((slug, dialect, name))
        hashed = self._digest(f"{slug}.{dialect}.{name}", secret)
        credential = new_credential(slug, dialect, name, hashed, now=have.created_at if have else self._now)
        if credential != have and not _revoked(have, hashed):
            self.changes.append(
                Change(f"{'change' if have else 'create'} {dialect} credential {name} of space {slug}")
            )
            self.credentials.append(credential)
            self._credentials[slug, dialect, name] = credential

    def _digest(self, where: str, secret: str) -> bytes:
        if secret.startswith("env:"):
            name = secret.removeprefix("env:")
            if not self._environment.get(name):
                raise SettingsRefused(f"{where}: the environment variable {name} is not set")
            secret = self._environment[name]
        if not secret:
            raise SettingsRefused(f"{where}: a secret cannot be empty")
        try:
            return digest_given(secret)
        except ValueError as error:
            raise SettingsRefused(f"{where}: {error}") from None

    def check_unique(self) -> None:
        """Refuse secrets that open two doors, and two spaces under one name of a vendor."""
        seen: dict[object, str] = {}

        def once(key: object, holder: str) -> None:
            if seen.setdefault(key, holder) != holder:
                raise SettingsRefused(f"{holder} and {seen[key]} have the same secret or the same id")

        for source in self._sources.values():
            once(("source", source.digest), f"{source.space}.sources.{source.name}")
        for c in self._credentials.values():
            once((c.dialect, c.digest), f"{c.space}.{c.dialect}.{c.name}")
        for slug, document in self._documents.items():
            settings = msgspec.json.decode(document)
            for section in self._sections.values():
                value = settings["dialects"].get(section.dialect, {}).get(section.unique, slug)
                once((section.dialect, section.unique, value), f"{slug}.{section.dialect}.{section.unique}")


def _revoked(have: Source | Credential | None, hashed: bytes) -> bool:
    """Say whether this very secret was revoked: a file that still holds it does not bring it back."""
    return have is not None and have.revoked_at is not None and have.digest == hashed


def _convert(value: Any, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise SettingsRefused(f"{where}: {error}") from None


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
        raise SettingsRefused(f"`{name}` cannot be a name: use letters, digits, space and `_ . / -`, at most 100")


def export(store: Store, sections: Sequence[Section]) -> str:
    """Return all spaces as YAML that `apply` takes; secrets stand there as their hashes, revoked ones do not."""
    tenancy = store.tenancy()
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
            secrets = {
                c.name: shown(c.digest)
                for c in tenancy.credentials
                if (c.space, c.dialect, c.revoked_at) == (record.slug, section.dialect, None)
            }
            if secrets or section.dialect in dialects:
                document[section.dialect] = {**dialects.get(section.dialect, {}), section.secrets: secrets}
        spaces[record.slug] = document
    return yaml.safe_dump({"spaces": spaces}, sort_keys=False, allow_unicode=True)


def create_source(store: Store, slug: str, name: str, kind: SourceKind | None, *, now: int) -> str:
    """Create a source, or give one of this name a new key; return the key, which is kept nowhere else.

    Without a kind it is an sdk, or what it was before.
    """
    _require_space(store, slug)
    before = {s.name: s.kind for s in store.tenancy().sources if s.space == slug}
    secret = new_secret("wk")
    source = new_source(slug, name, kind or before.get(name, SourceKind.SDK), digest(secret), now=now)
    with store.begin() as unit:
        unit.save_source(source)
    return secret


def create_credential(store: Store, slug: str, dialect: str, name: str, *, now: int) -> str:
    """Create a credential, or give one of this name a new secret; return the secret, kept nowhere else."""
    _require_space(store, slug)
    secret = new_secret("tok")
    credential = new_credential(slug, dialect, name, digest(secret), now=now)
    with store.begin() as unit:
        unit.save_credential(credential)
    return secret


def revoke_source(store: Store, slug: str, name: str, *, now: int) -> None:
    """Revoke a source's key: every node refuses it within a second."""
    for source in store.tenancy().sources:
        if (source.space, source.name) == (slug, name):
            with store.begin() as unit:
                unit.save_source(msgspec.structs.replace(source, revoked_at=source.revoked_at or now))
            return
    raise NotFound(f"Space `{slug}` has no source `{name}`.")


def revoke_credential(store: Store, slug: str, dialect: str, name: str, *, now: int) -> None:
    """Revoke a credential: every node refuses it within a second."""
    for credential in store.tenancy().credentials:
        if (credential.space, credential.dialect, credential.name) == (slug, dialect, name):
            revoked = msgspec.structs.replace(credential, revoked_at=credential.revoked_at or now)
            with store.begin() as unit:
                unit.save_credential(revoked)
            return
    raise NotFound(f"Space `{slug}` has no {dialect} credential `{name}`.")


def _require_space(store: Store, slug: str) -> None:
    if slug not in {record.slug for record in store.tenancy().spaces}:
        raise SpaceNotFound(f"There is no space `{slug}`: create it with `mien apply`.")
