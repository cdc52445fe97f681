"""The secrets that open a space, one by one: made, changed and revoked by hand, beside what a file says."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from mien.core.space import Credential, Source, SourceKind
from mien.errors import Invalid, NotFound, SpaceNotFound
from mien.services.fault import Fault, at, convert
from mien.services.secrets import digest, new_secret
from mien.services.spaces import Section, new_credential, new_source
from mien.services.transact import transact
from mien.store.base import SpaceRecord, Store, Unit


def create_source(store: Store, slug: str, name: str, kind: SourceKind | None, *, now: int) -> str:
    """Create a source, or give one of this name a new key; return the key, which is kept nowhere else.

    Without a kind it is an sdk, or what it was before.
    """
    secret = new_secret("wk")

    def create(unit: Unit) -> None:
        _record(store, slug)
        before = [s for s in store.tenancy().sources if (s.space, s.name) == (slug, name)]
        unit.bury(source.digest for source in before)
        kinds = [kind] if kind else [source.kind for source in before]
        unit.save_source(new_source(slug, name, (kinds or [SourceKind.SDK])[0], digest(secret), now=now))

    transact(store, create, alone=True)
    return secret


def create_credential(
    store: Store, slug: str, section: Section, name: str, *, about: Mapping[str, Any] | None = None, now: int
) -> str:
    """Create a credential, or give one of this name a new secret; return the secret, kept nowhere else.

    `about` is what the section keeps of a credential beside its secret; what was kept stays where it is not given.
    """
    secret = new_secret("tok")

    def create(unit: Unit) -> None:
        record = _record(store, slug)
        named = (slug, section.dialect, name)
        unit.bury(c.digest for c in store.tenancy().credentials if (c.space, c.dialect, c.name) == named)
        unit.save_credential(new_credential(*named, digest(secret), now=now))
        if about:
            unit.save_space(_with_about(record, section, name, about))

    # Alone: what else a file says of the space at this moment must not be lost.
    transact(store, create, alone=True)
    return secret


def listed(
    store: Store, slug: str | None, sections: Iterable[Section]
) -> list[tuple[Credential, Mapping[str, Sequence[str]]]]:
    """Return the credentials of a space, or of all: each with what it is limited to, where that was said."""
    tenancy, fields = store.tenancy(), {section.dialect: section.secrets for section in sections}
    kept = {record.slug: msgspec.json.decode(record.document).get("dialects", {}) for record in tenancy.spaces}

    def about(c: Credential) -> Mapping[str, Sequence[str]]:
        section = kept.get(c.space, {}).get(c.dialect, {})
        limits: Mapping[str, Mapping[str, Sequence[str]]] = section.get(fields.get(c.dialect), {})
        return limits.get(c.name, {})

    return [(c, about(c)) for c in tenancy.credentials if slug in {None, c.space}]


def _with_about(record: SpaceRecord, section: Section, name: str, about: Mapping[str, Any]) -> SpaceRecord:
    unknown = about.keys() - section.about
    if unknown:
        raise Fault(f"credentials of {section.dialect} have no {', '.join(sorted(unknown))}")
    document = msgspec.json.decode(record.document)
    own = document["dialects"].setdefault(section.dialect, {})
    others = own.get(section.secrets, {})
    with at(record.slug, section.dialect):
        section.check(convert({**own, section.secrets: {name: {"secret": "-", **about}}}, section.fields))
    own[section.secrets] = {**others, name: {**others.get(name, {}), **about}}
    return SpaceRecord(record.slug, msgspec.json.encode(document, order="deterministic"))


def revoke_source(store: Store, slug: str, name: str, *, now: int) -> None:
    """Revoke a source's key: every node refuses it within a second."""
    for source in store.tenancy().sources:
        if (source.space, source.name) == (slug, name):
            with store.begin() as unit:
                unit.save_source(msgspec.structs.replace(source, revoked_at=source.revoked_at or now))
                unit.bury([source.digest])
            return
    raise NotFound(f"Space `{slug}` has no source `{name}`.")


def revoke_credential(store: Store, slug: str, dialect: str, name: str, *, now: int) -> None:
    """Revoke a credential: every node refuses it within a second."""
    for credential in store.tenancy().credentials:
        if (credential.space, credential.dialect, credential.name) == (slug, dialect, name):
            revoked = msgspec.structs.replace(credential, revoked_at=credential.revoked_at or now)
            with store.begin() as unit:
                unit.save_credential(revoked)
                unit.bury([credential.digest])
            return
    raise NotFound(f"Space `{slug}` has no {dialect} credential `{name}`.")


def _record(store: Store, slug: str) -> SpaceRecord:
    for record in store.tenancy().spaces:
        if record.slug == slug:
            return record
    raise SpaceNotFound(f"There is no space `{slug}`: create it with `mien apply`.")


def source_of_files(store: Store, slug: str, name: str, *, now: int) -> Source:
    """Return a source, made if there is none of this name: of kind csv, with a key that nobody has.

    Raise Invalid when it was revoked.
    """
    _record(store, slug)
    for source in store.tenancy().sources:
        if (source.space, source.name) == (slug, name):
            if source.revoked_at is not None:
                raise Invalid(f"The source `{name}` of space `{slug}` is revoked: import under another name.")
            return source
    made = new_source(slug, name, SourceKind.CSV, digest(new_secret("wk")), now=now)
    with store.begin() as unit:
        unit.save_source(made)
    return made
