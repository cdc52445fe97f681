"""Remove an identifier from a profile."""

from msgspec.structs import replace

from mien.core.computed import How
from mien.core.fold import Outcome
from mien.core.message import Identifier, identifier_key
from mien.core.space import Space
from mien.core.story import REMOVED, Note, note
from mien.errors import IdentifierNotFound
from mien.services.evaluation import evaluated
from mien.services.spaces import as_of_now
from mien.services.transact import transact
from mien.store.base import Store, Unit


def remove(store: Store, space: Space, profile: int, identifier: Identifier, *, now: int) -> None:
    """Let a profile no longer hold an identifier; what came with it stays. Raise IdentifierNotFound if it does not.

    A message that holds the identifier later brings it back.
    """
    name = space.policy.rules.canonical(identifier)

    def free(unit: Unit) -> None:
        state = unit.load(space.slug, [name])
        owner = state.profiles.get(state.owners.get(name, 0))
        if owner is None or owner.id != profile:
            raise IdentifierNotFound
        rest = {pair: held for pair, held in owner.identifiers.items() if pair != (name.type, name.value)}
        key = identifier_key(space.slug, name)
        gone = Note(REMOVED, name.type, key, "", 0, 1, now, now, "", "", owner.id, owner.serial)
        left = replace(
            owner,
            identifiers=rest,
            notes=note(owner.notes, [gone]),
            computed=replace(owner.computed, touched=None),
        )
        outcome = evaluated(store, as_of_now(store, space), Outcome(profiles=[left]), now=now, how=How.REMOVAL)
        unit.write(space.slug, outcome)
        unit.free(owner, [name])

    transact(store, free)
