"""Computed traits and audiences as data: what a file says of them, and what that changes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace

from mien.core import values
from mien.core.definition import KEY, Control, Definition, Kind, State
from mien.core.message import COLLECTION, USERS
from mien.core.plan import all_references, compile_definition, cycle_in, is_understood
from mien.errors import QueryRefused
from mien.services.fault import Fault, at, convert
from mien.store.computed import DefinitionRecord, Evaluation

SECTIONS = {"computed_traits": Kind.COMPUTED_TRAIT, "audiences": Kind.AUDIENCE}
"""The sections of a space that hold definitions."""
MOST_DEFINITIONS = 1000
MOST_ATTRIBUTES = 100
NAME_ATTRIBUTE = "audience_name"
"""What an attribute of an audience cannot be called: it is the audience's own name (reference, GrowthLoop: 1.2)."""

Percent = Annotated[int, Meta(ge=0, le=100)]


class _ControlFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    percent: Percent = 0
    shows: Control = Control.HIDE


class _TraitFile(Struct, forbid_unknown_fields=True, omit_defaults=True):
    query: str
    name: Annotated[str, Meta(max_length=200)] = ""
    collection: str = USERS
    description: Annotated[str, Meta(max_length=2000)] = ""
    enabled: bool = True


class _AudienceFile(_TraitFile, forbid_unknown_fields=True, omit_defaults=True):
    id: Annotated[int, Meta(ge=1, lt=2**53)] | UnsetType = UNSET
    attributes: dict[str, Any] = {}
    expires: Any = None
    anonymous: bool = False
    control: _ControlFile = field(default_factory=_ControlFile)


class Revision(Struct):
    """What becomes of a space's definitions: those to save, how far the space is then, and what that changes."""

    saved: Sequence[Definition]
    evaluation: Evaluation
    sentences: Sequence[str]


def revise(
    have: Sequence[Definition], evaluation: Evaluation, given: Mapping[str, Any], *, profiles: int, now: int
) -> Revision:
    """Say what becomes of the definitions of a space when a file gives some of the SECTIONS.

    The definitions of a section that is given become those of the file; of one that is not they stay. Each definition
    that is new or asks for something else, and each that refers to such a one, gets a new number and is prepared.
    Raise Fault when one cannot be understood, or when they contradict each other.
    """
    newest = {d.key: d for d in sorted(have, key=lambda d: d.number) if d.state is not State.RETIRED}
    wanted = _wanted(newest, given, evaluation.last_id, now)
    _check(wanted)
    return _Revising(have, newest, evaluation, now).to(wanted, profiles)


def _wanted(
    newest: Mapping[str, Definition], given: Mapping[str, Any], last_id: int, now: int
) -> dict[str, Definition]:
    """Return the definitions there are to be, by key; those that stay as they are keep their number."""
    wanted: dict[str, Definition] = {}
    kept = [d for d in newest.values() if section_of(d.kind) not in given]
    for definition in kept:
        wanted[definition.key] = definition
    for section, kind in SECTIONS.items():
        for key, body in convert(given.get(section) or {}, dict[str, Any], section).items():
            with at(section, key):
                if not KEY.fullmatch(key):
                    raise Fault("cannot be a key: use lower-case letters, digits and `_`, at most 100")
                if key in wanted:
                    raise Fault("is the key of another computed trait or audience of this space")
                wanted[key] = _definition(kind, key, body, newest.get(key), now)
    return _with_ids(wanted, newest, last_id)


def section_of(kind: Kind) -> str:
    """Return the section of a file that holds definitions of a kind."""
    return next(section for section, of in SECTIONS.items() if of is kind)


def _definition(kind: Kind, key: str, body: Any, have: Definition | None, now: int) -> Definition:
    """Return what a file says of a definition, with number 0 if it asks for something else than the one there is."""
    file = convert(body, _AudienceFile if kind is Kind.AUDIENCE else _TraitFile)
    if not COLLECTION.fullmatch(file.collection):
        raise Fault("cannot name a collection: use lower-case letters, digits, `-` and `_`, at most 64", "collection")
    made = Definition(
        number=0,
        kind=kind,
        key=key,
        name=file.name or key,
        collection=file.collection,
        query=file.query,
        enabled=file.enabled,
        description=file.description,
        created_at=have.created_at if have else now,
        updated_at=now,
    )
    if isinstance(file, _AudienceFile):
        with at("attributes"):
            _check_attributes(file.attributes)
        with at("expires"):
            expires_at = _instant(file.expires)
        made = replace(
            made,
            id=0 if file.id is UNSET else file.id,
            attributes=file.attributes,
            expires_at=expires_at,
            anonymous=file.anonymous,
            control=file.control.percent,
            control_shows=file.control.shows,
        )
    with at("query"):
        try:
            compile_definition(made)
        except QueryRefused as error:
            raise Fault(str(error)) from None
    return made


