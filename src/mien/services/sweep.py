"""Keep lists right for profiles that nobody reads: evaluate those whose time has come, a few at a time."""

from collections.abc import Mapping

from msgspec import Struct

from mien.core.computed import AT_ONCE, Cause, How
from mien.core.fold import Outcome
from mien.core.profile import Profile
from mien.core.space import Space
from mien.services.evaluation import bring, put
from mien.services.pace import Pace
from mien.services.transact import transact
from mien.store.base import Store, Unit

STEP = 200
"""How many profiles one transaction brings up to date at most."""
PAUSE = 60_000_000
"""For how many microseconds somebody is put off who cannot be brought up to date."""
_TIME = Cause(How.TIME)


class Swept(Struct, frozen=True):
    """How many profiles were brought up to date, and by how many microseconds the one waiting longest was late."""

    profiles: int
    lag: int


def sweep(
    store: Store, spaces: Mapping[str, Space], *, now: int, pace: Pace | None = None, revision: int | None = None
) -> Swept:
    """Bring profiles up to date whose time has come; call again until that is none.

    `pace` says how many at most, STEP if it is not given.
    Nothing is done by `spaces` that are not those of the `revision` given.
    """
    paced = pace or Pace(STEP)
    due = store.due(now=now, limit=paced.many)
    lag = max((now - at for at, _ in due if at != AT_ONCE), default=0)
    if not due:
        return Swept(0, 0)

    def evaluate(unit: Unit) -> int:
        by_space: dict[str, list[Profile]] = {}
        if revision is not None and store.revision() != revision:
            return 0
        for profile in store.profiles(profile for _, profile in due).values():
            # Since it was listed it may have been brought up to date, or absorbed.
            if profile.merged_into is None and profile.computed.due is not None and profile.computed.due <= now:
                by_space.setdefault(profile.space, []).append(profile)
        for slug, profiles in sorted(by_space.items()):
            space = spaces.get(slug)
            if space is None:
                for profile in profiles:
                    unit.put_off(profile.id, until=now + PAUSE)
                continue
            with paced.taking(len(profiles)):
                brought = [bring(store, space, p, now=now, cause=_TIME, whole=p.computed.stale) for p in profiles]
                unit.write(slug, put(store, space, Outcome(), brought))
        return sum(map(len, by_space.values()))

    return Swept(transact(store, evaluate), lag)


def put_off(store: Store, *, now: int) -> None:
    """Let the one waiting longest wait for PAUSE: they could not be brought up to date, and others wait behind."""

    def wait(unit: Unit) -> None:
        for _, profile in store.due(now=now, limit=1):
            unit.put_off(profile, until=now + PAUSE)

    transact(store, wait)
