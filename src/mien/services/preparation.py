"""Evaluate existing profiles for definitions that are new: in the background, a few at a time, from where it was."""

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from mien.core.computed import NOTHING, Cause, How
from mien.core.definition import Definition, State
from mien.core.fold import Outcome
from mien.core.profile import Profile
from mien.core.space import Space
from mien.services.definitions import live
from mien.services.evaluation import Brought, bring, put
from mien.services.pace import Pace
from mien.services.transact import transact
from mien.store.base import Store, Unit
from mien.store.computed import DefinitionRecord, Evaluation

STEP = 200
"""How many profiles one transaction evaluates at most."""


def advance(
    store: Store, spaces: Mapping[str, Space], *, now: int, pace: Pace | None = None, revision: int | None = None
) -> bool:
    """Evaluate the next profiles of each space that is not up to date; say whether anything was done.

    `pace` says how many, STEP if it is not given.

    What was prepared becomes live for all readers at one moment, once every profile is evaluated. Call it again with
    the spaces as they are then. Nothing is done by `spaces` that are not those of the `revision` given.
    """
    behind = {slug: e for slug, e in store.evaluations().items() if e.cursor is not None and slug in spaces}
    done = False
    for slug, evaluation in behind.items():
        if transact(store, partial(_step, store, spaces[slug], evaluation, now, pace or Pace(STEP), revision)):
            done = True
        elif not store.is_behind(slug, evaluation.target):  # looked at again once nobody else writes
            done |= transact(store, partial(_finish, store, slug, evaluation), alone=True)
    return done


def _step(
    store: Store,
    space: Space,
    evaluation: Evaluation,
    now: int,
    pace: Pace,
    revision: int | None,
    unit: Unit,
) -> bool:
    """Evaluate the next profiles; say whether there were any, or somebody else was here first."""
    if store.evaluations()[space.slug] != evaluation or (revision is not None and store.revision() != revision):
        return True
    prepared = evaluation.settled < evaluation.target
    profiles = store.profiles_beyond(space.slug, evaluation.cursor or 0, limit=pace.many, computed=not prepared)
    if not profiles:
        return False
    with pace.taking(len(profiles)):
        brought = [bring(store, space, p, now=now, cause=Cause(How.DEFINITION), whole=True) for p in profiles]
        unit.write(space.slug, put(store, space, Outcome(), _changed(profiles, brought)))
    after = replace(evaluation, cursor=profiles[-1].id, done=evaluation.done + len(profiles))
    unit.save_evaluation(space.slug, after, revised=False)
    return True


def _changed(profiles: list[Profile], brought: list[Brought]) -> list[Brought]:
    """Return those that are to be written: somebody of whom nothing is computed stays as they are."""
    return [
        b
        for p, b in zip(profiles, brought, strict=True)
        if p.computed != NOTHING or b.profile.computed.results or b.profile.computed.states
    ]


def _finish(store: Store, slug: str, evaluation: Evaluation, unit: Unit) -> bool:
    """Make what is prepared live, and let go of what was replaced.

    While somebody has yet to be looked at whole nothing is done, which is said.
    """
    if store.evaluations()[slug] != evaluation:
        return True
    definitions = [record.definition for record in store.definitions() if record.space == slug]
    if evaluation.settled < evaluation.target:
        if store.is_behind(slug, evaluation.target):
            return False
        changed, after = live((), evaluation, definitions)
        for definition in changed:
            unit.save_definition(DefinitionRecord(slug, definition))
        unit.save_evaluation(slug, after, revised=True)
    elif not _tidy(unit, slug, definitions):
        unit.save_evaluation(slug, replace(evaluation, cursor=None), revised=False)
    return True


def _tidy(unit: Unit, slug: str, definitions: Sequence[Definition]) -> bool:
    """Let go of what is kept under the numbers of definitions that are no more; say whether there is more of it."""
    current = {d.key: d.number for d in definitions if d.state is State.LIVE}
    for old in [d for d in definitions if d.state is State.RETIRED]:
        if unit.end_memberships(slug, old.number, into=current.get(old.key), limit=STEP):
            return True
        unit.remove_definition(DefinitionRecord(slug, old))
    return False
