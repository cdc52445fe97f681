"""Forget somebody: delete them from every table, leave a proof, and keep them from coming back."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from mien.core.computed import NOTHING, Cause, How, telling, without_values
from mien.core.deletion import Deletion
from mien.core.fold import NOBODY, Outcome
from mien.core.message import ACCOUNTS, USERS, Identifier, identifier_key
from mien.core.profile import Profile
from mien.core.space import Space
from mien.services.evaluation import bring, put
from mien.services.spaces import as_of_now
from mien.services.transact import transact
from mien.store.base import Store, Unit


def forget(
    store: Store, space: Space, names: Sequence[Identifier], *, deletion: str, suppress: bool, now: int
) -> Deletion:
    """Delete the profile that the first of these names finds, with all it absorbed; return the proof, which is kept.

    With `suppress` no identifier it held, nor the first name, is taken in again: messages that hold one are dropped
    and counted. Somebody who is not known is suppressed all the same. `deletion` is the id of the proof.
    """
    known = [space.policy.rules.canonical(name) for name in names]
    twins = known[0].collection == USERS

    def erase(unit: Unit) -> Deletion:
        whole = _find(unit, space, known)
        accounts = store.linked_today(space.slug, whole.ids, ACCOUNTS) if whole else []
        sharing = unit.twins(whole) if whole and twins else set()
        # What a person did in an account's name goes with the person; an account's members stay as they are.
        erased = unit.erase(space.slug, [whole] if whole else [], twins=twins)
        _let_go_of_values(store, unit, as_of_now(store, space), sharing, now)
        held = [Identifier(whole.collection, *pair) for pair in whole.identifiers] if whole else []
        unit.look_again(accounts)
        # Held ones may stand there in a case in which they would not be taken in today.
        today = [space.policy.rules.canonical(identifier) for identifier in held]
        silenced = dict.fromkeys([*held, *today, *known[:1]]) if suppress else {}
        proof = Deletion(
            id=deletion,
            at=now,
            collection=known[0].collection,
            subject=identifier_key(space.slug, known[0]),
            erased=erased,
            suppressed=unit.suppress(space.slug, silenced, deletion=deletion, now=now),
        )
        unit.save_deletion(space.slug, proof)
        return proof

    return transact(store, erase)


def _let_go_of_values(store: Store, unit: Unit, space: Space, sharing: Iterable[int], now: int) -> None:
    """Compute anew, of what others still keep, the values that profiles computed of somebody's events, too."""
    brought = []
    for profile in store.profiles(sharing).values():
        plan, left = space.policy.plans.get(profile.collection), profile.computed
        if left == NOTHING:
            continue
        if plan is not None:
            events = {memory.event for memory in telling(plan).values()} & profile.activity.keys()
            left = without_values(left, plan, store.happened(space.slug, profile.ids, events))
        cause = Cause(How.REMOVAL)
        brought.append(bring(store, space, replace(profile, computed=left), now=now, cause=cause, whole=True))
    unit.forget_changes(b.profile.id for b in brought)
    # Nothing is noted: it would say what was there before.
    unit.write(space.slug, put(store, space, Outcome(), [b._replace(noted=None) for b in brought]))


def _find(unit: Unit, space: Space, names: Sequence[Identifier]) -> Profile | None:
    state = unit.load(space.slug, names)
    owners = (state.profiles.get(state.owners.get(name, NOBODY)) for name in names)
    return next((owner for owner in owners if owner is not None), None)


def unsuppress(store: Store, space: Space, names: Iterable[Identifier]) -> int:
    """Let identifiers come back; return how many were suppressed."""
    keys = [identifier_key(space.slug, space.policy.rules.canonical(name)) for name in names]
    return transact(store, lambda unit: unit.unsuppress(space.slug, keys))
