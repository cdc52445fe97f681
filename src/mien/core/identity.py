"""Which profile a message belongs to, which profiles are one person, and why.

One resolver for every dialect. What differs between vendors is a setting in `Rules`; `presets` has the documented
ones. The algorithm, step by step, is in docs/reference/identity.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from msgspec import Struct

from mien.core.message import Identifier
from mien.core.rules import Login, Logout, Rules, TypeRule

OWN_ID = "$id"
"""The type under which a profile's own id is looked up. No source can claim a type that starts with `$`."""


class Reason(StrEnum):
    """Why an identifier was not taken into the profile."""

    BLOCKED = "id_value_blocked"
    UNKNOWN_TYPE = "id_type_unknown"
    LIMIT = "id_limit_exceeded"
    PERIOD_LIMIT = "id_time_limit_exceeded"
    MERGE_LIMIT = "profile_merge_limit_exceeded"
    MAPPING_LIMIT = "id_mapping_limit_exceeded"
    KEPT_APART = "profiles_kept_apart"
    ELSEWHERE = "id_held_elsewhere"
    """It stays with the profile that holds it, which the rules ask for: nothing is lost."""


class Refusal(NamedTuple):
    """An identifier that was not taken, and why; `type` is the one whose limit decided, where one did."""

    identifier: Identifier
    reason: Reason
    type: str = ""


class Held(NamedTuple):
    """How a profile came by an identifier: when (microseconds since 1970), and through which message."""

    at: int
    source: str
    message: str


class Owner(Protocol):
    """What the resolver needs to know of a profile. A smaller id is an older profile."""

    @property
    def id(self) -> int:
        """The profile's id."""

    @property
    def identifiers(self) -> Mapping[tuple[str, str], Held]:
        """What it holds, by type and value."""

    @property
    def members(self) -> tuple[int, ...]:
        """The profiles it absorbed."""

    @property
    def apart(self) -> frozenset[tuple[int, int]]:
        """Which of its ids must never be one with which others."""


class Resolution(Struct, frozen=True, kw_only=True):
    """Which profile a message belongs to, which ones it makes one with it, and why.

    `survivor` is None when no identifier was left. `claimed` are the identifiers that name the survivor from now
    on, whether new or not, best first; those in `taken` leave the profile that held them. `beside` is the anonymous
    profile in whose place a new one was made.
    """

    survivor: int | None = None
    absorbed: tuple[int, ...] = ()
    claimed: tuple[Identifier, ...] = ()
    refused: tuple[Refusal, ...] = ()
    taken: Mapping[Identifier, int] = {}
    beside: int | None = None


def resolve(
    identifiers: Sequence[Identifier],
    owners: Mapping[Identifier, Owner],
    rules: Rules,
    *,
    at: int,
    new_id: int,
    leaving: bool = False,
) -> Resolution:
    """Say which profile these identifiers name, which ones it absorbs, and why.

    All identifiers are of one collection, and canonical. `owners` has those that are held. `at` is the message's
    timestamp. `leaving` says that somebody logged out, and that this is whom the device belongs to now.
    """
    claims, refused = screen(identifiers, rules)
    decide = _merge if rules.merge else _pick
    return decide(_Case(claims, refused, owners, rules, at, new_id, leaving))


class _Case(NamedTuple):
    """What is to be decided; `refused` grows meanwhile."""

    claims: list[Identifier]
    refused: list[Refusal]
    owners: Mapping[Identifier, Owner]
    rules: Rules
    at: int
    new_id: int
    leaving: bool

    def guarded(self) -> frozenset[int]:
        """Return the profiles that this message may not find."""
        if not self.rules.guards:
            return frozenset()
        named = {self.owners[i].id: self.owners[i] for i in self.claims if i in self.owners}
        return frozenset(owner.id for owner in named.values() if _is_guarded(owner, self.claims, self.rules))

    def drop_last(self, reason: Reason, kind: str = "") -> None:
        """Refuse the lowest ranking claim."""
        self.refused.append(Refusal(self.claims.pop(), reason, kind))


def screen(identifiers: Iterable[Identifier], rules: Rules) -> tuple[list[Identifier], list[Refusal]]:
    """Return the identifiers that may name somebody, best first and each once, and those that never do."""
    claims: dict[Identifier, None] = {}
    refused = []
    for identifier in identifiers:
        if identifier.type not in rules.types and not rules.auto_add:
            refused.append(Refusal(identifier, Reason.UNKNOWN_TYPE))
        elif rules.is_nobody(identifier):
            refused.append(Refusal(identifier, Reason.BLOCKED))
        else:
            claims[identifier] = None
    return sorted(claims, key=rules.rank), refused


