"""Slow links cost little: workers are kept so far ahead that they do not wait for messages."""

from __future__ import annotations

from random import Random
from typing import Final

import pytest
from sim.measured import makespan_s

WORKER_COUNT: Final = 16
ITEM_COUNT: Final = 1_000


@pytest.mark.parametrize(("round_trip_s", "limit"), [(0.0, 1.02), (0.05, 1.06), (0.2, 1.22)])
def test_a_run_over_a_slow_link_is_hardly_longer(round_trip_s: float, limit: float) -> None:
    chance = Random(1)
    durations_s = {f"test_{n}": chance.uniform(0.05, 0.15) for n in range(ITEM_COUNT)}
    ideal_s = sum(durations_s.values()) / WORKER_COUNT
    assert makespan_s(durations_s, WORKER_COUNT, round_trip_s) <= limit * ideal_s
