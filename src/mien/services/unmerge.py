"""Undo a merge of two profiles."""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from mien.core import unmerge as core
from mien.core.computed import NOTHING, Cause, Computed, How, catch_up
from mien.core.fold import Outcome
from mien.core.profile import Profile
from mien.core.space import Space
from mien.core.story import Unmerge
from mien.core.unmerge import Family, Split
from mien.services.evaluation import as_it_was, bring, history, put
from mien.services.spaces import as_of_now
from mien.services.transact import transact
from mien.store.base import Store, Unit


def unmerge(store: Store, space: Space, absorbed: int, *, forever: bool, now: int, ids: Iterator[int]) -> Unmerge:
    """Make two profiles of one again, as they would be had `absorbed` not been absorbed; return the account of it.

    With `forever` they never become one again. Raise NotMerged when the profile was not absorbed, CannotUnmerge when
    what is needed was not kept.
    """

    def split(unit: Unit) -> Unmerge:
        today = as_of_now(store, space)
        family = unit.family(space.slug, absorbed)
        then = _as_it_was(today)
        made = core.unmerge(family, then.policy, ids=ids, forever=forever)
        account = Unmerge(made.merge, now, forever, made.came, tuple(made.unkept))
        noted = {one.id: one.computed.noted_at for one in store.profiles(family.today.ids).values()}
        unit.write_split(space.slug, family, _kept(then, made, noted), account)
        _evaluate(store, unit, today, family, made, now)
        return account

    # Alone: whoever changes a user meanwhile would tell the account of today, and not the one that is there again.
    return transact(store, split, alone=True)


def _as_it_was(space: Space) -> Space:
    """Return a space as it takes in once more what profiles took in that are kept as they were."""
    plans = {collection: plan.unsettled() for collection, plan in space.policy.plans.items()}
    return replace(space, policy=replace(space.policy, plans=plans))


def _kept(space: Space, split: Split, noted: Mapping[int, int]) -> Split:
    """Return what is to be written; `noted` says when a change was last noted of each, since it was as it is here."""
    outcome = split.outcome
    profiles = [as_it_was(space, _as_noted(profile, noted.get(profile.id, 0))) for profile in outcome.profiles]
    absorptions = [a._replace(before=as_it_was(space, a.before)) for a in outcome.absorptions]
    return replace(split, outcome=replace(outcome, profiles=profiles, absorptions=absorptions))


def _as_noted(profile: Profile, at: int) -> Profile:
    computed = profile.computed
    return replace(profile, computed=replace(computed, noted_at=max(at, computed.noted_at)))


def _evaluate(store: Store, unit: Unit, space: Space, family: Family, split: Split, now: int) -> None:
    """Evaluate the profiles that are there again: by what readers saw until now, and by the definitions of today."""
    upto = min(p.computed.upto for p in (*family.before, *family.joined))
    alive = [p.id for p in split.outcome.profiles if p.merged_into is None]
    brought = []
    for profile in store.profiles(alive).values():
        before = family.today if profile.id == family.today.id else None
        computed = _computed(store, space, profile, before, upto)
        again = replace(profile, computed=computed, shown={} if before is None else before.shown)
        found = bring(store, space, again, now=now, cause=Cause(How.UNMERGE), whole=True)
        brought.append(found._replace(for_account=True))
    unit.write(space.slug, put(store, space, Outcome(), brought))


def _computed(store: Store, space: Space, profile: Profile, before: Profile | None, upto: int) -> Computed:
    """Return what is computed of a profile by what it was then, and by its history for definitions since."""
    computed, plan = profile.computed, space.policy.plans.get(profile.collection)
    if plan is None:  # there are no definitions any more; what readers still saw by them goes
        return computed if before is None else before.computed
    if upto < plan.upto:
        computed = catch_up(computed, plan, history(store, space, plan, profile, upto=upto), upto=upto)
    then = NOTHING if before is None else before.computed
    return replace(
        computed,
        upto=plan.upto,
        epoch=plan.epoch if before is None else then.epoch,
        results=then.results,
        until=then.until,
        noted_at=max(then.noted_at, computed.noted_at),
        touched=None,
        stale=False,
    )