def _check_attributes(attributes: Mapping[str, Any]) -> None:
    if NAME_ATTRIBUTE in attributes:
        raise Fault("is the audience's own name in GrowthLoop's answers: call it otherwise", NAME_ATTRIBUTE)
    if len(attributes) > MOST_ATTRIBUTES:
        raise Fault(f"has more than {MOST_ATTRIBUTES} entries")
    for key, value in attributes.items():
        with at(key):
            _check_kept(value)


def _check_kept(value: Any) -> None:
    try:
        msgspec.msgpack.encode(value)
    except (OverflowError, RecursionError, UnicodeEncodeError):
        raise Fault("cannot be kept: whole numbers have at most 64 bits, and text is sound") from None


def _instant(given: Any) -> int | None:
    """Return the microseconds since 1970 of a time in a file, where YAML may have understood it already."""
    if given is None:
        return None
    moment = values.time(given.isoformat() if isinstance(given, date) else given)
    if moment is None:
        raise Fault("must be a date or time in ISO 8601, such as 2026-12-31T00:00:00Z")
    return moment


def _with_ids(
    wanted: Mapping[str, Definition], newest: Mapping[str, Definition], last_id: int
) -> dict[str, Definition]:
    """Return the definitions with an id for each audience: the one it has, the one it is given, or the next.

    The next is above all there ever were: whoever still asks for one that is gone must not get another.
    """
    numbered = dict(wanted)
    highest = max([last_id, *(d.id for d in (*wanted.values(), *newest.values()))])
    seen: dict[int, str] = {}
    for key, definition in wanted.items():
        if definition.kind is not Kind.AUDIENCE:
            continue
        have = newest[key].id if key in newest and newest[key].kind is Kind.AUDIENCE else 0
        with at("audiences", key, "id"):
            if have and definition.id not in {0, have}:
                raise Fault(f"an audience keeps its id, which is {have}")
            number = have or definition.id
            if not number:
                highest = number = highest + 1
            if number in seen:
                raise Fault(f"is the id of {seen[number]}, too")
        seen[number] = key
        numbered[key] = replace(definition, id=number)
    return numbered


def _check(wanted: Mapping[str, Definition]) -> None:
    if len(wanted) > MOST_DEFINITIONS:
        raise Fault(f"are more than {MOST_DEFINITIONS} together", "audiences")
    for key, definition in wanted.items():
        if not is_understood(definition):  # what refers to it could not be told
            raise Fault(
                "is not understood by this Mien: use the one it was made with, or define it anew",
                section_of(definition.kind),
                key,
                "query",
            )
    for collection in sorted({d.collection for d in wanted.values()}):
        cycle = cycle_in(d for d in wanted.values() if d.collection == collection)
        if cycle:
            raise Fault(
                f"refers to itself: {' → '.join(cycle)}", section_of(wanted[cycle[0]].kind), cycle[0], "query"
            )


