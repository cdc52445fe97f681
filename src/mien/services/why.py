"""Why somebody is in an audience or is not, why a computed trait is what it is, and what would change that."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mien.core import values
from mien.core.assess import Bar, Subject, bar
from mien.core.computed import ABSENT, TRUE, Cause, How, note, until_of
from mien.core.definition import Definition, Kind, State
from mien.core.fold import Entry
from mien.core.message import Identifier, Message, order_of
from mien.core.plan import Compiled, Plan
from mien.core.profile import Profile
from mien.core.space import DAY, Space
from mien.core.spans import NEVER
from mien.core.traits import Write, settle
from mien.core.why import Reason, Turn, explain, leaves, turn
from mien.errors import ProfileNotFound
from mien.services.close_up import Aside, CloseUp, close_up
from mien.services.evaluation import ask, bring
from mien.services.lookup import find, head
from mien.store.base import Store

STEPS = 200
"""How many instants at which something may change are looked at for the one at which it does."""
HORIZON = 10 * 365 * DAY
"""How far ahead they may lie."""
_LATEST = 253_402_300_799_999_999
"""The last microsecond that has a year of four digits."""


class Outlook(Struct, frozen=True, kw_only=True):
    """When an answer becomes another one if nothing happens.

    `at` is when, `answer` what it is then, and `because` are the comparisons that turn then. Without `at` it surely
    stays until `sure_until`, None for ever: beyond that nobody looked.
    """

    at: int | None = None
    answer: Any = None
    because: tuple[Reason, ...] = ()
    sure_until: int | None = None


class Why(Struct, frozen=True, kw_only=True):
    """What a definition says of a profile at an instant, and why.

    `answer` is whether they are in the audience, or the value of the computed trait, None for none; readers are told
    so while the definition is live. `bar` keeps them out whatever the condition says. `turn` is what would make the
    condition the opposite, None where that alone would not help. `since` is when the answer became what it is, None
    if it was never another; `cause` is what made it so, and `entry` its message, if it is still kept.
    """

    definition: Definition
    profile: int
    at: int
    answer: Any
    reason: Reason
    bar: Bar | None = None
    turn: Turn | None = None
    since: int | None = None
    cause: Cause | None = None
    entry: Entry | None = None
    outlook: Outlook
    supposed: bool = False


def why(
    store: Store,
    space: Space,
    definition: Definition,
    names: Sequence[Identifier],
    *,
    now: int,
    suppose: Sequence[Message] = (),
) -> Why:
    """Say what a definition makes of the profile that the first of these names finds, and why; store nothing.

    With `suppose`, as if these messages had come to that profile, whomever they name. An instant to come is looked at
    as if nothing happened until then. Raise ProfileNotFound as `find` does.
    """
    stored = store.profile(find(store, space, names, now=now))
    if stored is None:
        raise ProfileNotFound
    close = close_up(store, space, definition)
    aside = Aside(store, close, now=now)
    profile = aside.brought(stored)
    if suppose:
        aside.suppose(stored.id, suppose)
        profile = _supposed(aside, close, profile, suppose, now)
    return _Explaining(aside, close, now).why(profile, supposed=bool(suppose))


def _supposed(aside: Aside, close: CloseUp, profile: Profile, messages: Sequence[Message], now: int) -> Profile:
    """Return a profile with messages folded in, all for this one, and evaluated again."""
    for place, message in enumerate(messages):
        received = replace(message, order=order_of(now, place))
        profile = replace(profile, computed=note(profile.computed, close.plan, received, message.traits))
        write = Write(message.timestamp, message.order, message.source, message.id)
        traits, _ = settle(profile.traits, message.traits, write, limit=close.space.policy.max_traits)
        profile = replace(profile, traits=traits)
    return _brought(aside, close, profile, now, Cause(How.MESSAGE, messages[-1].id))


def _brought(aside: Aside, close: CloseUp, profile: Profile, now: int, cause: Cause) -> Profile:
    return bring(aside.store, close.space, profile, now=now, cause=cause).profile


class _Explaining:
    """One definition, and the store beside which it is looked at."""

    def __init__(self, aside: Aside, close: CloseUp, now: int) -> None:
        self._aside = aside
        self._close = close
        self._now = now
        self._plan: Plan = close.plan
        self._slot = close.definition.number
        self._compiled: Compiled = self._plan.definitions[self._plan.places[self._slot]]

    def why(self, profile: Profile, *, supposed: bool) -> Why:
        reason = self._reason(profile, self._now)
        barred = self._bar(profile)
        result = profile.computed.results.get(self._slot)
        ever = result is not None and result.text != ABSENT
        found = Why(
            definition=self._close.definition,
            profile=profile.id,
            at=self._now,
            answer=self._answer(profile),
            reason=reason,
            bar=barred,
            turn=turn(reason) if reason.held is not None and not (barred and reason.held) else None,
            since=result.at if result is not None and ever else None,
            cause=result.cause if result is not None and ever else None,
            outlook=self._outlook(profile, reason),
            supposed=supposed,
        )
        return replace(found, entry=self._entry(profile, found.cause))

    def _reason(self, profile: Profile, now: int) -> Reason:
        query = self._compiled.query
        return ask(
            self._aside.store, self._close.space, profile, self._slot, lambda view: explain(query, view), now=now
        )

    def _bar(self, profile: Profile) -> Bar | None:
        if not self._compiled.is_audience:
            return None
        subject = Subject(profile.collection, profile.computed, profile.traits, profile.known)
        return bar(self._close.definition, subject, now=self._now)

    def _answer(self, profile: Profile) -> Any:
        result = profile.computed.results.get(self._slot)
        text = ABSENT if result is None else result.text
        if self._compiled.is_audience:
            return text == TRUE
        return None if text == ABSENT else values.read(text)

    def _entry(self, profile: Profile, cause: Cause | None) -> Entry | None:
        if cause is None or not cause.message:
            return None
        store, slug = self._aside.store, self._close.space.slug
        return store.entry(slug, head(store, self._close.space, profile.id, now=self._now), cause.message)

    def _outlook(self, profile: Profile, reason: Reason) -> Outlook:
        """Look at each instant at which something may change until the answer does."""
        answer = self._answer(profile)
        due = until_of(profile.computed.results)
        for _ in range(STEPS):
            if due == NEVER:
                return Outlook()
            if due > self._now + HORIZON:
                break
            at = due
            profile = _brought(self._aside, self._close, profile, at, Cause(How.TIME))
            then = self._answer(profile)
            if then != answer:
                return Outlook(at=at, answer=then, because=_others(reason, self._reason(profile, at)))
            due = until_of(profile.computed.results)
        return Outlook(sure_until=due)


def _others(reason: Reason, then: Reason) -> tuple[Reason, ...]:
    """Return the comparisons of a later look whose truth is another than it was."""
    pairs = zip(leaves(reason), leaves(then), strict=True)
    return tuple(later for now, later in pairs if now.held is not later.held)


def told(found: Why) -> dict[str, Any]:
    """Return an explanation as plain values, its times as text."""
    definition = found.definition
    body: dict[str, Any] = {
        "key": definition.key,
        "kind": str(definition.kind),
        "state": str(definition.state),
        "at": values.write_time(found.at),
        "answer": _plain(found.answer),
        "told_to_readers": definition.state is State.LIVE,
        "kept_out": None if found.bar is None else str(found.bar),
        "since": _time(found.since),
        "cause": None if found.cause is None else {"how": str(found.cause.how), "message": found.cause.message},
        "reason": _reason(found.reason),
        "next": {
            "at": _time(found.outlook.at),
            "answer": _plain(found.outlook.answer),
            "because": [_reason(reason) for reason in found.outlook.because],
            "sure_until": _time(found.outlook.sure_until),
        },
    }
    if found.turn is not None:
        body["to_change"] = _turn(found.turn)
    if definition.kind is Kind.AUDIENCE and definition.control:
        body["control_percent"] = definition.control
    return body


def _reason(reason: Reason) -> dict[str, Any]:
    body: dict[str, Any] = {"text": reason.text, "until": _time(reason.until)}
    if reason.held is not None:
        body["holds"] = reason.held
    if reason.word:
        body["word"] = reason.word
    if reason.users is not None:
        body["users"] = {"holding": reason.users.holding, "all": reason.users.all}
    if reason.found:
        body["found"] = [{"text": f.text, "value": _plain(f.value), "events": f.events} for f in reason.found]
    if reason.parts:
        body["parts"] = [_reason(part) for part in reason.parts]
    return body


def _turn(one: Turn) -> dict[str, Any]:
    if one.turns:
        return {
            "need": one.need,
            "fewest": one.fewest,
            "possible": one.possible,
            "turns": [_turn(part) for part in one.turns],
        }
    body: dict[str, Any] = {"need": one.need, "text": one.text, "possible": one.possible}
    if one.want is not None:
        body |= {"must": one.want.words, "by": _plain(one.want.by)}
    return body


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: whole numbers without a fraction, others as a double."""
    return None if value is None else msgspec.json.decode(values.write(value))


def _time(micros: int | None) -> str | None:
    return None if micros is None or micros > _LATEST else values.write_time(micros)
