"""One computed trait or audience by itself: made, changed or removed, as a file of spaces would."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mien.core.definition import Definition, Kind, State
from mien.core.plan import all_references
from mien.errors import DefinitionNotFound, SpaceNotFound
from mien.services import definitions
from mien.services.fault import Fault, at
from mien.services.transact import transact
from mien.store.base import Store, Unit
from mien.store.computed import DefinitionRecord, Evaluation


def create(
    store: Store, slug: str, kind: Kind, key: str, body: Mapping[str, Any], *, now: int, over: bool = False
) -> Definition | None:
    """Define a computed trait or an audience, `body` as a file of spaces has it; return it, None if nothing changed.

    Raise Fault when something of it is refused, or when the key is taken, unless `over` says to put it in the other's
    place.
    """

    def change(section: dict[str, Any]) -> None:
        if key in section and not over:
            raise Fault("is there already; `--replace` puts this one in its place", key)
        section[key] = dict(body)

    made = _revised(store, slug, kind, change, now)
    return next((definition for definition in reversed(made) if definition.key == key), None)


def remove(store: Store, slug: str, kind: Kind, key: str, *, now: int) -> list[str]:
    """Remove a computed trait or an audience; return the keys of those that refer to it, and no longer find it.

    Raise DefinitionNotFound when there is none of this key.
    """

    def change(section: dict[str, Any]) -> None:
        if section.pop(key, None) is None:
            raise DefinitionNotFound(f"There is no {kind.replace('_', ' ')} `{key}` in this space.")

    made = _revised(store, slug, kind, change, now)
    return sorted(d.key for d in made if d.state in {State.PREPARING, State.LIVE} and key in all_references(d))


def _revised(
    store: Store, slug: str, kind: Kind, change: Callable[[dict[str, Any]], None], now: int
) -> Sequence[Definition]:
    """Change the section of a kind; return the definitions that this makes or ends."""

    def revise(unit: Unit) -> Sequence[Definition]:
        if slug not in {record.slug for record in store.tenancy().spaces}:
            raise SpaceNotFound(f"There is no space `{slug}`.")
        records = [record for record in store.definitions() if record.space == slug]
        name = definitions.section_of(kind)
        section = definitions.written(records).get(name, {})
        with at(name):
            change(section)
        evaluation = store.evaluations().get(slug, Evaluation())
        revision = definitions.revise(
            [record.definition for record in records],
            evaluation,
            {name: section},
            profiles=store.count_profiles(slug),
            now=now,
        )
        for definition in revision.saved:
            unit.save_definition(DefinitionRecord(slug, definition))
        if revision.evaluation != evaluation:
            unit.save_evaluation(slug, revision.evaluation, revised=True)
        return revision.saved

    # Alone, as when a file is applied: whoever takes messages in meanwhile must do so by the definitions of before.
    return transact(store, revise, alone=True)
