"""As much at once as does not keep others waiting."""

import pytest

from mien.services import pace
from mien.services.pace import FIRST, MOMENT, Pace


def test_steps_grow_while_they_are_short_and_full_and_shrink_when_they_are_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(pace, "monotonic", lambda: clock[0])
    paced = Pace(FIRST, 200)

    def sizes(steps: int, *, each: float, there: int = 10**6) -> list[int]:
        taken = []
        for _ in range(steps):
            taken.append(paced.many)
            with paced.taking(min(paced.many, there)):
                clock[0] += min(paced.many, there) * each
        return taken

    assert sizes(9, each=0, there=3) == [16] * 9  # nothing to do is no reason to take more
    assert sizes(6, each=0) == [16, 32, 64, 128, 200, 200]
    assert sizes(9, each=MOMENT) == [200, 100, 50, 25, 12, 6, 3, 1, 1]  # each of them has a long history
    assert all(MOMENT / 4 <= many * MOMENT / 40 <= MOMENT for many in sizes(20, each=MOMENT / 40)[5:])
