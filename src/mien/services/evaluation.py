"""Bring what is computed of profiles up to date: core decides, and asks for what it has to know."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from mien.core.assess import NOTHING_SUPPLIED, Assessment, Needs, Subject, Supplied, assess, consult
from mien.core.computed import (
    ABSENT,
    AT_ONCE,
    NOTHING,
    STEPS,
    TRUE,
    Cause,
    Change,
    Computed,
    How,
    Noted,
    Passage,
    Patched,
    Shown,
    asked,
    catch_up,
    changes,
    dated,
    is_current,
    missing,
    packed,
    patches,
    pruned,
    shown,
    until_of,
)
from mien.core.condition import View, Weighed
from mien.core.fold import Outcome
from mien.core.message import ACCOUNTS, USERS, Message
from mien.core.plan import Plan
from mien.core.profile import Profile
from mien.core.space import Space
from mien.store.base import Head, Store

_T = TypeVar("_T")


class Brought(NamedTuple):
    """A profile brought up to date, and what that changed.

    `for_account` says that what an account's definitions ask of its users is another answer.
    """

    profile: Profile
    passages: tuple[tuple[int, Passage], ...] = ()
    noted: Noted | None = None
    for_account: bool = False


def evaluated(store: Store, space: Space, outcome: Outcome, *, now: int, how: How = How.MESSAGE) -> Outcome:
    """Return what a batch changes, with everything evaluated that its messages touched."""
    if not space.policy.plans and all(profile.computed == NOTHING for profile in outcome.profiles):
        return outcome
    fresh: dict[int, list[Message]] = {}
    for entry in outcome.entries:
        fresh.setdefault(entry.profile, []).append(entry.message)
    merged = {absorption.merge.survivor: absorption.merge.message for absorption in outcome.absorptions}
    brought = []
    for profile in outcome.profiles:
        if profile.merged_into is not None:
            brought.append(_ended(space, profile, now, Cause(How.MERGE, merged.get(profile.merged_into, ""))))
            continue
        cause = Cause(how, profile.last.message if how is How.MESSAGE else "")
        if profile.id in merged and how is How.MESSAGE:
            cause = Cause(How.MERGE, merged[profile.id])
        pending = [message for own in profile.ids for message in fresh.get(own, ())]
        brought.append(bring(store, space, profile, now=now, cause=cause, pending=pending))
    absorptions = [
        absorption._replace(before=as_it_was(space, absorption.before)) for absorption in outcome.absorptions
    ]
    accounts = {profile.id for profile in outcome.profiles if profile.collection == ACCOUNTS}
    linked = accounts & {link.profile for link in outcome.links}
    return put(store, space, replace(outcome, absorptions=absorptions), brought, linked=linked)


def put(
    store: Store, space: Space, outcome: Outcome, brought: Iterable[Brought], *, linked: Iterable[int] = ()
) -> Outcome:
    """Return an outcome with profiles that were brought up to date; `linked` are accounts with new links."""
    all_brought = list(brought)
    again: list[int] = []
    plan = space.policy.plans.get(ACCOUNTS)
    if plan is not None and plan.of_members:
        users = [b.profile for b in all_brought if b.for_account]
        again = store.linked_today(space.slug, [i for user in users for i in user.ids], ACCOUNTS)
        again += linked
        today = {one: b.profile.id for b in all_brought if b.profile.merged_into is None for one in b.profile.ids}
        again = [today.get(account, account) for account in again]
    return replace(
        outcome,
        profiles=[b.profile for b in all_brought],
        passages=[passage for b in all_brought for passage in b.passages],
        noted=[b.noted for b in all_brought if b.noted is not None],
        look_again=again,
    )


def as_it_was(space: Space, profile: Profile) -> Profile:
    """Return a profile as it is kept for undoing a merge."""
    plan = space.policy.plans.get(profile.collection)
    return profile if plan is None else replace(profile, computed=dated(profile.computed, plan))


def _ended(space: Space, profile: Profile, now: int, cause: Cause) -> Brought:
    """Return a profile that was absorbed: it is in no audience any more, and has no values of its own."""
    passages = tuple(
        (profile.id, Passage(slot, False, max(now, result.at), cause))
        for slot, result in profile.computed.results.items()
        if slot > 0 and result.text == TRUE
    )
    at = max(now, profile.computed.noted_at + 1)
    gone = [Change(key, was.kind, was.text, ABSENT, at, cause) for key, was in sorted(profile.shown.items())]
    noted = Noted(profile.id, at, gone) if gone else None
    if noted is not None:
        profile = replace(profile, computed=replace(profile.computed, noted_at=at))
    return Brought(as_it_was(space, profile), passages, noted, for_account=profile.collection == USERS)


def bring(
    store: Store,
    space: Space,
    profile: Profile,
    *,
    now: int,
    cause: Cause,
    whole: bool = False,
    members: bool = False,
    pending: Sequence[Message] = (),
) -> Brought:
    """Evaluate what of a profile was touched or is due at an instant.

    With `whole` its history is looked at where definitions are newer than it, and its users if it is an account; with
    `members` only these. `pending` are messages of it that are not written yet. Nothing is written.
    """
    plan = space.policy.plans.get(profile.collection)
    if plan is None:
        return _without_definitions(profile, now)
    if not whole and not members and is_current(profile.computed, plan, now=now):
        return Brought(replace(profile, computed=packed(profile.computed, plan)))
    computed = _caught_up(store, space, plan, profile) if whole else profile.computed
    if whole or members:
        touched = None if computed.touched is None else {**dict.fromkeys(plan.of_members, ""), **computed.touched}
        computed = replace(computed, touched=touched)
    computed, passages, slots = _through_time(
        store, space, plan, replace(profile, computed=computed), now, cause, pending
    )
    was = profile.computed
    for_account = computed.results is not was.results and asked(computed, plan) != asked(was, plan)
    at = max(now, computed.noted_at + 1)
    seen, changed = _seen(profile, computed, plan, None if whole else slots, at=at, cause=cause)
    noted = None
    if changed:
        noted = Noted(profile.id, at, changed)
        computed = replace(computed, noted_at=at)
    computed = packed(computed, plan)
    if computed.epoch != plan.epoch:
        computed = replace(computed, epoch=plan.epoch)
    return Brought(replace(profile, computed=computed, shown=seen), passages, noted, for_account)


def _seen(
    profile: Profile, computed: Computed, plan: Plan, slots: Mapping[int, Cause] | None, *, at: int, cause: Cause
) -> tuple[Mapping[str, Shown], Sequence[Change]]:
    """Return what readers see of a profile from now on, and what of that is another than before.

    `slots` are the only ones whose values may have changed; None is any.
    """
    before = profile.computed.results
    if computed.epoch == plan.epoch and computed.results is before:
        return profile.shown, ()
    if computed.epoch != plan.epoch or slots is None:
        return shown(computed, plan), changes(profile.shown, computed, plan, at=at, cause=cause)
    changed = patches(before, computed.results, slots, plan, at=at)
    shows = {c.key: Shown(c.now, c.kind) if c.now != ABSENT else None for c in changed}
    return Patched(profile.shown, shows), changed


def _without_definitions(profile: Profile, now: int) -> Brought:
    """Return a profile of a collection that nothing is computed of any more."""
    if profile.computed == NOTHING:
        return Brought(profile)
    why, at = Cause(How.DEFINITION), max(now, profile.computed.noted_at + 1)
    gone = [Change(key, was.kind, was.text, ABSENT, at, why) for key, was in sorted(profile.shown.items())]
    if not gone:
        return Brought(replace(profile, computed=Computed(noted_at=profile.computed.noted_at)))
    return Brought(replace(profile, computed=Computed(noted_at=at), shown={}), noted=Noted(profile.id, at, gone))


def _caught_up(store: Store, space: Space, plan: Plan, profile: Profile) -> Computed:
    """Return what is computed with the history noted for definitions that are newer than it."""
    computed = profile.computed
    upto = max(computed.upto, plan.settled)
    if upto >= plan.upto:
        computed = pruned(computed, plan)
        return replace(computed, stale=False, until=until_of(computed.results))
    return catch_up(computed, plan, history(store, space, plan, profile, upto=upto), upto=upto)


def history(store: Store, space: Space, plan: Plan, profile: Profile, *, upto: int) -> list[Message]:
    """Return the kept events of a profile that definitions above the number `upto` ask for."""
    wanted = {memory.event for memory in missing(plan, upto).values()}
    if len(profile.activity) < space.policy.max_event_names:
        wanted &= profile.activity.keys()
    return store.happened(space.slug, profile.ids, wanted)


def _through_time(
    store: Store, space: Space, plan: Plan, profile: Profile, now: int, cause: Cause, pending: Sequence[Message]
) -> tuple[Computed, tuple[tuple[int, Passage], ...], dict[int, Cause]]:
    """Evaluate a profile at each instant at which something was due, and at last at `now`.

    Return the slots whose values became others, too, with what made them so.
    """
    computed = profile.computed
    passages: list[tuple[int, Passage]] = []
    slots: dict[int, Cause] = {}
    # With something new in it a profile is not what it was at instants that have passed.
    steps = STEPS if computed.touched == {} else 0
    while True:
        due = computed.due
        at = due if steps and due not in {None, AT_ONCE} and due is not None and due < now else now
        steps -= 1
        why = Cause(How.TIME) if computed.touched == {} else cause
        result = _assessed(store, space, plan, replace(profile, computed=computed), at, why, pending)
        passages += [(profile.id, passage) for passage in result.passages]
        slots.update(result.slots)
        computed = result.computed
        if at == now:
            return computed, tuple(passages), slots


def _assessed(
    store: Store, space: Space, plan: Plan, profile: Profile, now: int, cause: Cause, pending: Sequence[Message]
) -> Assessment:
    """Evaluate, look up what is needed for that, and evaluate again until nothing is."""
    subject = Subject(profile.collection, profile.computed, profile.traits, profile.known)
    supplied = NOTHING_SUPPLIED
    while True:
        result = assess(subject, plan, now=now, cause=cause, supplied=supplied)
        if not result.needs.edges and not result.needs.members:
            return result
        supplied = _supplied(store, space, plan, profile, result.needs, supplied, now, pending)


def ask(store: Store, space: Space, profile: Profile, slot: int, question: Callable[[View], _T], *, now: int) -> _T:
    """Return what a question comes to that looks at a profile as the definition of a slot does.

    The profile must have been brought to that instant.
    """
    plan = space.policy.plans[profile.collection]
    subject = Subject(profile.collection, profile.computed, profile.traits, profile.known)
    supplied = NOTHING_SUPPLIED
    while True:
        answer, needs = consult(subject, plan, slot, question, now=now, supplied=supplied)
        if not needs.edges and not needs.members:
            return answer
        supplied = _supplied(store, space, plan, profile, needs, supplied, now)


def _supplied(
    store: Store,
    space: Space,
    plan: Plan,
    profile: Profile,
    needs: Needs,
    have: Supplied,
    now: int,
    pending: Sequence[Message] = (),
) -> Supplied:
    edges = dict(have.edges)
    for memory, span in needs.edges:
        written = store.happened(space.slug, profile.ids, [memory.event], first=span.first, last=span.last)
        new = [m for m in pending if m.event == memory.event and span.first <= m.timestamp <= span.last]
        edges[memory.key, span.first] = [*written, *new]
    members = _members(store, space, plan, profile, now) if needs.members else have.members
    return Supplied(edges, members)


def _members(store: Store, space: Space, plan: Plan, account: Profile, now: int) -> Mapping[int, list[Weighed]]:
    """Return for each condition on an account's users whether it holds for each of them, at an instant."""
    slots = [slot for place in plan.of_members for slot in plan.definitions[place].members.values()]
    weighed: dict[int, list[Weighed]] = {slot: [] for slot in slots}
    head = Head(account.id, account.collection, account.first, account.last, account.members)
    for user in store.profiles(store.users_of(space.slug, head)).values():
        if space.is_over(user.last.at, now=now):
            continue
        brought = bring(store, space, user, now=now, cause=Cause(How.TIME)).profile
        answers, ends = asked(brought.computed, space.policy.plans[USERS]), space.expires_at(user.last.at)
        for slot in slots:
            held, until = answers[slot]
            weighed[slot].append((held, until if ends is None else min(until, ends + 1)))
    return weighed
