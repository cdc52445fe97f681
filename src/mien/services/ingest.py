"""Take messages in: all of a batch or none, in one transaction."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mien.core.fold import Loss, State, fold
from mien.core.message import Discard, Message, Submission
from mien.core.space import Space
from mien.errors import CatalogChanged
from mien.services.evaluation import evaluated
from mien.services.transact import transact
from mien.store.base import Store, Unit


class Receipt(Struct, frozen=True, array_like=True):
    """What became of a batch: how many messages were new, were known already, and how many discards there are."""

    accepted: int = 0
    duplicates: int = 0
    discarded: int = 0


def settle(
    store: Store,
    submissions: Sequence[Submission],
    spaces: Mapping[str, Space],
    *,
    now: int,
    ids: Iterator[int],
    revision: int | None = None,
) -> Receipt:
    """Take submissions in as one transaction, durable on return; fold again when another writer got there first.

    Messages of a space that is not in `spaces` are recorded as discards. Raise Busy after too many attempts,
    ConnectionLost when that happened twice, and CatalogChanged when `spaces` are not those of the `revision` given.
    """
    messages = [message for submission in submissions for message in submission.messages]
    discards = [discard for submission in submissions for discard in submission.discards]

    def take_in(unit: Unit) -> Receipt:
        # Whoever changes definitions waits until nobody takes messages in by those of before.
        if revision is not None and store.revision() != revision:
            raise CatalogChanged
        return _take_in(store, unit, messages, discards, spaces, now=now, ids=ids)

    # Messages that were committed are not unseen any more: once more changes nothing but how often a discard was met.
    return transact(store, take_in, repeatable=True)


def _take_in(
    store: Store,
    unit: Unit,
    messages: Sequence[Message],
    discards: Sequence[Discard],
    spaces: Mapping[str, Space],
    *,
    now: int,
    ids: Iterator[int],
) -> Receipt:
    known = [message for message in messages if message.space in spaces]
    fresh = [_canonical(message, spaces[message.space]) for message in unit.unseen(known)]
    more: list[Discard] = []
    for slug, part in sorted(_by_space(fresh).items()):  # two that meet wait, and never for each other
        space = spaces[slug]
        state = _load(unit, space, part, now=now)
        outcome = evaluated(store, space, fold(state, part, space.policy, ids=ids), now=now)
        unit.write(slug, outcome)
        more += outcome.discards
    homeless = [_homeless(message) for message in messages if message.space not in spaces]
    unit.record([*discards, *homeless])
    return Receipt(
        accepted=len(fresh),
        duplicates=len(known) - len(fresh),
        discarded=len(discards) + len(homeless) + len(more),
    )


def _canonical(message: Message, space: Space) -> Message:
    """Return a message with its identifiers as they are kept."""
    identifiers = tuple(space.policy.rules.canonical(i) for i in message.identifiers)
    return message if identifiers == message.identifiers else replace(message, identifiers=identifiers)


def _by_space(messages: Sequence[Message]) -> dict[str, list[Message]]:
    parts: dict[str, list[Message]] = {}
    for message in messages:
        parts.setdefault(message.space, []).append(message)
    return parts


def _load(unit: Unit, space: Space, messages: Sequence[Message], *, now: int) -> State:
    """Return what the messages touch, after deleting those profiles whose time is over."""
    identifiers = {identifier for message in messages for identifier in message.identifiers}
    state = unit.load(space.slug, identifiers)
    expired = [p for p in state.profiles.values() if space.is_over(p.last.at, now=now)]
    if not expired:
        return state
    unit.erase(space.slug, expired)
    return unit.load(space.slug, identifiers)


def _homeless(message: Message) -> Discard:
    return Discard(
        space=message.space,
        source=message.source,
        message=message.id,
        kind=message.kind,
        reason=Loss.SPACE_GONE,
        detail="its space is gone",
        received_at=message.received_at,
    )