class _Revising:
    """What changes when a space's definitions become others."""

    def __init__(
        self, have: Sequence[Definition], newest: Mapping[str, Definition], evaluation: Evaluation, now: int
    ) -> None:
        self._have = have
        self._newest = newest
        self._evaluation = evaluation
        self._now = now
        self._saved: dict[int, Definition] = {}
        self._sentences: list[str] = []

    def to(self, wanted: Mapping[str, Definition], profiles: int) -> Revision:
        asked = self._asking_otherwise(wanted)
        number = self._evaluation.target
        hidden = False
        for key, definition in wanted.items():
            have = self._newest.get(key)
            if key in asked:
                number += 1
                state = State.PREPARING if definition.enabled else State.DISABLED
                self._saved[number] = replace(definition, number=number, state=state)
                if have is None or have.query != definition.query or have.enabled != definition.enabled:
                    self._say("change" if have else "create", definition)
                hidden |= self._supersede(key, replaced=definition.enabled)
            elif have is not None and _told(have, definition) != have:
                told = _told(have, definition)
                for other in [d for d in self._have if d.key == key and d.state is not State.RETIRED]:
                    self._saved[other.number] = _told(other, told)
                self._say("change", definition)
        for key in self._newest.keys() - wanted.keys():
            self._say("remove", self._newest[key])
            hidden |= self._supersede(key, replaced=False)
        last_id = max([self._evaluation.last_id, *(d.id for d in wanted.values())])
        evaluation = replace(self._begun(number, hidden=hidden, profiles=profiles), last_id=last_id)
        return Revision(list(self._saved.values()), evaluation, self._sentences)

    def _say(self, what: str, definition: Definition) -> None:
        word = "audience" if definition.kind is Kind.AUDIENCE else "computed trait"
        self._sentences.append(f"{what} {word} {definition.key}")

    def _asking_otherwise(self, wanted: Mapping[str, Definition]) -> set[str]:
        """Return the keys of definitions that ask for something else, or refer to one that does."""
        before = {key: _question(d) for key, d in self._newest.items()}
        asked = {key for key, d in wanted.items() if before.get(key) != _question(d)}
        changed = asked | (self._newest.keys() - wanted.keys())
        while True:
            more = {
                key for key, d in wanted.items() if key not in asked and d.enabled and all_references(d) & changed
            }
            if not more:
                return asked
            asked |= more
            changed |= more

    def _supersede(self, key: str, *, replaced: bool) -> bool:
        """Retire what is there under a key, unless it stays live until it is replaced; say if readers lose sight."""
        hidden = False
        for old in [d for d in self._have if d.key == key and d.state is not State.RETIRED]:
            if replaced and old.state is State.LIVE:
                continue
            hidden |= old.state is State.LIVE
            self._saved[old.number] = replace(old, state=State.RETIRED)
        return hidden

    def _begun(self, target: int, *, hidden: bool, profiles: int) -> Evaluation:
        """Return how far the space is: everything is done at once where there is nobody yet."""
        before = self._evaluation
        if target == before.target and not hidden:
            return before
        epoch = before.epoch + hidden
        begun = replace(before, target=target, epoch=epoch, cursor=0, done=0, total=profiles, began_at=self._now)
        if profiles:
            return begun
        saved, evaluation = live(self._saved.values(), begun, self._have)
        self._saved.update((d.number, d) for d in saved)
        return evaluation


def live(
    definitions: Iterable[Definition], evaluation: Evaluation, have: Iterable[Definition]
) -> tuple[list[Definition], Evaluation]:
    """Return the definitions that change when those that are prepared become live, and how far the space is then."""
    there = {d.number: d for d in have} | {d.number: d for d in definitions}
    prepared = {d.key: d for d in there.values() if d.state is State.PREPARING}
    changed = [replace(d, state=State.LIVE) for d in prepared.values()]
    changed += [
        replace(d, state=State.RETIRED) for d in there.values() if d.state is State.LIVE and d.key in prepared
    ]
    settled = replace(
        evaluation, settled=evaluation.target, epoch=evaluation.epoch + bool(prepared), cursor=0, done=0
    )
    return changed, settled


def _question(d: Definition) -> tuple[object, ...]:
    """Return what decides the value of a definition."""
    return (d.kind, d.collection, d.query, d.enabled, d.expires_at, d.anonymous)


def _told(have: Definition, given: Definition) -> Definition:
    """Return a definition with all that does not decide its value as it is given."""
    told = replace(
        have,
        name=given.name,
        description=given.description,
        attributes=given.attributes,
        control=given.control,
        control_shows=given.control_shows,
    )
    return have if told == have else replace(told, updated_at=given.updated_at)


def written(records: Iterable[DefinitionRecord]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the definitions of a space as they stand in a file, by section and key."""
    newest = {r.definition.key: r.definition for r in records if r.definition.state is not State.RETIRED}
    sections: dict[str, dict[str, dict[str, Any]]] = {}
    for key, d in newest.items():
        body: dict[str, Any] = {"name": d.name, "query": d.query}
        if d.collection != USERS:
            body["collection"] = d.collection
        if d.description:
            body["description"] = d.description
        if not d.enabled:
            body["enabled"] = False
        if d.kind is Kind.AUDIENCE:
            body = {"id": d.id, **body, **_audience(d)}
        sections.setdefault(section_of(d.kind), {})[key] = body
    return sections


def _audience(d: Definition) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if d.attributes:
        body["attributes"] = dict(d.attributes)
    if d.expires_at is not None:
        body["expires"] = values.write_time(d.expires_at)
    if d.anonymous:
        body["anonymous"] = True
    if d.control:
        body["control"] = {"percent": d.control, "shows": str(d.control_shows)}
    return body
