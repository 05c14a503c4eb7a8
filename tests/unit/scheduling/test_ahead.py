"""How many items a worker has to hold so that it never waits for a message."""

from __future__ import annotations

import pytest

from remotest.scheduling.ahead import MOST_AHEAD, Ahead


@pytest.mark.parametrize(
    ("round_trip_s", "durations_s", "count"),
    [
        (0.05, [], 2),  # Nothing is known of its items.
        (0.0, [0.002], 12),  # Nothing is known of the link; the agent listens every 0.02 s.
        (0.0002, [0.1], 3),
        (0.05, [0.1], 3),
        (0.05, [0.01], 9),
        (0.05, [0.01, 0.05], 6),  # 0.02 s each, as it seems now.
        (0.2, [0.0], 2 + MOST_AHEAD),
    ],
)
def test_how_far_ahead(round_trip_s: float, durations_s: list[float], count: int) -> None:
    ahead = Ahead(round_trip_s)
    for duration_s in durations_s:
        ahead.note(duration_s)
    assert ahead.count() == count