def is_known(owner: Owner, rules: Rules) -> bool:
    """Say whether a profile holds an identifier that logs in."""
    return any(rules.of(kind).login for kind, _ in owner.identifiers)


def _is_guarded(owner: Owner, claims: Iterable[Identifier], rules: Rules) -> bool:
    """Say whether a profile holds what a message must name to find it, and this one does not."""
    for behave in ("immutable", "login"):
        needed = [held for held in owner.identifiers if getattr(rules.of(held[0]), behave)]
        if needed and not any((i.type, i.value) in needed for i in claims):
            return True
    return False


# Where profiles are merged


def _merge(case: _Case) -> Resolution:
    """Make one profile of all that are named.

    While the outcome would break a limit, the lowest ranking identifier of the message is dropped, and the rest are
    tried again.
    """
    while case.claims:
        guarded = case.guarded()
        named = {case.owners[i].id: case.owners[i] for i in case.claims if i in case.owners}
        known = sorted((o for o in named.values() if o.id not in guarded), key=lambda o: o.id)
        misfit = _misfit(case, known)
        if misfit is None:
            survivor, *absorbed = [owner.id for owner in known] or [case.new_id]
            claimed, taken = _within_cap(case, known, guarded)
            return Resolution(
                survivor=survivor,
                absorbed=tuple(absorbed),
                claimed=tuple(claimed),
                refused=tuple(case.refused),
                taken=taken,
            )
        case.drop_last(*misfit)
    return Resolution(refused=tuple(case.refused))


def _misfit(case: _Case, known: Sequence[Owner]) -> tuple[Reason, str] | None:
    """Say which rule the union of these profiles and identifiers would break, if any, and for which type."""
    rules, ours = case.rules, {owner.id for owner in known}
    new = [i for i in case.claims if i not in case.owners or case.owners[i].id not in ours]
    if len(known) > 1:
        if sum(len(owner.members) for owner in known) + len(known) - 1 > rules.max_merges:
            return Reason.MERGE_LIMIT, ""
        if sum(len(owner.identifiers) for owner in known) > rules.max_identifiers:
            return Reason.MAPPING_LIMIT, ""
        if _are_kept_apart(known):
            return Reason.KEPT_APART, ""
    kinds = {identifier.type for identifier in new}
    if len(known) > 1:
        kinds.update(kind for owner in known for kind, _ in owner.identifiers)
    for kind in sorted(kinds):
        added = {i.value: case.at for i in new if i.type == kind}
        reason = _over_limit(rules, kind, added, known)
        if reason is not None:
            return reason, kind
    return None


def _are_kept_apart(known: Sequence[Owner]) -> bool:
    """Say whether some of these profiles must never become one."""
    return any(
        theirs in (other.id, *other.members) for owner in known for _, theirs in owner.apart for other in known
    )


def _over_limit(rules: Rules, kind: str, added: Mapping[str, int], known: Sequence[Owner]) -> Reason | None:
    """Say whether a profile made of these would hold more values of a type than it may."""
    rule = rules.of(kind)
    apart = [{v: held.at for (t, v), held in owner.identifiers.items() if t == kind} for owner in known]
    union = added.items() | {x for times in apart for x in times.items()}
    fullest = most_within([time for _, time in union], rule.period)
    # Rules may have been tightened: what a profile holds already is no reason to refuse what does not add to it.
    if fullest > rule.limit and fullest > max((most_within(t.values(), rule.period) for t in apart), default=0):
        return Reason.LIMIT if rule.period is None else Reason.PERIOD_LIMIT
    return None


def most_within(times: Iterable[int], period: int | None) -> int:
    """Return how many of the times fall into the fullest window of this length; all without one."""
    ordered = sorted(times)
    if period is None:
        return len(ordered)
    start = most = 0
    for end, time in enumerate(ordered):
        while time - ordered[start] >= period:
            start += 1
        most = max(most, end - start + 1)
    return most


def _within_cap(
    case: _Case, known: Sequence[Owner], guarded: frozenset[int]
) -> tuple[list[Identifier], dict[Identifier, int]]:
    """Return the identifiers for which the profile has room, and which of them leave a profile that is not found."""
    room = case.rules.max_identifiers - sum(len(owner.identifiers) for owner in known)
    kept, taken = [], {}
    for identifier in case.claims:
        owner = case.owners.get(identifier)
        if owner is not None and owner.id not in guarded:
            kept.append(identifier)
        elif owner is not None and not _leaves_guarded(case.rules.of(identifier.type)):
            case.refused.append(Refusal(identifier, Reason.ELSEWHERE))
        elif room <= 0:
            case.refused.append(Refusal(identifier, Reason.MAPPING_LIMIT))
        else:
            room -= 1
            kept.append(identifier)
            if owner is not None:
                taken[identifier] = owner.id
    return kept, taken


def _leaves_guarded(rule: TypeRule) -> bool:
    """Say whether an identifier leaves a profile that is not found: the device has another user now."""
    return not rule.immutable and (rule.unique or not rule.login)


# Where the best ranking identifier decides


def _pick(case: _Case) -> Resolution:
    """Choose one profile; the identifiers of others go over to it or stay where they are."""
    if not case.claims:
        return Resolution(refused=tuple(case.refused))
    guarded = case.guarded()
    chosen = None if case.leaving and case.rules.on_logout is Logout.NEW else _best(case, guarded)
    beside = None
    if chosen is not None and _logs_in_beside(case, chosen):
        beside, chosen = chosen, None
    claimed, taken = _gather(case, chosen, guarded)
    return Resolution(
        survivor=chosen.id if chosen is not None else case.new_id,
        claimed=tuple(claimed),
        refused=tuple(case.refused),
        taken=taken,
        beside=beside.id if beside is not None and case.rules.on_login is Login.LINK else None,
    )


def _best(case: _Case, guarded: frozenset[int]) -> Owner | None:
    """Walk the types in their order: the first that names somebody gives the candidates, later ones break ties."""
    candidates: dict[int, Owner] = {}
    by_type: dict[str, dict[int, Owner]] = {}
    for identifier in case.claims:
        owner = case.owners.get(identifier)
        if owner is not None and owner.id not in guarded:
            by_type.setdefault(identifier.type, {})[owner.id] = owner
    for owners in by_type.values():
        both = candidates.keys() & owners.keys()
        candidates = {i: candidates[i] for i in both} if both else candidates or owners
    return candidates[max(candidates)] if candidates else None  # several still: the one made last


def _logs_in_beside(case: _Case, chosen: Owner) -> bool:
    """Say whether a login never seen before is to have a profile of its own beside an anonymous one."""
    if case.rules.on_login is Login.CONVERT or is_known(chosen, case.rules):
        return False
    return any(case.rules.of(i.type).login for i in case.claims)


def _gather(
    case: _Case, chosen: Owner | None, guarded: frozenset[int]
) -> tuple[list[Identifier], dict[Identifier, int]]:
    """Return the identifiers that name the chosen profile from now on, and which of them leave another."""
    held = dict(chosen.identifiers) if chosen is not None else {}
    logs_in = any(case.rules.of(i.type).login for i in case.claims)
    claimed, taken = [], {}
    for identifier in case.claims:
        owner = case.owners.get(identifier)
        if owner is not None and chosen is not None and owner.id == chosen.id:
            claimed.append(identifier)
            continue
        if owner is not None and not _goes_over(case, identifier, owner, guarded, logs_in=logs_in):
            case.refused.append(Refusal(identifier, Reason.ELSEWHERE))
            continue
        refusal = _no_room(case, identifier, held)
        if refusal is not None:
            case.refused.append(refusal)
            continue
        if owner is not None:
            taken[identifier] = owner.id
        held[identifier.type, identifier.value] = Held(case.at, "", "")
        claimed.append(identifier)
    return claimed, taken


def _goes_over(case: _Case, identifier: Identifier, owner: Owner, guarded: frozenset[int], *, logs_in: bool) -> bool:
    """Say whether an identifier leaves the profile that holds it for the one that was chosen.

    A unique one does; a device leaves an anonymous profile, too, when somebody logs in who takes it along.
    """
    rule = case.rules.of(identifier.type)
    if owner.id in guarded:
        return _leaves_guarded(rule)
    if rule.unique:
        return not rule.immutable
    return logs_in and case.rules.on_login is Login.CONVERT and not is_known(owner, case.rules)


def _no_room(case: _Case, identifier: Identifier, held: Mapping[tuple[str, str], Held]) -> Refusal | None:
    """Say why a profile that holds these cannot take one more, if it cannot."""
    rule = case.rules.of(identifier.type)
    if len(held) >= case.rules.max_identifiers:
        return Refusal(identifier, Reason.MAPPING_LIMIT)
    times = [how.at for (kind, _), how in held.items() if kind == identifier.type]
    if most_within([*times, case.at], rule.period) > max(rule.limit, most_within(times, rule.period)):
        return Refusal(identifier, Reason.LIMIT if rule.period is None else Reason.PERIOD_LIMIT, identifier.type)
    return None
